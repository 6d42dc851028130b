using System.Reflection;
using System.Text.RegularExpressions;
using Sim.Core.Profiles;
using Sim.Experiments;
using Sim.Kvm;
using Sim.Workloads.Scenarios;

namespace Sim.Validation.Tests;

/// <summary>Every deliberate bug is caught by a committed scenario, and every rule, hole and cell has its bug.</summary>
[TestFixture]
public sealed partial class MutationTableTests
{
    private static readonly string Folder = RepositoryFolder.Of("traces", "scenarios");

    private static readonly Lazy<MutationTable> Committed = new(() => MutationTable.Of([.. Directory.GetFiles(Folder, "*.scenario").Order(StringComparer.Ordinal).Select(Scenario.Read)]));

    private static readonly string[] Designs = ["nsvm-l2-asid", "nsvm-l2-asid-per-vm", "nsvm-l2-asid-pool"];

    /// <summary>docs/rules.md#holes.</summary>
    private static IEnumerable<string> Holes => Enumerable.Range(1, 14).Select(number => $"H{number}");

    /// <summary>The "must" cells of docs/rules.md#nsvm-policies, the mutants that the text below that table names, and the designs that each is a rule of.</summary>
    private static IEnumerable<TestCaseData> Cells
    {
        get
        {
            yield return Cell("L1 changes vmcb12.ASID", "ignores-new-asid12", Designs);
            yield return Cell("TLB_CONTROL 1", "ignores-tlb-control-1", Designs);
            yield return Cell("TLB_CONTROL 3", "ignores-tlb-control-3", Designs);
            yield return Cell("TLB_CONTROL 7", "ignores-tlb-control-7", Designs);
            yield return Cell("INVLPGA", "ignores-invlpga", Designs);
            yield return Cell("host unmap flushes asid1 and asid2", "flush-all-active-only", Designs);
            yield return Cell("TLB_FLUSH raised while L1 runs", "flush-all-forgets-l2", Designs);
            yield return Cell("clobbered TLB_CONTROL", "clobbers-tlb-control", Designs);
            yield return Cell("nNPT is synced on an ASID flush", "no-sync-on-asid-flush", Designs);
            yield return Cell("S2: pCPU switch", "no-flush-after-sibling", "nsvm-l2-asid-per-vm");
            yield return Cell("S3: only on unknown id", "ignores-new-asid12", "nsvm-l2-asid-pool");
            yield return Cell("S0: flush(asid)", "no-flush-on-transition", "nsvm-5.8", "nsvm-6.14");
            yield return Cell("S0: sync", "no-sync-on-request", "nsvm-5.8", "nsvm-6.14");

            static TestCaseData Cell(string name, string mutant, params string[] policies) => new TestCaseData(mutant, policies).SetArgDisplayNames(name);
        }
    }

    /// <summary>Kernel rules without a mutant, and why.</summary>
    private static readonly SortedDictionary<string, string> NotMutated = new(StringComparer.Ordinal)
    {
        [nameof(KernelRules.AddressFlushTakesAsid)] = "a flush beyond what is needed (svm_flush_tlb_gva of 7.2 and later)",
        [nameof(KernelRules.Cr4BitsThatResetMmu)] = "roots dropped earlier than needed: the next load flushes more, never less",
        [nameof(KernelRules.FlushesGuestOnSetSregs)] = "a flush that userspace asks for; recordings of 6.1 and 6.12 hold both sides",
        [nameof(KernelRules.FlushesOnPgeChange)] = "a flush beyond what is needed: 6.14 removed it",
        [nameof(KernelRules.FlushesOnShadowedWrite)] = "a flush beyond what is needed; both sides are in the recordings of 5.10 and later",
        [nameof(KernelRules.FlushesOnXAvic)] = "the page behind the APIC's address is not modelled, so that no trace can show what the flush is for",
        [nameof(KernelRules.FlushesOnX2Avic)] = "as FlushesOnXAvic",
        [nameof(KernelRules.FlushesProtectedMapping)] = "a flush beyond what is needed; both sides are in RecordedRulesTests",
        [nameof(KernelRules.FreesRootsAtVmptrld)] = "roots dropped earlier than needed: the next load flushes more, never less",
        [nameof(KernelRules.HasOneVmcb)] = "which VMCB a level runs with, no rule of what is flushed",
        [nameof(KernelRules.OffersVpid)] = "what L0 offers to L1, no rule of what is flushed",
        [nameof(KernelRules.Primitive)] = "which flush functions there are; mutants of each are KernelDefects",
        [nameof(KernelRules.ReloadDropsAllRoots)] = "roots dropped earlier than needed: the next load flushes more, never less",
        [nameof(KernelRules.RequestsFlushesOnCr4)] = "what the reset of the MMU does not flush; both sides are in rule-cr4-flushes",
        [nameof(KernelRules.ResetsMmuOnPcideCleared)] = "roots dropped earlier than needed: the next load flushes more, never less",
        [nameof(KernelRules.RootSwitch)] = "today's is the one with the fewest flushes; that a root load syncs and flushes are KernelDefects",
        [nameof(KernelRules.ServicesCurrentBeforeSwitch)] = "a trace has no change that FLUSH_CURRENT alone is to bring to notice",
        [nameof(KernelRules.Tags)] = "where tags come from; what must be flushed for that are KernelDefects",
        [nameof(KernelRules.UnloadsOnInvpcidAll)] = "roots dropped earlier than needed: the next load flushes more, never less",
        [nameof(KernelRules.ZapsReflectedAddress)] = "a flush beyond what is needed; both sides are in RecordedRulesTests",
    };

