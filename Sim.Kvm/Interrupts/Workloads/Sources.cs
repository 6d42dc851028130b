using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>A device or timer that fires at fixed intervals.</summary>
public sealed class PeriodicSource : IInterruptSource
{
    private readonly Delivery _delivery;
    private readonly long _period;
    private long _time;
    private long _left;

    /// <summary>A source of <paramref name="count"/> interrupts, the first at <paramref name="first"/>.</summary>
    public PeriodicSource(Delivery delivery, long first, long period, long count, int hostLane = 0)
    {
        _delivery = delivery;
        _time = first;
        _period = period;
        _left = count;
        HostLane = hostLane;
    }

    /// <inheritdoc/>
    public int HostLane { get; }

    /// <inheritdoc/>
    public bool Next(out long time, out Delivery delivery)
    {
        time = _time;
        delivery = _delivery;
        _time += _period;
        return _left-- > 0;
    }
}

/// <summary>A device whose interrupts have independent, geometrically distributed gaps: a Poisson process in whole cycles. Integer arithmetic only.</summary>
public sealed class PoissonSource : IInterruptSource
{
    /// <summary>Gaps are drawn in steps of this fraction of the mean: a Bernoulli trial for each step.</summary>
    public const int Grain = 64;

    private readonly Delivery _delivery;
    private readonly long _mean;
    private Rng _rng;
    private long _time;
    private long _left;

    /// <summary>A source of <paramref name="count"/> interrupts with gaps of <paramref name="mean"/> cycles on average (at least 64), behind <paramref name="begin"/>.</summary>
    public PoissonSource(Delivery delivery, long mean, long count, Rng rng, int hostLane = 0, long begin = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(mean, Grain);
        _delivery = delivery;
        _mean = mean;
        _left = count;
        _rng = rng;
        _time = begin;
        HostLane = hostLane;
    }

    /// <inheritdoc/>
    public int HostLane { get; }

    /// <inheritdoc/>
    public bool Next(out long time, out Delivery delivery)
    {
        long step = _mean / Grain;
        do
        {
            _time += step;
        }
        while (_rng.Below(Grain) != 0);

        // The place within the step: as likely anywhere.
        time = _time - (long)_rng.Below((ulong)step);
        delivery = _delivery;
        return _left-- > 0;
    }
}

/// <summary>Another source whose interrupts go to vCPUs 0, 1, 2, ... in turn.</summary>
internal sealed class RoundRobinSource : IInterruptSource
{
    private readonly IInterruptSource _source;
    private readonly int _vcpus;
    private int _next;

    /// <summary>Interrupts of a source, to this many vCPUs.</summary>
    public RoundRobinSource(IInterruptSource source, int vcpus)
    {
        _source = source;
        _vcpus = vcpus;
    }

    /// <inheritdoc/>
    public int HostLane => _source.HostLane;

    /// <inheritdoc/>
    public bool Next(out long time, out Delivery delivery)
    {
        bool any = _source.Next(out time, out delivery);
        delivery = delivery with { Target = _next };
        _next = (_next + 1) % _vcpus;
        return any;
    }
}
