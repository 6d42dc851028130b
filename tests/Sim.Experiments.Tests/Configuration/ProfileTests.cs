using Sim.Core;
using Sim.Core.Configuration;
using Sim.Core.Profiles;

namespace Sim.Experiments.Tests.Configuration;

/// <summary>The shipped profiles and the reader that checks them.</summary>
public sealed class ProfileTests
{
    private static IReadOnlyList<string> Names => ProfileLibrary.Names;

    [Test]
    public void The_parts_that_the_design_asks_for_are_there() =>
        Assert.That(Names, Is.SupersetOf(new[] { "haswell-ep", "ice-lake-sp", "reference-64-1536", "sapphire-rapids", "skylake-sp", "zen-2", "zen-3", "zen-4" }));

    [TestCaseSource(nameof(Names))]
    public void A_shipped_profile_is_good_and_called_like_its_file(string name)
    {
        CpuProfile profile = ProfileReader.Read(ProfileLibrary.Find(name).Path, Components.Replacements);

        Assert.That(profile.Name, Is.EqualTo(name));
        Assert.That(profile.Summary, Does.EndWith("."));
    }

    [TestCaseSource(nameof(Names))]
    public void Every_number_of_a_shipped_profile_cites_a_table_of_sources_the_manual_or_says_assumed(string name)
    {
        string path = ProfileLibrary.Find(name).Path;
        SettingsNode root = SettingsNode.ParseFile(path, name, []);
        CpuProfile profile = ProfileReader.Read(path, Components.Replacements);

        foreach (SettingsNode leaf in root.Leaves().Where(leaf => leaf.Kind != SettingsKind.Text))
        {
            Assert.That(profile.Sources.GetValueOrDefault(leaf.Path), Does.Match(@"^(assumed: .{10}|not applicable: |calibrated: |docs/sources\.md#[a-z0-9-]+|SDM vol\. 3|\[memory hi\]: )"), leaf.Path);
        }
    }

    /// <summary>Entries and latencies as docs/sources.md#geometry-of-intel, #geometry-of-amd and #latencies have them, typed here a second time.</summary>
    [TestCase("haswell-ep", "itlb_4k 16x8, itlb_2m 1x8, dtlb_4k 16x4, dtlb_2m 8x4, dtlb_1g 1x4 | stlb 128x8 | 8")]
    [TestCase("skylake-sp", "itlb_4k 16x8, itlb_2m 1x8, dtlb_4k 16x4, dtlb_2m 8x4, dtlb_1g 1x4 | stlb 128x12, stlb_1g 4x4 | 9")]
    [TestCase("ice-lake-sp", "itlb_4k 16x8, itlb_2m 1x8, dtlb_4k 16x4, dtlb_2m 8x4, dtlb_1g 1x8, dtlb_store 1x16 | stlb_a 128x8, stlb_b 128x8 | 7")]
    [TestCase("sapphire-rapids", "itlb_4k 32x8, itlb_2m 4x8, dtlb_4k 16x6, dtlb_2m 8x4, dtlb_1g 1x8, dtlb_store 1x16 | stlb_a 128x8, stlb_b 128x8 | 7")]
    [TestCase("zen-2", "l1_itlb 1x64, l1_dtlb 1x64 | l2_itlb 128x8, l2_dtlb 256x8 | 7")]
    [TestCase("zen-3", "l1_itlb 1x64, l1_dtlb 1x64 | l2_itlb 128x4, l2_dtlb 256x8, l2_dtlb_1g 1x64 | 5")]
    [TestCase("zen-4", "l1_itlb 1x64, l1_dtlb 1x72 | l2_itlb 128x4, l2_dtlb 384x8, l2_dtlb_1g 1x64 | 5")]
    [TestCase("reference-64-1536", "itlb 16x4, dtlb 16x4 | stlb 128x12 | 9")]
    public void A_shipped_profile_has_the_geometry_of_the_study(string name, string geometry)
    {
        CpuProfile profile = ProfileReader.Read(ProfileLibrary.Find(name).Path, Components.Replacements);

        Assert.That($"{Arrays(profile.FirstLevel)} | {Arrays(profile.SecondLevel)} | {profile.SecondLevelHitCycles}", Is.EqualTo(geometry));
    }

    [Test]
    public void Skylake_keeps_four_pcids_in_the_stlb_one_in_the_itlb_and_none_in_the_dtlb()
    {
        CpuProfile profile = ProfileReader.Read(ProfileLibrary.Find("skylake-sp").Path, Components.Replacements);

        Assert.That(profile.FirstLevel.Concat(profile.SecondLevel).Select(array => array.KeptPcids), Is.EqualTo(new int?[] { 1, 1, 0, 0, 0, 4, 4 }));
        Assert.That(profile.SecondLevel[0].KeptVpids, Is.Null);
        Assert.That((profile.SecondLevel[0].Replacement, profile.SecondLevel[0].Index), Is.EqualTo(("plru4-mru3", IndexHash.Xor)));
    }

