using System.Text.Json;
using System.Text;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Core;
using Sim.Experiments;
using Sim.Reports.Views;
using Sim.Workloads.Operations;
using Sim.Workloads.Scenarios;

namespace Sim.Validation.Tests;

/// <summary>The first seed thread's table: every row is what the decision tables of docs/rules.md#transition-tables say, and what the thread is about can be read from it.</summary>
[TestFixture]
public sealed class NestedEntryTableTests
{
    private static readonly NestedEntryTable Table = NestedEntryTable.Of(Configuration());

    private static IEnumerable<TestCaseData> Rows() => Table.Rows.Select(Case);

    private static IEnumerable<TestCaseData> RowsWithoutNestedEptOnShadowPaging() => Table.Rows.Where(row => row.Situation.L0Ept || !row.Situation.L1Ept).Select(Case);

    private static TestCaseData Case(Seed1Row row) => new TestCaseData(row).SetArgDisplayNames($"{row.Policy} {row.Situation.FileName(row.Story)}");

    [TestCaseSource(nameof(Rows))]
    public void Every_row_is_what_the_decision_tables_say(Seed1Row row)
    {
        NestedEntryRules rules = new(row.Policy, row.Situation, row.Story);
        if (rules.Fails)
        {
            Assert.That(row.FailedEntry, Is.EqualTo("vmcs12: EPT is enabled and L0 does not offer it: VM-instruction error 7, invalid control field"));
            Assert.That((row.Requests, row.Invalidations, row.SyncedPages, row.StaleUses, row.ForeignUses), Is.EqualTo((Array.Empty<string>(), Array.Empty<string>(), 0L, 0L, 0L)));
            return;
        }

        Assert.That(row.FailedEntry, Is.Null);
        Assert.That(string.Join(", ", row.Requests.DefaultIfEmpty("-")), Is.EqualTo(rules.Request));
        Assert.That(row.Invalidations, Is.EqualTo(rules.Invalidations));
        Assert.That(row.SyncedPages, Is.EqualTo(rules.SyncedPages), "synced pages");
        Assert.That((row.StaleUses, row.ForeignUses, row.PermittedOldUses), Is.EqualTo((rules.StaleUses, rules.ForeignUses, rules.PermittedOldUses)), "stale, foreign, permitted uses");
    }

    [TestCaseSource(nameof(RowsWithoutNestedEptOnShadowPaging))]
    public void A_transition_costs_the_sum_of_its_steps(Seed1Row row)
    {
        NestedEntryRules rules = new(row.Policy, row.Situation, row.Story);
        OperationCosts costs = Table.Configuration.Machine.Profile.Costs;
        long steps = costs.VmExit + costs.KvmExitHandling + (row.Situation.IsEntry ? costs.KvmNestedEntry : costs.KvmNestedExit) + costs.Vmptrld + costs.VmEntry;
        long invalidations = rules.Invalidations.Sum(name => name switch
        {
            "INVEPT(all)" => costs.InveptGlobal,
            "INVVPID(all)" => costs.InvvpidAll,
            _ when name.StartsWith("INVEPT", StringComparison.Ordinal) => costs.InveptSingle,
            _ => (long)costs.InvvpidSingle,
        });
        Assert.That(row.TransitionCycles, Is.EqualTo(steps + invalidations + (rules.SyncedPages * costs.KvmSyncPage) + (rules.RootLookups * costs.KvmRootLookup)));
    }

    [Test]
    public void All_32_situations_are_there_under_all_7_policies_and_both_stories()
    {
        Assert.That(NestedEntrySituation.All.Distinct().Count(), Is.EqualTo(32));
        Assert.That(Table.Rows.Select(row => (row.Situation, row.Story, row.Policy)).Distinct().Count(), Is.EqualTo(32 * 2 * 7));
    }

