using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>What can go wrong in kernels that have some rules and lack others: a row of profiles/kernels.json.</summary>
/// <param name="Id">Short name: H3.</param>
/// <param name="Vendor">Whose hardware it is about; null for both.</param>
/// <param name="Meaning">What goes wrong, in one sentence without a full stop.</param>
/// <param name="OpenedBy">Rules that a kernel must have for it; empty if any kernel can have it.</param>
/// <param name="ClosedBy">Rules of which one closes it.</param>
/// <param name="WithoutEpt">It shows only where L0 runs without EPT.</param>
/// <param name="Scenario">File in traces/scenarios, without its ending, that shows it; null if the simulator has none.</param>
/// <param name="Note">What hides it, or how it is known; null if there is nothing to say.</param>
public sealed record KernelHole(
    string Id, Vendor? Vendor, string Meaning, IReadOnlyList<DatedRule> OpenedBy, IReadOnlyList<DatedRule> ClosedBy, bool WithoutEpt, string? Scenario, string? Note)
{
    /// <summary>Another rule of every kernel keeps it from showing.</summary>
    public bool IsHidden => Note?.StartsWith("hidden", StringComparison.Ordinal) == true;

    /// <summary>CVEs of the rules that close it.</summary>
    public IEnumerable<string> Cves => ClosedBy.Select(rule => rule.Cve).OfType<string>();

    /// <summary>Whether it is open in a kernel: <see cref="Presence.Present"/> is open.</summary>
    public Presence In(KernelVersion version)
    {
        Presence opened = OpenedBy.Select(rule => rule.In(version)).Aggregate(Presence.Present, Both);
        return ClosedBy.Select(rule => Not(rule.In(version))).Aggregate(opened, Both);
    }

    private static Presence Not(Presence presence) => presence switch
    {
        Presence.Present => Presence.Absent,
        Presence.Absent => Presence.Present,
        Presence.BelievedPresent => Presence.BelievedAbsent,
        Presence.BelievedAbsent => Presence.BelievedPresent,
        _ => Presence.Unknown,
    };

    private static Presence Both(Presence a, Presence b) => (a, b) switch
    {
        (Presence.Absent, _) or (_, Presence.Absent) => Presence.Absent,
        (Presence.BelievedAbsent, _) or (_, Presence.BelievedAbsent) => Presence.BelievedAbsent,
        (Presence.Unknown, _) or (_, Presence.Unknown) => Presence.Unknown,
        (Presence.Present, Presence.Present) => Presence.Present,
        _ => Presence.BelievedPresent,
    };
}
