namespace Sim.Tlb;

/// <summary>Task switch that changes CR3: everything of PCID 0 under the current VPID, except global translations.</summary>
public sealed record TaskSwitch : Invalidation
{
    /// <inheritdoc/>
    public override string Name => "task_switch";

    /// <inheritdoc/>
    public override Invalidation Coarsened => new InvpcidAll();

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => IsOf(tag, current.Vpid, 0);
}
