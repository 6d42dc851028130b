using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>AMD VMRUN with TLB_CONTROL 7: everything of the ASID except global translations; nested translations are never global.</summary>
/// <param name="Asid">ASID of the VMCB.</param>
public sealed record TlbControlAsidNonGlobal(ushort Asid) : Invalidation
{
    /// <inheritdoc/>
    public override string Name => "tlb_control_asid_non_global";

    /// <inheritdoc/>
    public override int? Cycles(OperationCosts costs) => costs.TlbControlAsid;

    /// <inheritdoc/>
    public override Invalidation Coarsened => new TlbControlAll();

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => tag.Vpid == Asid && !tag.Global;
}