    [Test]
    public void Every_mutant_is_caught_by_a_scenario_that_finds_nothing_wrong_without_it()
    {
        foreach (MutationRow row in Committed.Value.Rows)
        {
            TestContext.Out.WriteLine($"{row.Name} ({row.Mutant.Breaks}): {row.Finding?.Kind} after {row.Records} records of {row.Scenario}: {row.Finding?.Story[0]}");
        }

        Assert.That(Committed.Value.Rows.Where(row => row.Finding is null).Select(row => row.Name), Is.Empty);
        Assert.That(Committed.Value.Rows.Select(row => row.Mutant.Name).Distinct(), Is.EqualTo(KernelMutants.All.Where(mutant => !mutant.OnlyUncovers).Select(mutant => mutant.Name)));
        Assert.That(Committed.Value.Passed, Is.True);
    }

    [Test]
    public void A_mutant_that_only_uncovers_has_others_behind_it()
    {
        foreach (KernelMutant mutant in KernelMutants.All.Where(mutant => mutant.OnlyUncovers))
        {
            Assert.That(Committed.Value.Rows.Where(row => row.Policy.Split(MutatedPolicy.Separator).Contains(mutant.Name)), Is.Not.Empty, mutant.Name);
        }
    }

    [TestCaseSource(nameof(Holes))]
    public void Every_hole_of_the_catalogue_has_a_scenario_and_a_mutant_that_is_caught_in_it(string hole)
    {
        MutationRow[] rows = [.. Committed.Value.Rows.Where(row => row.Mutant.Breaks == hole)];
        Assert.That(rows.Where(row => row.Scenario?.StartsWith($"hole-{hole.ToLowerInvariant()}-", StringComparison.Ordinal) == true), Is.Not.Empty);
    }

    [TestCaseSource(nameof(Cells))]
    public void Every_must_cell_has_a_mutant_that_is_caught_in_each_design_that_has_the_cell(string mutant, string[] policies) =>
        Assert.That(Committed.Value.Rows.Where(row => row.Mutant.Name == mutant && row.Finding is not null && policies.Contains(row.Policy)).Select(row => row.Policy), Is.EquivalentTo(policies));

    [Test]
    public void Every_defect_is_made_by_a_mutant()
    {
        KernelDefects made = Mutations().Aggregate(KernelDefects.None, (all, mutation) => all | mutation.After.Defects);
        Assert.That(Enum.GetValues<KernelDefects>().Where(defect => (made & defect) != defect), Is.Empty);
    }

    [Test]
    public void Every_rule_of_a_kernel_is_broken_by_a_mutant_or_said_why_not()
    {
        (KernelRules Before, KernelRules After)[] mutations = [.. Mutations()];
        string[] rules = [.. typeof(KernelRules).GetProperties(BindingFlags.Instance | BindingFlags.Public).Select(rule => rule.Name)];
        Assert.That(rules.Where(rule => !mutations.Any(mutation => !Equals(ValueOf(mutation.Before, rule), ValueOf(mutation.After, rule)))), Is.EquivalentTo(NotMutated.Keys));

        static object? ValueOf(KernelRules rules, string rule) => typeof(KernelRules).GetProperty(rule)!.GetValue(rules);
    }

    [Test]
    public void A_mutant_has_a_name_of_its_own_that_can_stand_behind_a_policy_on_a_command_line()
    {
        Assert.That(KernelMutants.All.Select(mutant => mutant.Name), Is.Unique.And.All.Match(KebabCase().ToString()));
        Assert.That(KernelMutants.All.Select(mutant => mutant.Breaks), Is.All.Match("^(H[0-9]+|S[0-3] .+|2\\.[0-9]+)$"));
    }

    [Test]
    public void A_mutant_that_no_scenario_names_has_survived() => Assert.That(MutationTable.Of([]).Rows.Select(row => (row.Name, row.Finding)), Is.EqualTo(KernelMutants.All.Where(mutant => !mutant.OnlyUncovers).Select(mutant => (mutant.Name, (SafetyIncident?)null))));

    // The base is unsafe in the first scenario and the mutant is safe in the second: neither is a catch.
    [TestCase("kvm-5.14~new-vpid12-flushes-active-root", "hole-h1-new-vpid12")]
    [TestCase("kvm-4.20~new-vpid12-flushes-active-root", "hole-h7-active-root")]
    public void What_is_unsafe_anyhow_and_what_stays_safe_is_not_caught(string policy, string scenario)
    {
        string text = File.ReadAllText(Path.Combine(Folder, scenario + ".scenario")) + $"expect {policy} unsafe stale_use\n";
        MutationTable table = MutationTable.Of([Scenario.Parse(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(text)), "test")]);
        Assert.That(table.Rows.Single(row => row.Name == policy).Finding, Is.Null);
        Assert.That(table.Passed, Is.False);
    }

    private static IEnumerable<(KernelRules Before, KernelRules After)> Mutations() =>
        from mutant in KernelMutants.All
        from policy in Components.Policies.Entries.Select(entry => Components.Policies.Create(entry.Name)).Append(Components.Policy("nsvm-6.12.117~with-s8", Vendor.Amd))
        from vendor in Enum.GetValues<Vendor>().Where(policy.Supports)
        select (policy.Rules(vendor), mutant.Rules(policy.Rules(vendor)));

    [GeneratedRegex("^[a-z0-9]+(-[a-z0-9]+)*$")]
    private static partial Regex KebabCase();
}
