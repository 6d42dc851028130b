using Sim.Core.Traces;

namespace Sim.Workloads.Weave;

/// <summary>
/// What L0 and L1 do between an exit of L2 and its next entry. One handling by L1 is <see cref="UntilResume"/>, then <see cref="Resume"/>; the weaver writes the
/// real transitions at both ends of each, and the invalidations between them.
/// </summary>
internal abstract class ExitHandling
{
    /// <summary>L0 handles the exit and will enter L2 again.</summary>
    public abstract void ByL0(NestedLane lane, ScheduledExit exit);

    /// <summary>L0 reflects the exit, L1 runs, up to L1's VMRESUME (VMRUN), which is not written.</summary>
    public abstract void UntilResume(NestedLane lane, ScheduledExit exit, L2Identity next);

    /// <summary>L0 emulates L1's VMRESUME; the nested VM-entry is written at its place by <paramref name="nestedEntry"/>.</summary>
    public abstract void Resume(NestedLane lane, Action nestedEntry);

    /// <summary>L0 handles an exit of L1.</summary>
    public abstract void L1Exit(NestedLane lane);
}

/// <summary>What L1's vmcs12 says about the L2 that runs next: the operands of L1's invalidations.</summary>
internal readonly record struct L2Identity(ulong Vmcs12, VmControls Controls, uint Vpid12, ulong Eptp12);
