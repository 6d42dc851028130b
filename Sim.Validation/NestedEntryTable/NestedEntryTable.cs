using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core;
using Sim.Experiments;
using Sim.Kvm;
using Sim.Reports.Views;
using Sim.Workloads.Scenarios;

namespace Sim.Validation;

/// <summary>One situation and story under one policy.</summary>
/// <param name="Situation">The situation.</param>
/// <param name="Story">What came before the transition.</param>
/// <param name="Policy">Name of the policy.</param>
/// <param name="Requests">What the policy decided at the transition: TLB_FLUSH, FLUSH_CURRENT, FLUSH_GUEST, MMU_SYNC, or "at once" for a flush without a request.</param>
/// <param name="Invalidations">What L0 then made hardware invalidate up to the next access, in order, by KVM's names of tags: INVVPID(vpid02).</param>
/// <param name="SyncedPages">Unsync shadow pages that L0 compared with the guest's table.</param>
/// <param name="StaleUses">Uses of an old translation that the virtual CPU cannot hold (docs/safety.md).</param>
/// <param name="ForeignUses">Uses of a translation of other page tables.</param>
/// <param name="PermittedOldUses">Uses of an old translation that the virtual CPU may still hold.</param>
/// <param name="TransitionCycles">Cycles of the transition: hardware's, L0's software and its invalidations.</param>
/// <param name="UseCycles">Cycles that the accesses after it cost: translation, and exits for shadow page tables.</param>
/// <param name="FailedEntry">The check that the nested VM-entry failed; null if it succeeded. Then there was no transition.</param>
public sealed record Seed1Row(
    NestedEntrySituation Situation,
    Seed1Story Story,
    string Policy,
    IReadOnlyList<string> Requests,
    IReadOnlyList<string> Invalidations,
    long SyncedPages,
    long StaleUses,
    long ForeignUses,
    long PermittedOldUses,
    long TransitionCycles,
    long UseCycles,
    string? FailedEntry)
{
    /// <summary>What the transition and the accesses after it cost together.</summary>
    public long Cycles => TransitionCycles + UseCycles;

    /// <summary>True if the entry succeeded and nothing wrong was used.</summary>
    public bool IsSafe => FailedEntry is null && StaleUses + ForeignUses == 0;
}

/// <summary>
/// The first seed thread's question for every situation: what does each policy request and flush at a nested transition, what does that cost, and is an old or foreign translation used after it?
/// Each row is a replay of the situation's scenario.
/// </summary>
/// <param name="Configuration">The machine; EPT in L0 is the situations'.</param>
/// <param name="Rows">By situation, then policy, then story.</param>
public sealed record NestedEntryTable(RunConfiguration Configuration, IReadOnlyList<Seed1Row> Rows)
{
    /// <summary>The policies that the table is about if none are named.</summary>
    public static IReadOnlyList<string> DefaultPolicies { get; } = ["kvm-5.8", "kvm-5.14", "kvm-5.16", "kvm-6.12", "always-current", "always-guest", "never"];

    /// <summary>Replays every situation and story under every policy of a configuration.</summary>
    /// <exception cref="ConfigurationException">The profile is not Intel's, or a policy does not run there.</exception>
    public static NestedEntryTable Of(RunConfiguration configuration)
    {
        CpuProfile profile = configuration.Machine.Profile;
        if (profile.Vendor != Vendor.Intel)
        {
            throw new ConfigurationException($"The first seed thread is about vpid12 and vpid02, and profile '{profile.Name}' is {profile.Vendor.Name()}, whose guests have ASIDs. Choose an Intel profile.");
        }

        return new NestedEntryTable(
            configuration,
            [
                .. from situation in NestedEntrySituation.All
                   from policy in configuration.Policies
                   from story in Enum.GetValues<Seed1Story>()
                   select Row(configuration.Machine, situation, story, policy),
            ]);
    }

    private static Seed1Row Row(MachineSpec machine, NestedEntrySituation situation, Seed1Story story, string policy)
    {
        RecordedDecisions decisions = new(Components.Policy(policy, machine.Profile.Vendor));
        Scenario scenario = situation.Scenario(story);
        IReadOnlyList<ReplayedPart> parts = new ScenarioReplay(scenario, machine with { L0Ept = situation.L0Ept, RefusesControlsNotOffered = true }, decisions).Parts;
        string? failed = parts.SelectMany(part => part.FailedEntries).FirstOrDefault();
        ReplayedPart before = parts[NestedEntrySituation.TransitionPart - 1];
        ReplayedPart transition = parts[NestedEntrySituation.TransitionPart];
        ReplayedPart use = parts[NestedEntrySituation.TransitionPart + 1];
        return new Seed1Row(
            situation,
            story,
            policy,
            failed is null ? [.. decisions.Last.Select(Word)] : [],
            [.. transition.Flushes.Select(flush => NameWithoutAddress(flush.Name))],
            transition.Statistics[StatNames.MmuSyncedPages],
            Count(use.Safety, "stale_use") - Count(before.Safety, "stale_use"),
            Count(use.Safety, "foreign_use") - Count(before.Safety, "foreign_use"),
            use.Safety.PermittedStaleUses - before.Safety.PermittedStaleUses,
            Cycles(transition.Statistics),
            Cycles(use.Statistics),
            failed);
    }

    private static string Word(FlushStep step) => step.Request switch
    {
        FlushRequest.All => "TLB_FLUSH",
        FlushRequest.Current => "FLUSH_CURRENT",
        FlushRequest.Guest => "FLUSH_GUEST",
        FlushRequest.MmuSync => "MMU_SYNC",
        FlushRequest.LoadMmuPgd => "LOAD_MMU_PGD",
        _ => "at once",
    };

    /// <summary>INVEPT(eptp02) for INVEPT(eptp02:P): there is one EPTP12.</summary>
    private static string NameWithoutAddress(string name) => name.Split(':') is [var tag, _] ? tag + ")" : name;

    private static long Count(SafetyReport safety, string kind) => safety.Incidents.Where(incident => incident.Kind == kind).Sum(incident => incident.Count);

    /// <summary>All cycles that are not the trace's own.</summary>
    private static long Cycles(StatSheet statistics) => statistics.PathsUnder(StatNames.CyclesPrefix).Where(path => path != StatNames.CyclesTrace).Sum(path => statistics.Total(path));
}