    [TestCase("\"sets\": { \"value\": 128, \"source\"", "\"sets\": { \"value\": 100, \"source\"", "second_level[0].sets: the xor index needs a power of two sets, found 100")]
    [TestCase("\"sets\": { \"value\": 128, \"source\"", "\"sets\": { \"value\": 0, \"source\"", "second_level[0].sets: expected a whole number from 1 to 1048576, found 0")]
    [TestCase("\"sets\": { \"value\": 128, \"source\"", "\"sets\": { \"value\": 1.5, \"source\"", "second_level[0].sets: expected a whole number from 1 to 1048576, found 1.5")]
    [TestCase("\"ways\": { \"value\": 12,", "\"ways\": { \"value\": 8,", "second_level[0].ways: plru4-mru3 is a rule for 12 ways (three groups of four), found 8")]
    [TestCase("\"value\": \"plru4-mru3\"", "\"value\": \"plru4\"", "second_level[0].replacement: Unknown replacement rule 'plru4'. Did you mean")]
    [TestCase("\"vendor\": \"intel\"", "\"vendor\": \"Intel\"", "vendor: expected one of intel, amd, found 'Intel'")]
    [TestCase("\"vendor\": \"intel\",", "", "(root): 'vendor' is missing: expected one of intel, amd")]
    [TestCase("\"vmptrld\"", "\"vmptrlf\"", "costs.vmptrlf: Unknown member 'vmptrlf'. Did you mean vmptrld")]
    [TestCase("\"walk_start_cycles\": { \"value\": 0,", "\"walk_start_cycles\": { \"value\": true,", "walk_start_cycles: expected a whole number from 0 to 100000000, found flag true")]
    [TestCase("\"name\": \"llc\",", "\"name\": \"llc\", \"name\": \"l3\",", "pte_line_caches[2].name: given twice")]
    public void A_wrong_profile_is_refused_with_the_path_and_the_line(string old, string changed, string message)
    {
        string text = File.ReadAllText(ProfileLibrary.Find("skylake-sp").Path);
        Assert.That(text, Does.Contain(old));

        Assert.That(() => ReadText(text.Replace(old, changed, StringComparison.Ordinal)), Throws.TypeOf<ConfigurationException>().With.Message.Contains(message).And.Message.Match(@"p\.json:\d+: "));
    }

    [Test]
    public void All_errors_are_said_at_once()
    {
        string text = File.ReadAllText(ProfileLibrary.Find("skylake-sp").Path)
            .Replace("\"vendor\": \"intel\"", "\"vendor\": 7", StringComparison.Ordinal)
            .Replace("\"flush_by_asid\": {", "\"flush_by_asld\": {", StringComparison.Ordinal)
            .Replace("\"memory_cycles\": { \"value\": 200, \"source\"", "\"memory_cycles\": { \"value\": 3, \"source\"", StringComparison.Ordinal);

        Assert.That(() => ReadText(text), Throws.TypeOf<ConfigurationException>().With.Message.Contains(": 5 errors.")
            .And.Message.Contains("found 7 without a source")
            .And.Message.Contains("vendor: expected one of intel, amd, found number 7")
            .And.Message.Contains("'flush_by_asid' is missing: expected true or false")
            .And.Message.Contains("Unknown member 'flush_by_asld'. Did you mean flush_by_asid")
            .And.Message.Contains("'memory' takes 3 cycles, fewer than the 54 of the cache before it"));
    }

    [Test]
    public void A_number_without_a_source_is_an_error()
    {
        string text = File.ReadAllText(ProfileLibrary.Find("skylake-sp").Path);
        int start = text.IndexOf("\"memory_cycles\": {", StringComparison.Ordinal);
        string bare = text[..start] + "\"memory_cycles\": 200," + text[(text.IndexOf('\n', start))..];

        Assert.That(() => ReadText(bare), Throws.TypeOf<ConfigurationException>().With.Message.Contains("memory_cycles: expected { \"value\": 200, \"source\": \"...\" }, found 200 without a source"));
    }

    [Test]
    public void A_page_must_have_one_home_in_the_first_level()
    {
        string text = File.ReadAllText(ProfileLibrary.Find("zen-3").Path).Replace("\"sides\": [\"load\", \"store\"],\n      \"sizes\": [\"4K\", \"2M\", \"1G\"]", "\"sides\": [\"load\", \"store\"],\n      \"sizes\": [\"4K\", \"2M\"]", StringComparison.Ordinal);

        Assert.That(() => ReadText(text), Throws.TypeOf<ConfigurationException>().With.Message.Contains("first_level: expected one array for a store of a 1G page, found 0"));
    }

    [Test]
    public void Tree_plru_needs_a_power_of_two_ways()
    {
        string text = File.ReadAllText(ProfileLibrary.Find("zen-4").Path).Replace("\"value\": \"lru\"", "\"value\": \"tree-plru\"", StringComparison.Ordinal);

        Assert.That(() => ReadText(text), Throws.TypeOf<ConfigurationException>().With.Message.Contains("first_level[1].ways: tree-plru needs a power of two ways, found 72").And.Message.Contains(": 1 error."));
    }

    private static string Arrays(IReadOnlyList<TlbStructure> arrays) => string.Join(", ", arrays.Select(array => $"{array.Name} {array.Sets}x{array.Ways}"));

    private static CpuProfile ReadText(string text)
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            string path = Path.Combine(folder, "p.json");
            File.WriteAllText(path, text);
            return ProfileReader.Read(path, Components.Replacements);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
