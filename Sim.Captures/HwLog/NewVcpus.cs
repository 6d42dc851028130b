using Sim.Core.Architecture;

namespace Sim.Captures.HwLog;

/// <summary>
/// First pass over a capture: which vCPUs were created while it was recorded. The rule: its VMCS is first seen being loaded, and its first entry has CR3 = 0 (the state of a reset), or
/// ends at its first instruction with an EPT violation on an absent entry (a virtual machine without memory). Any other vCPU was there before the recording, whose first load of
/// its VMCS and of its root is therefore not in it.
/// </summary>
internal sealed class NewVcpus
{
    private readonly Dictionary<ulong, Sight> _seen = [];

    /// <summary>VMCSs of vCPUs created in the recording, by the index of the record after their first load.</summary>
    public SortedDictionary<long, (int Cpu, ulong Vmcs)> Created { get; } = [];

    /// <summary>Takes a record.</summary>
    public void Take(long index, in HwRecord record)
    {
        if (!record.Has(HwOperand.Vmcs) || record[HwOperand.Vmcs] == 0)
        {
            return;
        }

        ulong vmcs = record[HwOperand.Vmcs];
        if (!_seen.TryGetValue(vmcs, out Sight? sight))
        {
            _seen.Add(vmcs, new Sight(index + 1, record.Cpu) { IsDecided = record.Type != HwType.Vmptrld });
            return;
        }

        if (sight.IsDecided)
        {
            return;
        }

        if (record.Type == HwType.Vmentry && sight.FirstRip is null)
        {
            sight.FirstRip = record[HwOperand.Rip];
            sight.IsNew = record[HwOperand.Cr3] == 0;
        }
        else if (record.Type == HwType.Vmexit)
        {
            sight.IsNew |= (VmxExit)record[HwOperand.Reason] == VmxExit.EptViolation && ((EptViolationQualification)record[HwOperand.Qualification] & EptViolationQualification.Present) == 0 && record[HwOperand.Rip] == sight.FirstRip;
            sight.IsDecided = true;
            if (sight.IsNew)
            {
                Created.Add(sight.AfterLoad, (sight.Cpu, vmcs));
            }
        }
    }

    /// <summary>Takes note that a VMCS is a vmcs02, which is no vCPU.</summary>
    public void Exclude(ulong vmcs02)
    {
        foreach ((long record, _) in Created.Where(created => created.Value.Vmcs == vmcs02).ToArray())
        {
            Created.Remove(record);
        }
    }

    private sealed class Sight(long afterLoad, int cpu)
    {
        public long AfterLoad { get; } = afterLoad;

        public int Cpu { get; } = cpu;

        public ulong? FirstRip { get; set; }

        public bool IsNew { get; set; }

        public bool IsDecided { get; set; }
    }
}
