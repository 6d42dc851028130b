using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>MOV to CR3: everything of the new PCID under the current VPID, except global translations; nothing at all if bit 63 of the source is set.</summary>
/// <param name="Pcid">Bits 11:0 of the source; 0 if CR4.PCIDE=0.</param>
/// <param name="NoFlush">Bit 63 of the source, if CR4.PCIDE=1.</param>
public sealed record MovToCr3(ushort Pcid, bool NoFlush) : Invalidation
{
    /// <inheritdoc/>
    public override string Name => "mov_to_cr3";

    /// <inheritdoc/>
    public override int? Cycles(OperationCosts costs) => NoFlush ? costs.MovToCr3NoFlush : costs.MovToCr3;

    /// <inheritdoc/>
    public override Invalidation Coarsened => NoFlush ? this : new InvpcidAll();

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => !NoFlush && IsOf(tag, current.Vpid, Pcid);
}
