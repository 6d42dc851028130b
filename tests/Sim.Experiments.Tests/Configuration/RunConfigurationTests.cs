using Sim.Core;
using Sim.Core.Profiles;
using Sim.Kvm;

namespace Sim.Experiments.Tests.Configuration;

public sealed class RunConfigurationTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Without_anything_the_defaults_and_the_default_profile_hold()
    {
        RunConfiguration configuration = RunConfiguration.Load(null, []);

        Assert.That(configuration.Machine.Profile.Name, Is.EqualTo("skylake-sp"));
        Assert.That(configuration.Policies, Is.EqualTo(new[] { "kvm-5.14", "kvm-5.16", "kvm-6.12", "always-guest", "always-current", "never" }));
        Assert.That(configuration.Reference, Is.EqualTo("kvm-5.14"));
        Assert.That(configuration.Windows, Is.EqualTo(Windows.All));
        Assert.That((configuration.Machine.L0Pages, configuration.Machine.Ept12Pages, configuration.Machine.L0Ept, configuration.Machine.Seed), Is.EqualTo(((PageSize?)null, PageSize.Size4K, true, 1UL)));
        Assert.That(configuration.Machine.PageSizes, Is.EqualTo(PageSizeSource.Recorded));
        Assert.That(configuration.Origins, Is.Empty);
    }

    [Test]
    public void Later_sources_win_and_each_value_knows_who_set_it()
    {
        string file = Write("{\n  \"profile\": \"zen-3\",\n  \"machine\": { \"l1_pages\": \"2M\", \"l2_pages\": \"2M\" },\n  \"costs.vm_exit\": 11,\n  \"policies\": [\"never\"]\n}");

        RunConfiguration configuration = RunConfiguration.Load(file, [new Assignment("machine.l2_pages", "1G", "--set"), new Assignment("second_level[1].ways", "4", "--set"), new Assignment("windows.warm_up", "10M", "--warm-up")]);

        Assert.That((configuration.Machine.L1Pages, configuration.Machine.L2Pages, configuration.Machine.Ept12Pages), Is.EqualTo((PageSize.Size2M, PageSize.Size1G, PageSize.Size4K)));
        Assert.That((configuration.Machine.Profile.Costs.VmExit, configuration.Machine.Profile.SecondLevel[1].Ways), Is.EqualTo((11, 4)));
        Assert.That(configuration.Windows.WarmUp, Is.EqualTo(new WindowLength.OfRecords(10_000_000)));
        Assert.That(configuration.Origins.Select(pair => $"{pair.Key} {pair.Value.Replace(_folder, "", StringComparison.Ordinal)}"), Is.EqualTo(new[]
        {
            "costs.vm_exit /c.json:4",
            "machine.l1_pages /c.json:3",
            "machine.l2_pages --set",
            "policies[0] /c.json:5",
            "profile /c.json:2",
            "second_level[1].ways --set",
            "windows.warm_up --warm-up",
        }));
        Assert.That(configuration.Machine.Profile.Sources["second_level[1].ways"], Is.EqualTo("set by --set"));
    }

    [TestCase("4K", PageSize.Size4K)]
    [TestCase("2M", PageSize.Size2M)]
    public void One_size_for_all_pages_wins_over_those_of_single_tables(string word, PageSize size)
    {
        MachineSpec machine = RunConfiguration.Load(null, [new Assignment("machine.page_sizes", word, "--page-sizes"), new Assignment("machine.l1_pages", "1G", "--set")]).Machine;

        Assert.That((machine.PageSizes, machine.L0Pages, machine.L1Pages), Is.EqualTo((PageSizeSource.Assumed, size, size)));
        Assert.That((machine.L2Pages, machine.Ept01Pages, machine.Ept12Pages), Is.EqualTo((size, size, size)));
    }

    [Test]
    public void Assumed_sizes_are_those_of_single_tables()
    {
        MachineSpec machine = RunConfiguration.Load(null, [new Assignment("machine.page_sizes", "assumed", "--page-sizes"), new Assignment("machine.l0_pages", "1G", "--set")]).Machine;

        Assert.That((machine.PageSizes, machine.L0Pages, machine.Ept01Pages, machine.Ept12Pages), Is.EqualTo((PageSizeSource.Assumed, PageSize.Size1G, PageSize.Size2M, PageSize.Size4K)));
    }

    [Test]
    public void A_page_size_of_no_CPU_is_refused_with_the_words_there_are() => Assert.That(
        () => RunConfiguration.Load(null, [new Assignment("machine.page_sizes", "4k", "--page-sizes")]),
        Throws.TypeOf<ConfigurationException>().With.Message.Contains("--page-sizes: machine.page_sizes: expected one of recorded, assumed, 4K, 2M, bracket, found '4k'"));

    [Test]
    public void The_hash_follows_values_and_not_how_they_were_given()
    {
        string copy = Path.Combine(_folder, "mine.json");
        File.Copy(ProfileLibrary.Find("skylake-sp").Path, copy);
        string hash = RunConfiguration.Load(null, []).Hash;

        Assert.That(RunConfiguration.Load(null, [new Assignment("profile", copy, "--profile")]).Hash, Is.EqualTo(hash));
        Assert.That(RunConfiguration.Load(Write("""{ "machine": { "seed": 1 } }"""), []).Hash, Is.EqualTo(hash));
        Assert.That(RunConfiguration.Load(null, [new Assignment("machine.seed", "2", "--set")]).Hash, Is.Not.EqualTo(hash));
    }

    [Test]
    public void The_resolved_configuration_is_good_as_a_configuration_file()
    {
        RunConfiguration first = RunConfiguration.Load(null, [new Assignment("profile", "zen-4", "--profile"), new Assignment("windows.measure", "until:end", "--measure")]);

        RunConfiguration again = RunConfiguration.Load(Write(first.Json), []);

        Assert.That(again.Json, Is.EqualTo(first.Json));
        Assert.That(again.Hash, Is.EqualTo(first.Hash));
    }

    [TestCase("machine.l0_eptt", "false", "machine.l0_eptt: Unknown member 'l0_eptt'. Did you mean l0_ept")]
    [TestCase("polices", "x", "polices: Unknown member 'polices'. Did you mean policies")]
    [TestCase("policies", "[\"kvm-5.116\"]", "Unknown policy 'kvm-5.116'. Did you mean kvm-5.16")]
    [TestCase("policies", "[]", "policies: expected an array with at least one item, found an empty one")]
    [TestCase("policies", "[\"never\", \"never\"]", "names 'never' twice")]
    [TestCase("reference", "nsvm-5.8", "'nsvm-5.8' is not among the policies kvm-5.14")]
    [TestCase("machine.paging_levels", "3", "machine.paging_levels: expected a whole number from 4 to 5, found 3")]
    [TestCase("machine.l1_pages", "4k", "machine.l1_pages: expected one of 4K, 2M, 1G, found '4k'")]
    [TestCase("windows.warm_up", "all", "windows.warm_up: expected a count such as 10M")]
    [TestCase("windows.measure", "ten", "windows.measure: expected a count such as 10M")]
    [TestCase("profile", "skylake", "Unknown profile 'skylake'. Did you mean skylake-sp")]
    public void A_wrong_value_is_refused_with_its_option_and_the_nearest_names(string path, string value, string message) =>
        Assert.That(() => RunConfiguration.Load(null, [new Assignment(path, value, "--set")]), Throws.TypeOf<ConfigurationException>().With.Message.Contains(message));

    [Test]
    public void An_amd_machine_has_its_own_default_policies_and_needs_ASIDs_but_not_nested_paging()
    {
        Assignment zen = new("profile", "zen-2", "--profile");

        Assert.That(RunConfiguration.Load(null, [zen]).Policies, Is.EqualTo(new[] { "nsvm-5.8", "always-guest", "always-current", "never" }));
        Assert.That(RunConfiguration.Load(null, [zen, new Assignment("machine.l0_ept", "false", "--set")]).Machine.L0Ept, Is.False);
        Assert.That(() => RunConfiguration.Load(null, [zen, new Assignment("machine.l0_vpid", "false", "--set")]), Throws.TypeOf<ConfigurationException>().With.Message.Contains("machine.l0_vpid: must be true with 'zen-2'"));
    }

    private string Write(string text)
    {
        string path = Path.Combine(_folder, "c.json");
        File.WriteAllText(path, text);
        return path;
    }
}
