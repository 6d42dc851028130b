using Sim.Core.Profiles;

namespace Sim.Experiments;

/// <summary>What advice is asked about.</summary>
/// <param name="Path">A trace, or a recording of a real hypervisor: kernel events as text, or a hardware log.</param>
public sealed record AdviceRequest(string Path)
{
    /// <summary>The flush policy of today; null for the vendor's default.</summary>
    public string? Before { get; init; }

    /// <summary>The flush policy to judge; null for the vendor's default.</summary>
    public string? After { get; init; }

    /// <summary>Values of the configuration, as for every experiment.</summary>
    public IReadOnlyList<Assignment> Assignments { get; init; } = [];

    /// <summary>Configuration file; null for none.</summary>
    public string? ConfigurationFile { get; init; }

    /// <summary>What L0 and L1 touch where the input does not say; null for the default.</summary>
    public string? Footprints { get; init; }

    /// <summary>Programs that L2 runs where the input does not say what it touched; empty for the shipped ones.</summary>
    public IReadOnlyList<string> Programs { get; init; } = [];

    /// <summary>Round trips a second on one CPU; null for the recorded rate.</summary>
    public double? Rate { get; init; }

    /// <summary>Nanoseconds of a measured round trip; null for the profile's.</summary>
    public double? RoundTrip { get; init; }

    /// <summary>A trace that breaks the invariants is replayed all the same.</summary>
    public bool Unverified { get; init; }

    /// <summary>Threads.</summary>
    public int Jobs { get; init; } = 1;

    /// <summary>The command as typed, for provenance.</summary>
    public string CommandLine { get; init; } = "";

    /// <summary>Told the number of records read so far, after every few blocks, and the share of the whole if it is known.</summary>
    public Action<ulong, double?>? Progress { get; init; }

    /// <summary>The policies that are compared if none are named: today's, and the one that is proposed to save its flushes.</summary>
    public static (string Before, string After) DefaultPolicies(Vendor vendor) => vendor == Vendor.Amd ? ("nsvm-6.14", "nsvm-l2-asid") : ("kvm-6.12", "vpid02-per-vpid12");
}
