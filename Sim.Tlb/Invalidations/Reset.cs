namespace Sim.Tlb;

/// <summary>RESET: everything.</summary>
public sealed record Reset : Invalidation
{
    /// <inheritdoc/>
    public override string Name => "reset";

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => true;
}