    // The thread: 5.14 flushes hardware only for a new vpid12, and L2 walks the shadow entry of before L1's edit. The patch makes it a guest flush.
    [TestCase("kvm-5.14", 1)]
    [TestCase("kvm-5.16", 0)]
    [TestCase("kvm-6.12", 0)]
    [TestCase("always-current", 1)]
    [TestCase("always-guest", 0)]
    public void The_patch_ends_the_stale_use_of_a_new_vpid12_without_EPT_in_L0(string policy, long stale) =>
        Assert.That(Row(policy, new NestedEntrySituation(false, false, Vpid12Use.Changed, true), Seed1Story.Edit).StaleUses, Is.EqualTo(stale));

    [TestCase("kvm-5.16", 1)]
    [TestCase("kvm-6.12", 0)]
    [TestCase("always-guest", 0)]
    public void The_patch_leaves_hole_H2_which_6_12_closes(string policy, long foreign) =>
        Assert.That(Row(policy, new NestedEntrySituation(false, false, Vpid12Use.Off, true), Seed1Story.SharedAddress).ForeignUses, Is.EqualTo(foreign));

    [TestCase("kvm-5.8", false)]
    [TestCase("kvm-5.14", false)]
    [TestCase("kvm-5.16", false)]
    [TestCase("kvm-6.12", true)]
    [TestCase("always-current", false)]
    [TestCase("always-guest", true)]
    [TestCase("never", false)]
    public void Only_today_s_kernel_and_a_guest_flush_everywhere_are_safe_in_all_situations(string policy, bool safe) =>
        Assert.That(Table.Rows.Where(row => row.Policy == policy && row.FailedEntry is null).All(row => row.IsSafe), Is.EqualTo(safe));

    [Test]
    public void A_guest_flush_at_every_transition_never_costs_less_than_today_s_kernel_and_more_where_vpid12_is_the_same()
    {
        foreach (Seed1Row guest in Table.Rows.Where(row => row.Policy == "always-guest" && row.FailedEntry is null))
        {
            long today = Row("kvm-6.12", guest.Situation, guest.Story).Cycles;
            Assert.That(guest.Cycles, guest.Situation.Vpid12 == Vpid12Use.Same ? Is.GreaterThan(today) : Is.GreaterThanOrEqualTo(today), guest.Situation.FileName(guest.Story));
        }
    }

    [Test]
    public void An_invalidation_of_what_runs_next_makes_the_accesses_after_the_transition_dearer()
    {
        NestedEntrySituation same = new(true, true, Vpid12Use.Same, true);
        Assert.That(Row("always-guest", same, Seed1Story.Edit).UseCycles, Is.GreaterThan(Row("never", same, Seed1Story.Edit).UseCycles));
        Assert.That(Row("always-current", same, Seed1Story.Edit).UseCycles, Is.GreaterThan(Row("always-guest", same, Seed1Story.Edit).UseCycles), "INVEPT drops guest-physical mappings too");
    }

    private static IEnumerable<TestCaseData> Scenarios() => NestedEntrySituation.All
        .SelectMany(situation => Enum.GetValues<Seed1Story>().Select(story => new TestCaseData(situation, story).SetArgDisplayNames(situation.FileName(story))));

    [TestCaseSource(nameof(Scenarios))]
    public void Each_scenario_is_a_trace_that_a_machine_can_have_run(NestedEntrySituation situation, Seed1Story story)
    {
        using ITraceSource trace = Scenario.Parse(new MemoryStream(Encoding.UTF8.GetBytes(situation.ScenarioText(story))), "test").OpenTrace();
        Assert.That(TraceVerifier.Run(trace).Findings.Where(finding => finding.Severity == FindingSeverity.Error), Is.Empty);
    }

    // A policy whose kernel offers no VPID at all: only an L1 without vpid12 enters.
    [Test]
    public void A_kernel_that_does_not_offer_VPID_lets_no_vpid12_in()
    {
        NestedEntryTable old = NestedEntryTable.Of(Configuration("kvm-4.2"));
        Assert.That(
            old.Rows.Where(row => row.Situation.L0Ept || !row.Situation.L1Ept).Select(row => (row.Situation.Vpid12 == Vpid12Use.Off, row.FailedEntry)).Distinct(),
            Is.EquivalentTo(new[] { (true, (string?)null), (false, "vmcs12: VPID is enabled and L0 does not offer it: VM-instruction error 7, invalid control field") }));
    }

