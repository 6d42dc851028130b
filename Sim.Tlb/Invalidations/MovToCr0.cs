namespace Sim.Tlb;

/// <summary>MOV to CR0 that clears PG: everything of the current VPID, all PCIDs, global translations included.</summary>
public sealed record MovToCr0 : Invalidation
{
    /// <inheritdoc/>
    public override string Name => "mov_to_cr0";

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => IsOf(tag, current.Vpid);
}
