using Sim.Captures;
using Sim.Captures.HwLog;
using Sim.Core.Architecture;

namespace Sim.Validation;

/// <summary>First pass over a hardware capture that is read as interrupts.</summary>
internal static class CapturedClocks
{
    /// <summary>Which VMCS is whose vmcs02, and the guests' clocks.</summary>
    public static (IReadOnlyList<VmcsLink> Links, TscOffsets Offsets) Learn(Func<HwLogReader> open)
    {
        LevelTracker levels = new();
        TscOffsets offsets = new();
        SortedDictionary<int, HwRecord> exits = [];
        HwRecord record = default;
        using HwLogReader reader = open();
        while (reader.Read(ref record))
        {
            LevelChange change = levels.Observe(record);
            if (change == LevelChange.NestedExit && exits.TryGetValue(record.Cpu, out HwRecord exit) && (VmxExit)exit[HwOperand.Reason] == VmxExit.ExternalInterrupt)
            {
                // L0 emulates vmcs12's preemption timer with one of its own.
                offsets.RanOut(exit[HwOperand.Vmcs], exit.Ticks);
            }
            else if (record.Type == HwType.Vmexit)
            {
                exits[record.Cpu] = record;
                if ((VmxExit)record[HwOperand.Reason] == VmxExit.MsrWrite && (Msr)record[HwOperand.Rcx] == Msr.TscDeadline)
                {
                    offsets.Armed(record[HwOperand.Vmcs], WrittenBy(record));
                }
                else if ((VmxExit)record[HwOperand.Reason] == VmxExit.PreemptionTimer)
                {
                    offsets.RanOut(levels.Vmcs01(record.Cpu), record.Ticks);
                }
            }
        }

        return (levels.Links, offsets);
    }

    /// <summary>EDX:EAX of a WRMSR that exits.</summary>
    public static ulong WrittenBy(in HwRecord record) => (record[HwOperand.Rdx] << 32) | (uint)record[HwOperand.Rax];
}
