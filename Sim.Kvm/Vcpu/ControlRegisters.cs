using Sim.Core.Traces;

namespace Sim.Kvm;

/// <summary>Control registers of one context that matter to translation.</summary>
internal sealed class ControlRegisters
{
    public ulong Root { get; set; }

    public ushort Pcid { get; set; }

    public Cr4Bits Cr4 { get; set; } = Cr4Bits.Pae | Cr4Bits.Pge;

    public ushort EffectivePcid => (Cr4 & Cr4Bits.Pcide) != 0 ? Pcid : (ushort)0;

    public bool GlobalPages => (Cr4 & Cr4Bits.Pge) != 0;
}
