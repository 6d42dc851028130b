namespace Sim.Tlb;

/// <summary>An invalidation that is limited to addresses.</summary>
public abstract record AddressInvalidation : Invalidation
{
    /// <inheritdoc/>
    public override Invalidation Coarsened => new EveryAddress(this);

    private sealed record EveryAddress(AddressInvalidation Limited) : Invalidation
    {
        public override string Name => Limited.Name;

        public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => Limited.ReachesTranslations(tag, current);

        public override bool ReachesPagingStructures(in Tag tag, in CurrentTag current) => Limited.ReachesPagingStructures(tag, current);
    }
}
