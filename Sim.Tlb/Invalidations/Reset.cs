using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>RESET: everything.</summary>
public sealed record Reset : Invalidation
{
    /// <inheritdoc/>
    public override string Name => "reset";

    /// <summary>Nobody waits for it.</summary>
    public override int? Cycles(OperationCosts costs) => 0;

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => true;
}
