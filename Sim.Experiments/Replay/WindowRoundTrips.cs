using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Reports.Results;

namespace Sim.Experiments;

/// <summary>Counts the guests' round trips in the measured window and its time: facts of the trace, the same for every policy.</summary>
internal sealed class WindowRoundTrips(Vendor vendor, int lanes)
{
    private const int Levels = 3;

    private static readonly (string Activity, string[] Costs)[] Activities =
    [
        ("hypervisor", ["kvm_"]),
        ("invalidation", ["mov_to_cr", "inv", "tlb_control"]),
        ("transition", ["vm_entry", "vm_exit"]),
    ];

    private readonly SortedDictionary<RoundTripReason, long>[] _ends = [.. Enumerable.Range(0, Levels).Select(_ => new SortedDictionary<RoundTripReason, long>())];
    private readonly ulong?[] _first = new ulong?[lanes];
    private readonly ulong[] _last = new ulong[lanes];

    /// <summary>Takes the measured part of a block.</summary>
    public void Take(DecodedBlock decoded)
    {
        TraceBlock block = decoded.Block;
        foreach (Segment segment in decoded.Segments.Where(segment => segment.Phase == WindowPhase.Measure))
        {
            _first[block.Lane] ??= block.FirstTime;
            _last[block.Lane] = block.LastTime;
            for (int e = 0; e < block.EventCount; e++)
            {
                int record = block.EventPosition[e] + e;
                if (record >= segment.First && record < segment.First + segment.Count && block.Events[e].Kind == RecordKind.VmExit)
                {
                    Take(block.Events[e]);
                }
            }
        }
    }

    /// <summary>What the window's cycles are worth on a CPU.</summary>
    public PriceBase Base(CpuProfile profile, TraceHeader header)
    {
        int level = _ends[2].Count > 0 ? 2 : 1;
        RoundTripCosts? costs = profile.RoundTrips.GetValueOrDefault(level);
        UInt128 ticks = 0;
        for (int lane = 0; lane < lanes; lane++)
        {
            ticks += _first[lane] is { } first ? _last[lane] - first : 0;
        }

        return new PriceBase(
            profile.ReferenceKilohertz,
            profile.BoostKilohertz ?? profile.ReferenceKilohertz,
            level,
            [
                .. _ends[level].Select(end => costs?.Costs.GetValueOrDefault(end.Key) is { } cost
                    ? new RoundTripBase(RoundTripReasons.Name(end.Key, vendor), end.Value, cost.Least, cost.Most, cost.Source)
                    : new RoundTripBase(RoundTripReasons.Name(end.Key, vendor), end.Value, 0, 0, "")),
            ],
            costs?.Kernel ?? "",
            header.RealKilohertz is { } kilohertz ? (long)(ticks * 1_000_000 / (ulong)kilohertz) : null,
            [.. Activities.Where(activity => IsAssumed(profile, activity.Costs)).Select(activity => activity.Activity)]);
    }

    private static bool IsAssumed(CpuProfile profile, string[] costs) =>
        profile.Sources.Any(source => costs.Any(cost => source.Key.StartsWith("costs." + cost, StringComparison.Ordinal)) && source.Value.StartsWith("assumed", StringComparison.Ordinal));

    private void Take(in TraceEvent exit)
    {
        int level = exit.Transition switch { TransitionKind.L2ToL1 => 2, TransitionKind.L1ToL0 => 1, _ => 0 };
        if (level > 0)
        {
            RoundTripReason reason = RoundTripReasons.Of(vendor, (uint)exit.C);
            _ends[level][reason] = _ends[level].GetValueOrDefault(reason) + 1;
        }
    }
}
