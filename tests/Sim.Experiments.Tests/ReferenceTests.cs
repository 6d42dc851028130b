using System.Text.RegularExpressions;

namespace Sim.Experiments.Tests;

/// <summary>What comments, profiles, scenarios and pages refer to is in the repository: the page, and the anchor on it.</summary>
[TestFixture]
internal sealed partial class ReferenceTests
{
    private static readonly string[] SkippedFolders = [".git", "bin", "obj", "out", "node_modules", "TestResults", "BenchmarkDotNet.Artifacts"];

    private static readonly string[] TextExtensions = [".cs", ".md", ".json", ".scenario", ".props", ".csproj", ".py", ".sh", ".txt", ""];

    // Of the folder of studies that this project grew from, which no clone has. In two pieces, so that this file is none of those that name them.
    private static readonly string[] Foreign = ["kvm-" + "semantics.md", "costs" + ".md", "kernels" + ".md", "DESIGN" + ".md", "shared/" + "reference"];

    private static readonly string[] MayNameRecordingsBeside = ["tests/Recordings.cs", ".ci/run", "traces/captures/README.md"];

    // Its examples cite what is not there.
    private const string ThisFile = "tests/Sim.Experiments.Tests/ReferenceTests.cs";

    [Test]
    public void Every_page_and_anchor_that_is_cited_exists()
    {
        Assert.That(Files().Where(file => file != ThisFile).SelectMany(file => Dangling(file, File.ReadAllText(RepositoryFolder.Of(file)))), Is.Empty);
    }

    [Test]
    public void Nothing_cites_a_file_that_a_clone_lacks()
    {
        string[] texts = [.. Files()];
        Assert.That(texts.SelectMany(file => Foreign.Where(File.ReadAllText(RepositoryFolder.Of(file)).Replace("docs/kernels" + ".md", "", StringComparison.Ordinal).Contains).Select(name => $"{file}: {name}")), Is.Empty);
        Assert.That(
            texts.Where(file => File.ReadAllText(RepositoryFolder.Of(file)).Contains("../" + "shared", StringComparison.Ordinal)).Except(MayNameRecordingsBeside),
            Is.Empty);
    }

    [TestCase("Sim.Kvm/A.cs", "/// (docs/rules.md#holes, #h1 and docs/safety.md)", "")]
    [TestCase("Sim.Kvm/A.cs", "// docs/rules.md#holes, #h99", "Sim.Kvm/A.cs: docs/rules.md#h99")]
    [TestCase("Sim.Kvm/A.cs", "// docs/rule.md", "Sim.Kvm/A.cs: docs/rule.md")]
    [TestCase("docs/x.md", "[a](rules.md#h1) [b](../README.md) [c](https://example.org/y.md) [d](#z)\n## Z\n", "")]
    [TestCase("docs/x.md", "[a](rules.md#h0) [b](README.md)", "docs/x.md: docs/rules.md#h0|docs/x.md: docs/README.md")]
    public void A_citation_of_what_is_not_there_is_found(string file, string text, string dangling) => Assert.That(string.Join('|', Dangling(file, text)), Is.EqualTo(dangling));

    private static IEnumerable<string> Dangling(string file, string text)
    {
        foreach (Match match in Citation().Matches(text))
        {
            foreach (string missing in Missing(match.Groups["page"].Value, match.Groups["anchors"].Value))
            {
                yield return $"{file}: {missing}";
            }
        }

        foreach (Match match in file.EndsWith(".md", StringComparison.Ordinal) ? Link().Matches(text) : Enumerable.Empty<Match>())
        {
            string folder = Path.GetDirectoryName(file)!;
            string page = match.Groups["page"].Value;
            string target = page.Length == 0 ? file : Path.GetRelativePath(RepositoryFolder.Root, Path.GetFullPath(Path.Combine(RepositoryFolder.Root, folder, page))).Replace('\\', '/');
            if (target == file)
            {
                if (!Anchors(text).Contains(match.Groups["anchor"].Value))
                {
                    yield return $"{file}: {target}{match.Groups["anchor"].Value}";
                }

                continue;
            }

            foreach (string missing in Missing(target, match.Groups["anchor"].Value))
            {
                yield return $"{file}: {missing}";
            }
        }
    }

    // Anchors are listed as "#a, #b": all of one page.
    private static IEnumerable<string> Missing(string page, string anchors)
    {
        string path = RepositoryFolder.Of(page);
        if (!File.Exists(path))
        {
            yield return page;
            yield break;
        }

        HashSet<string> there = Anchors(File.ReadAllText(path));
        foreach (string anchor in Anchor().Matches(anchors).Select(match => match.Value).Where(anchor => !there.Contains(anchor)))
        {
            yield return page + anchor;
        }
    }

    // A heading's anchor is its text in lower case without punctuation, blanks as hyphens.
    private static HashSet<string> Anchors(string page) =>
        [.. Heading().Matches(page).Select(match => "#" + Punctuation().Replace(match.Groups["text"].Value.Trim().ToLowerInvariant(), "").Replace(' ', '-')),
            .. Id().Matches(page).Select(match => "#" + match.Groups["id"].Value)];

    private static IEnumerable<string> Files(string folder = "") =>
        Directory.GetFiles(RepositoryFolder.Of(folder)).Where(path => TextExtensions.Contains(Path.GetExtension(path))).Select(Relative)
            .Concat(Directory.GetDirectories(RepositoryFolder.Of(folder)).Where(path => !SkippedFolders.Contains(Path.GetFileName(path))).SelectMany(path => Files(Relative(path))));

    private static string Relative(string path) => Path.GetRelativePath(RepositoryFolder.Root, path).Replace('\\', '/');

    [GeneratedRegex(@"(?<![\w/.-]|\]\()(?<page>(?:docs|traces|traces/captures)/[A-Za-z0-9-]+\.md)(?<anchors>(?:#[a-z0-9-]+(?:(?:,|;| and| to) #[a-z0-9-]+)*)?)")]
    private static partial Regex Citation();

    [GeneratedRegex(@"\]\((?!https?:)(?<page>[^)#\s]*\.md)?(?<anchor>#[a-z0-9-]+)?\)")]
    private static partial Regex Link();

    [GeneratedRegex("#[a-z0-9-]+")]
    private static partial Regex Anchor();

    [GeneratedRegex("^#+ (?<text>.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\w -]")]
    private static partial Regex Punctuation();

    [GeneratedRegex("<a id=\"(?<id>[a-z0-9-]+)\">")]
    private static partial Regex Id();
}
