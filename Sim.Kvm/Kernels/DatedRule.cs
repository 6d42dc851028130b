using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>One rule of KVM x86 that some kernels have and others have not: a row of profiles/kernels.json.</summary>
/// <param name="Id">Short name: V9.</param>
/// <param name="Vendor">Whose hardware it is about; null for both.</param>
/// <param name="Changes">What it changes, in one sentence without a full stop.</param>
/// <param name="Title">Title of the change with its commit, or the function.</param>
/// <param name="Cve">Its CVE, if it has one.</param>
/// <param name="Source">Functions, and how the versions are known.</param>
/// <param name="IsFeature">No stable series takes it; of a fix, stable series may.</param>
/// <param name="IsModelled">The simulator's kernels differ by it. Else it is knowledge only.</param>
public sealed record DatedRule(string Id, Vendor? Vendor, string Changes, string Title, string? Cve, string Source, bool IsFeature, bool IsModelled)
{
    /// <summary>First releases with it; null if every kernel had it until it went.</summary>
    public RuleDate? Since { get; init; }

    /// <summary>First releases without it again; null if it stayed.</summary>
    public RuleDate? Until { get; init; }

    /// <summary>It can matter on that vendor's hardware.</summary>
    public bool IsFor(Vendor vendor) => Vendor is null || Vendor == vendor;

    /// <summary>Whether a kernel has it.</summary>
    public Presence In(KernelVersion version)
    {
        Presence came = Since?.At(version, IsFeature) ?? Presence.Present;
        Presence went = Until?.At(version, IsFeature) ?? Presence.Absent;
        return (came, went) switch
        {
            (Presence.Absent, _) or (_, Presence.Present) => Presence.Absent,
            (Presence.Unknown, _) or (_, Presence.Unknown) => Presence.Unknown,
            (Presence.BelievedAbsent, _) or (_, Presence.BelievedPresent) => Presence.BelievedAbsent,
            (Presence.Present, Presence.Absent) => Presence.Present,
            _ => Presence.BelievedPresent,
        };
    }
}
