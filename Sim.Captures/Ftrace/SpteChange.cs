using Sim.Core.Traces;

namespace Sim.Captures.Ftrace;

/// <summary>kvm_tdp_mmu_spte_changed as a change of EPT01 or NPT01: it speaks of no other table.</summary>
internal static class SpteChange
{
    /// <summary>KVM's own "present" (SPTE_MMU_PRESENT, 5.13 and later).</summary>
    private const ulong Present = 1UL << 11;

    private const ulong Large = 1UL << 7;
    private const ulong Writable = 1UL << 1;
    private const ulong Frame = 0x000F_FFFF_FFFF_F000;

    /// <summary>The record; null if no leaf changed.</summary>
    public static TraceEvent? Of(in KernelEvent e, ulong time)
    {
        ulong before = e[KernelOperand.OldSpte];
        ulong after = e[KernelOperand.NewSpte];
        ulong level = e[KernelOperand.PageLevel];
        bool wasPresent = (before & Present) != 0;
        bool isPresent = (after & Present) != 0;
        bool isLeaf = level == 1 || (isPresent ? after & Large : before & Large) != 0;
        if (level is < 1 or > 3 || !isLeaf || (!wasPresent && !isPresent))
        {
            return null;
        }

        MapChangeKind change = (wasPresent, isPresent) switch
        {
            (false, _) => MapChangeKind.Made,
            (_, false) => MapChangeKind.Removed,
            _ when (before & Frame) != (after & Frame) => MapChangeKind.Changed,
            _ => (before & Writable) > (after & Writable) ? MapChangeKind.Restricted : MapChangeKind.Widened,
        };
        ulong size = 4096UL << (9 * ((int)level - 1));
        return TraceEvent.MapChange(time, 0, MapTable.Tdp01, 0, e[KernelOperand.Gfn] << 12, size, change);
    }
}
