namespace Sim.Kvm;

/// <summary>A kind of wrong outcome.</summary>
/// <param name="Kind">
/// stale_use: a translation older than the tables, which the virtual CPU can no longer hold. foreign_use: a translation of other page tables, which the
/// virtual CPU cannot hold under the current virtual tag.
/// </param>
/// <param name="Count">Memory references (records) that met it.</param>
/// <param name="Story">The first one in lines: who mapped, who changed, which flush was owed, which was done, which record used it; then how many there were.</param>
public sealed record SafetyIncident(string Kind, long Count, IReadOnlyList<string> Story)
{
    /// <summary>Index of the record of the first one, over all lanes in file order.</summary>
    public ulong FirstRecord { get; init; }
}

/// <summary>What the safety oracle saw.</summary>
/// <param name="Incidents">One for each kind that happened, in ordinal order.</param>
/// <param name="PermittedStaleUses">Uses (records) of an old translation that the architecture allowed.</param>
public sealed record SafetyReport(IReadOnlyList<SafetyIncident> Incidents, long PermittedStaleUses);
