using Sim.Core.Architecture;

namespace Sim.Captures.HwLog;

/// <summary>What a hardware capture says about the machine and the module parameters of its L0, read off its VM-entries.</summary>
/// <param name="Lanes">Physical CPUs.</param>
/// <param name="L0Ept">L0 uses EPT: some VM-entry had "enable EPT" (kvm_intel's parameter ept).</param>
/// <param name="L0Vpid">L0 uses VPID: some VM-entry had "enable VPID" (kvm_intel's parameter vpid).</param>
/// <param name="Entries">VM-entries that say so.</param>
public sealed record HwConfiguration(int Lanes, bool L0Ept, bool L0Vpid, long Entries)
{
    /// <summary>Reads a capture to its end. Without any VM-entry both are taken to be on.</summary>
    /// <exception cref="Core.TraceFormatException">The capture is damaged.</exception>
    public static HwConfiguration Of(HwLogReader reader)
    {
        HwRecord record = default;
        int lanes = 1;
        ulong controls = 0;
        long entries = 0;
        while (reader.Read(ref record))
        {
            lanes = Math.Max(lanes, record.Cpu + 1);
            if (record.Type == HwType.Vmentry)
            {
                controls |= record[HwOperand.CpuControls2];
                entries++;
            }
        }

        return new HwConfiguration(lanes, entries == 0 || ((SecondaryControls)controls & SecondaryControls.EnableEpt) != 0, entries == 0 || ((SecondaryControls)controls & SecondaryControls.EnableVpid) != 0, entries);
    }
}
