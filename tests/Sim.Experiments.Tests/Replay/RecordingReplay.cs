using Sim.Core;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Kvm;

namespace Sim.Experiments.Tests.Replay;

/// <summary>Stands for a machine: keeps the addresses and marks that it is given, counts, and can be told to fail.</summary>
internal sealed class RecordingReplay(string policy) : IReplay
{
    private readonly List<FailedVmEntry> _failed = [];
    private long _accesses;
    private long _events;
    private ulong _digest;
    private long _stale;

    /// <summary>Addresses of accesses and texts of marks, in order.</summary>
    public List<string> Seen { get; } = [];

    /// <summary>Fails when this address comes.</summary>
    public ulong? FailAt { get; init; }

    /// <summary>How it fails.</summary>
    public Func<Exception> Failure { get; init; } = () => new InvalidOperationException("broken law");

    /// <summary>Conservation fails at the end.</summary>
    public bool BreaksConservation { get; init; }

    public IReadOnlyList<FailedVmEntry> FailedVmEntries => _failed;

    /// <summary>An access to this address is a stale use; null if nobody watches.</summary>
    public ulong? StaleAt { get; init; }

    public SafetyReport? Safety => StaleAt is null ? null : new(_stale == 0 ? [] : [new SafetyIncident("stale_use", _stale, ["used: it"])], 7);

    public void RestartSafety() => _stale = 0;

    public void Replay(TraceBlock block, int first, int count)
    {
        int e = 0;
        for (int record = 0; record < first + count; record++)
        {
            bool isEvent = e < block.EventCount && block.EventPosition[e] + e == record;
            if (record >= first)
            {
                if (isEvent)
                {
                    Take(block.Events[e]);
                }
                else
                {
                    Take(block.Address[record - e]);
                }
            }

            e += isEvent ? 1 : 0;
        }
    }

    public StatSheet Occupancy()
    {
        StatSheet sheet = new();
        sheet.Gauge("fake.occupancy", "entries", "Accesses so far, by parity.", _accesses, $"odd={_accesses % 2}");
        return sheet;
    }

    public StatSheet Snapshot()
    {
        StatSheet sheet = new();
        sheet.Counter("lane[0].accesses", "accesses", "Accesses.", _accesses);
        sheet.Counter("trace.events", "records", "Events.", _events);
        sheet.Gauge("fake.digest", "bits", "Hash of policy and everything seen.", (long)(_digest >> 1));
        return sheet;
    }

    public void CheckConservation()
    {
        if (BreaksConservation)
        {
            throw new InvalidOperationException("accesses = 1, but hits + misses = 2");
        }
    }

    private void Take(in TraceEvent e)
    {
        _events++;
        _digest = Hash64.Mix(_digest ^ Hash64.Of(e.ToString()) ^ Hash64.Of(policy));
        Seen.Add(e.Text ?? e.Kind.ToString());
        if (e.Text == "refuse")
        {
            _failed.Add(new FailedVmEntry(e.Time, 0, 0, 1, "vpid12 is 0"));
        }
    }

    private void Take(ulong address)
    {
        _stale += address == StaleAt ? 1 : 0;
        if (address == FailAt)
        {
            throw Failure();
        }

        _accesses++;
        _digest = Hash64.Mix(_digest ^ address ^ Hash64.Of(policy));
        Seen.Add(address.ToString());
    }
}
