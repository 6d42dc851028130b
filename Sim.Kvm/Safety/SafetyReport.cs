namespace Sim.Kvm;

/// <summary>A kind of wrong outcome.</summary>
/// <param name="Kind">
/// stale_use: a translation older than the tables, which the virtual CPU can no longer hold. foreign_use: a translation of other page tables, which the
/// virtual CPU cannot hold under the current virtual tag.
/// </param>
/// <param name="Count">Memory references that met it.</param>
/// <param name="Story">The first one in lines: who mapped, who changed, which flush was owed, which was done, which record used it; then how many there were.</param>
public sealed record SafetyIncident(string Kind, long Count, IReadOnlyList<string> Story)
{
    /// <summary>Where it happened, most uses first: at most <see cref="MostPages"/>.</summary>
    public IReadOnlyList<WrongPage> Pages { get; init; } = [];

    /// <summary>How many pages there are in all; a page counts once for each context.</summary>
    public int PageCount { get; init; }

    /// <summary>Index of the record of the first one, over all lanes in file order.</summary>
    public ulong FirstRecord { get; init; }

    /// <summary>Most pages that are told.</summary>
    public const int MostPages = 256;
}

/// <summary>A page that one context used wrongly.</summary>
/// <param name="Page">Linear address of the 4 KiB page.</param>
/// <param name="Vcpu">vCPU that used it.</param>
/// <param name="Level">Level it ran at.</param>
/// <param name="Tag">Virtual tag it ran under, in words.</param>
/// <param name="Root">Root of the page tables it ran with.</param>
/// <param name="Uses">Memory references.</param>
/// <param name="FirstRecord">Index of the first of them in the trace.</param>
/// <param name="Change">For the first use: the record that changed the mapping, or the other page tables.</param>
/// <param name="Owed">For the first use: why the virtual CPU cannot hold the translation.</param>
public sealed record WrongPage(ulong Page, ushort Vcpu, int Level, string Tag, ulong Root, long Uses, ulong FirstRecord, string Change, string Owed);

/// <summary>What the safety oracle saw.</summary>
/// <param name="Incidents">One for each kind that happened, in ordinal order.</param>
/// <param name="PermittedStaleUses">Memory references through an old translation that the architecture allowed.</param>
public sealed record SafetyReport(IReadOnlyList<SafetyIncident> Incidents, long PermittedStaleUses)
{
    /// <summary>Distinct pages of those references; a page counts once for each context.</summary>
    public int PermittedPages { get; init; }

    /// <summary>
    /// There was something that a hypervisor could have got wrong: a page was used after its old translation had to be gone, or other page tables ran under a virtual tag, and L0 had to see to it. If not, that nothing went
    /// wrong says nothing.
    /// </summary>
    public bool Exercised { get; init; }
}
