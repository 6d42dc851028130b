using System.Globalization;
using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>When a source fires.</summary>
public enum ArrivalPattern
{
    /// <summary>At fixed intervals.</summary>
    Fixed,

    /// <summary>With independent, exponentially distributed gaps, in whole cycles (<see cref="PoissonSource"/>).</summary>
    Poisson,
}

/// <summary>A device, or a timer that L0 emulates.</summary>
public sealed record SourceLoad
{
    /// <summary>Device or Timer.</summary>
    public InterruptSource Kind { get; init; } = InterruptSource.Device;

    /// <summary>When it fires.</summary>
    public ArrivalPattern Arrivals { get; init; } = ArrivalPattern.Poisson;

    /// <summary>Reference cycles between two interrupts; Poisson: on average, at least 64.</summary>
    public long PeriodCycles { get; init; } = 100_000;

    /// <summary>Time before which it does not fire. Fixed: the first fires then.</summary>
    public long FirstCycles { get; init; }

    /// <summary>How many it sends; null for as long as guests have work.</summary>
    public long? Count { get; init; }

    /// <summary>Vector in the target's APIC.</summary>
    public byte Vector { get; init; } = 0x51;

    /// <summary>L1 vCPU it goes to; null: every vCPU of the trace in turn.</summary>
    public int? Target { get; init; }

    /// <summary>Physical CPU that handles it if it goes to the host; null: the last one. A timer's is where its vCPU is.</summary>
    public int? HostLane { get; init; }

    /// <summary>Level-triggered: its EOI must reach L0 (EOI-exit bitmap).</summary>
    public bool LevelTriggered { get; init; }
}

/// <summary>IPIs that vCPUs send each other beside their work.</summary>
public sealed record IpiLoad
{
    /// <summary>Who sends to whom.</summary>
    public IpiPattern Pattern { get; init; } = IpiPattern.PingPong;

    /// <summary>The APIC they go to: 1, or 2 for L2's, whose vCPUs send them.</summary>
    public byte Level { get; init; } = 1;

    /// <summary>Cycles of work before each round.</summary>
    public long WorkCycles { get; init; } = 200_000;

    /// <summary>Pings of each pair, or broadcasts; null for as long as guests have work.</summary>
    public long? Rounds { get; init; }

    /// <summary>vCPUs that wait, and have nothing else to do, halt; else they spin.</summary>
    public bool Halts { get; init; }
}

/// <summary>An APICv inhibit reason changes.</summary>
/// <param name="TimeCycles">When: the first vCPU that is between two actions then, or later, does it.</param>
/// <param name="Reason">The reason.</param>
/// <param name="Set">Set, or cleared.</param>
public sealed record InhibitChange(long TimeCycles, ApicvInhibit Reason, bool Set);

/// <summary>Where interrupts come from.</summary>
public sealed record InterruptLoad
{
    /// <summary>The trace's own interrupts are delivered anew.</summary>
    public bool Recorded { get; init; } = true;

    /// <summary>Devices and timers.</summary>
    public IReadOnlyList<SourceLoad> Sources { get; init; } = [];

    /// <summary>IPIs; null for none.</summary>
    public IpiLoad? Ipis { get; init; }

    /// <summary>Changes of APICv inhibit reasons, in order of time.</summary>
    public IReadOnlyList<InhibitChange> Inhibits { get; init; } = [];

    /// <summary>
    /// vCPUs of the VM beside those of the trace, each on a physical CPU of its own behind the trace's lanes, at L1. They have no work of their own, take part in IPIs, and halt.
    /// </summary>
    public int Peers { get; init; }

    /// <summary>A vCPU of the trace executes HLT after so many cycles of its work, and goes on with the next interrupt; 0 for never.</summary>
    public long HaltEveryCycles { get; init; }

    /// <summary>Seed of Poisson sources.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>The sources, each with a random stream of its own.</summary>
    /// <param name="vcpus">vCPUs that a source without a target goes through in turn: those of the trace.</param>
    /// <param name="lanes">Physical CPUs.</param>
    /// <exception cref="ConfigurationException">A source's interrupts are to be handled on a CPU that there is not, or there is nobody to send an IPI to.</exception>
    public IReadOnlyList<IInterruptSource> MakeSources(int vcpus, int lanes)
    {
        if (Ipis is not null && lanes < 2)
        {
            throw new ConfigurationException("IPIs need two vCPUs, and the trace has one. Give it peers (interrupts.peers), or set interrupts.ipis to null.");
        }

        if (Sources.FirstOrDefault(source => source.HostLane >= lanes) is { } beyond)
        {
            throw new ConfigurationException(
                string.Create(CultureInfo.InvariantCulture, $"A source's host_lane is {beyond.HostLane}, and the physical CPUs are 0 to {lanes - 1}: those of the trace, then those of the peers (interrupts.peers)."));
        }

        return [.. Sources.Select((source, index) => Make(source, index, vcpus, lanes))];
    }

    private IInterruptSource Make(SourceLoad source, int index, int vcpus, int lanes)
    {
        Delivery delivery = new(source.Vector, source.Target ?? 0, 1, source.Kind);
        long count = source.Count ?? long.MaxValue;
        int hostLane = source.HostLane ?? lanes - 1;
        IInterruptSource made = source.Arrivals == ArrivalPattern.Fixed
            ? new PeriodicSource(delivery, source.FirstCycles, source.PeriodCycles, count, hostLane)
            : new PoissonSource(delivery, source.PeriodCycles, count, Rng.Fork(Seed, string.Create(CultureInfo.InvariantCulture, $"interrupts.sources[{index}]")), hostLane, source.FirstCycles);
        return source.Target is null ? new RoundRobinSource(made, vcpus) : made;
    }
}
