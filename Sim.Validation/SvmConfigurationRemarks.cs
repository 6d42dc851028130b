using Sim.Captures.Ftrace;
using Sim.Core.Profiles;
using Sim.Experiments;
using Sim.Reports.Views;

namespace Sim.Validation;

/// <summary>What was read off an SVM recording because no event says it, and what could not be judged: one sentence each.</summary>
internal static class SvmConfigurationRemarks
{
    /// <summary>The sentences; <paramref name="isNamed"/>: the user named the policy.</summary>
    public static IEnumerable<string> Of(string policy, bool isNamed, RecordedConfiguration configuration, TracepointLiftResult lifted)
    {
        if (!isNamed)
        {
            yield return $"Inferred: policy {policy}, from the flush functions that were called ({string.Join(", ", configuration.FlushFunctions)}). Kernels that share them are told apart by --policy only.";
        }

        yield return configuration.L0ShadowsPageTables
            ? "Inferred: L0 shadows page tables (kvm_amd npt=0), for it handled page faults of a guest itself."
            : "Inferred: L0 uses NPT, for it handled no page fault of a guest itself.";
        if (configuration.EntriesWithNpt + configuration.EntriesWithoutNpt > 0)
        {
            yield return $"Recorded: {Numbers.Whole(configuration.EntriesWithNpt)} nested entries with NPT in vmcb12, {Numbers.Whole(configuration.EntriesWithoutNpt)} without.";
        }

        if (configuration.Machines > 1)
        {
            yield return $"Inferred: {configuration.Machines} virtual machines, from vCPU numbers that occur more than once, in order of thread ids.";
        }

        if (lifted.RequestsOfUnknownMachine > 0)
        {
            yield return $"Not judged: for which virtual machine {Numbers.Whole(lifted.RequestsOfUnknownMachine)} calls of kvm_flush_remote_tlbs by threads other than vCPUs' were; taken to be for all.";
        }

        if (lifted.AssumedCr4 > 0)
        {
            yield return $"Assumed: {Numbers.Whole(lifted.AssumedCr4)} emulated MOVs to CR4, whose values are not recorded (a CPU without decode assists), changed CR4.PGE and nothing else.";
        }

        if (lifted.UnknownCr3 > 0)
        {
            yield return $"Not judged: whether the root of {Numbers.Whole(lifted.UnknownCr3)} emulated MOVs to CR3 was cached, for their values are not recorded; taken from L0's kvm_mmu_load.";
        }

        if (configuration.EntriesWithNpt + configuration.EntriesWithoutNpt > 0)
        {
            yield return lifted.ShownPge > 0
                ? $"Not judged: CR4.PGE of vmcb12 is in no event. {Numbers.Whole(lifted.ShownPge)} times the kernel's own flush at a nested entry showed it to differ from L1's; the flushes at later transitions of that vmcb12 are predicted."
                : $"Not exercised: CR4.PGE of vmcb12 is in no event, and no flush at a nested entry showed one that differs from L1's, so this recording says nothing about the flush that kernels up to 6.13 do then{Rule(policy)}.";
        }
    }

    private static string Rule(string policy) =>
        Components.Policy(policy, Vendor.Amd).Rules(Vendor.Amd).FlushesOnPgeChange ? $" ({policy} has it)" : $" ({policy} has it not)";
}