    [Test]
    public void An_AMD_profile_is_refused()
    {
        RunConfiguration amd = RunConfiguration.Load(null, [new Assignment("profile", "zen-3", "--profile")]);
        Assert.That(() => NestedEntryTable.Of(amd), Throws.TypeOf<ConfigurationException>().With.Message.Contains("'zen-3'"));
    }

    [Test]
    public void Every_table_fits_80_columns_and_situations_without_a_difference_share_one()
    {
        IReadOnlyList<Table> tables = NestedEntryView.Of(Table);
        Assert.That(tables.SelectMany(table => table.Split(80 - 1, 3)).Count(), Is.EqualTo(tables.Count), "in boxes");
        Assert.That(tables.Max(table => table.Title.Length), Is.LessThanOrEqualTo(80));
        Assert.That(tables.Select(table => table.Title), Does.Contain("L0 EPT on, L1 EPT off: exit with vpid12 same, changed, new-then-old").And.Contain("L0 EPT off, L1 EPT on: entry and exit with any vpid12"));
    }

    [Test]
    public void A_mark_tells_what_only_the_edit_brings_about()
    {
        Table table = NestedEntryView.Of(Table).Single(each => each.Title == "L0 EPT off, L1 EPT off: entry with vpid12 changed");
        int at = table.Rows.ToList().FindIndex(row => row[0] == "kvm-6.12");
        Assert.That(table.Rows[at].Take(5), Is.EqualTo(new[] { "kvm-6.12", "FLUSH_GUEST", "INVVPID(vpid02)", "safe", "1" }));
        Assert.That(table.Rows[at + 1].Take(5), Is.EqualTo(new[] { "", "", "INVVPID(all)*", "", "" }));
    }

    [Test]
    public void Files_have_every_row()
    {
        string[] csv = NestedEntryFiles.ToCsv(Table).TrimEnd('\n').Split('\n');
        using JsonDocument json = JsonDocument.Parse(NestedEntryFiles.ToJson(Table));
        JsonElement rows = json.RootElement.GetProperty("rows");
        Assert.That((csv.Length - 1, rows.GetArrayLength()), Is.EqualTo((448, 448)));
        Assert.That(csv[0], Does.StartWith("l0_ept,l1_ept,vpid12,transition,story,policy,requests,invalidations,"));
        Assert.That(csv, Has.Some.StartsWith("off,off,changed,nested_entry,edit,kvm-6.12,FLUSH_GUEST,INVVPID(vpid02); INVVPID(all),1,0,0,0,"));
        JsonElement unsafeRow = rows.EnumerateArray().Single(row => row.GetProperty("stale_uses").GetInt64() > 0 && row.GetProperty("policy").GetString() == "kvm-5.14");
        Assert.That((unsafeRow.GetProperty("vpid12").GetString(), unsafeRow.GetProperty("l0_ept").GetBoolean(), unsafeRow.GetProperty("requests")[0].GetString()), Is.EqualTo(("changed", false, "at once")));
        Assert.That(json.RootElement.GetProperty("provenance").GetProperty("configuration_hash").GetString(), Is.EqualTo(Table.Configuration.Hash));
    }

    private static Seed1Row Row(string policy, NestedEntrySituation situation, Seed1Story story) =>
        Table.Rows.Single(row => row.Policy == policy && row.Situation == situation && row.Story == story);

    private static RunConfiguration Configuration(params string[] policies) =>
        RunConfiguration.Load(null, [new Assignment("policies", JsonSerializer.Serialize(policies.Length > 0 ? policies : NestedEntryTable.DefaultPolicies), "test")]);
}
