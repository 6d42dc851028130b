using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Sim.Core.Architecture;
using Sim.Core.Stats;

namespace Sim.Experiments.Tests;

/// <summary>One thing, one name, in one file: numbers of the architecture in Sim.Core/Architecture, names of statistics in Sim.Core/Stats/StatNames.cs.</summary>
[TestFixture]
public sealed partial class VocabularyTests
{
    private static readonly string[] Names =
        [.. typeof(StatNames).GetFields(BindingFlags.Public | BindingFlags.Static).Where(field => field.IsLiteral).Select(field => (string)field.GetRawConstantValue()!)];

    // A whole name, or the beginning of one, may stand in no literal; a bare suffix or prefix may not be one.
    private static readonly Regex Whole = new(
        @"(?<![\w.])(" + string.Join('|', Names.Where(name => char.IsLetter(name[0]) && name[^1] is not ('.' or '_')).Select(Regex.Escape)) + @")(?![\w/]|\.[a-z]*\b[ )])", RegexOptions.CultureInvariant);

    [Test]
    public void No_source_file_but_StatNames_has_a_literal_of_a_statistics_name()
    {
        List<string> found = [];
        foreach ((string file, int line, string code) in Lines().Where(line => Path.GetFileName(line.File) != "StatNames.cs"))
        {
            foreach (string literal in Literal().Matches(code).Select(match => match.Groups[1].Value))
            {
                if (Whole.IsMatch(literal) || Names.Contains(literal) || literal.StartsWith("lane[{", StringComparison.Ordinal))
                {
                    found.Add($"{file}:{line}: \"{literal}\"");
                }
            }
        }

        Assert.That(found, Is.Empty, "refer to Sim.Core.Stats.StatNames instead");
    }

    [TestCase("x.Total(\"vm.exits\")", true)]
    [TestCase("x.Total(\"lane[*].walks.cold\")", true)]
    [TestCase("$\"lane[{lane}].accesses\"", true)]
    [TestCase("Rule(\"trace.records*\")", true)]
    [TestCase("path[\"cycles.\".Length..]", true)]
    [TestCase("\"Stall cycles. Of walks.\"", false)]
    [TestCase("\"--over trace.nst\"", false)]
    public void A_name_is_seen_where_it_stands(string code, bool isSeen)
    {
        string literal = Literal().Match(code).Groups[1].Value;
        Assert.That(Whole.IsMatch(literal) || Names.Contains(literal) || literal.StartsWith("lane[{", StringComparison.Ordinal), Is.EqualTo(isSeen));
    }

    [Test]
    public void No_source_file_gives_an_exit_reason_an_MSR_or_a_host_vector_a_number_again()
    {
        Dictionary<string, HashSet<ulong>> known = new(StringComparer.Ordinal);
        foreach (Type type in new[] { typeof(VmxExit), typeof(SvmExit), typeof(Msr), typeof(HostVector), typeof(VmcsField) })
        {
            foreach (object value in Enum.GetValues(type))
            {
                (known.TryGetValue(value.ToString()!, out HashSet<ulong>? numbers) ? numbers : known[value.ToString()!] = []).Add(Convert.ToUInt64(value, CultureInfo.InvariantCulture));
            }
        }

        string[] again =
        [
            .. Lines().Where(line => !line.File.Contains("Architecture", StringComparison.Ordinal)).SelectMany(line => Constant().Matches(line.Code).Select(match => (line.File, line.Line, match)))
                .Where(each => known.TryGetValue(each.match.Groups["name"].Value, out HashSet<ulong>? numbers) && numbers.Contains(Number(each.match.Groups["value"].Value)))
                .Select(each => $"{each.File}:{each.Line}: {each.match.Value}"),
        ];
        Assert.That(again, Is.Empty, "refer to the enums of Sim.Core.Architecture instead");
    }

    private static ulong Number(string text) => text.StartsWith("0x", StringComparison.Ordinal)
        ? ulong.Parse(text[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
        : ulong.Parse(text, CultureInfo.InvariantCulture);

    private static IEnumerable<(string File, int Line, string Code)> Lines() =>
        from folder in Directory.GetDirectories(RepositoryFolder.Root, "Sim.*").Order(StringComparer.Ordinal)
        from file in Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
        let relative = Path.GetRelativePath(RepositoryFolder.Root, file).Replace('\\', '/')
        where !relative.Contains("/obj/", StringComparison.Ordinal) && !relative.Contains("/bin/", StringComparison.Ordinal)
        from line in File.ReadLines(file).Select((code, at) => (Code: code, Number: at + 1))
        where !line.Code.TrimStart().StartsWith("//", StringComparison.Ordinal)
        select (relative, line.Number, line.Code);

    [GeneratedRegex("\"((?:[^\"\\\\]|\\\\.)*)\"", RegexOptions.CultureInvariant)]
    private static partial Regex Literal();

    [GeneratedRegex(@"const \w+ (?<name>\w+) = (?<value>0x[0-9A-Fa-f]+|\d+)\b", RegexOptions.CultureInvariant)]
    private static partial Regex Constant();
}
