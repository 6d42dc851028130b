using Sim.Core;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Kvm;
using Sim.Kvm.Interrupts;
using Sim.Reports.Results;

namespace Sim.Experiments;

/// <summary>What an experiment needs of a machine; tests put simpler things in its place.</summary>
internal interface IReplay
{
    /// <summary>See <see cref="Machine.Replay"/>.</summary>
    void Replay(TraceBlock block, int first, int count);

    /// <summary>See <see cref="Machine.Snapshot"/>.</summary>
    StatSheet Snapshot();

    /// <summary>See <see cref="Machine.Occupancy"/>.</summary>
    StatSheet Occupancy();

    /// <summary>See <see cref="Machine.CheckConservation"/>.</summary>
    void CheckConservation();

    /// <summary>See <see cref="Machine.FailedVmEntries"/>.</summary>
    IReadOnlyList<FailedVmEntry> FailedVmEntries { get; }

    /// <summary>See <see cref="Machine.Safety"/>.</summary>
    SafetyReport? Safety { get; }

    /// <summary>See <see cref="Machine.RestartSafety"/>.</summary>
    void RestartSafety();

    /// <summary>The next record is the first of the measured window. Comes before the snapshot that the window is measured from.</summary>
    void BeginWindow()
    {
    }

    /// <summary>The last record was the last one of the measured window. Comes before its snapshot and conservation.</summary>
    void EndWindow()
    {
    }
}

/// <summary>The real machine.</summary>
internal sealed class MachineReplay(Machine machine) : IReplay
{
    public IReadOnlyList<FailedVmEntry> FailedVmEntries => machine.FailedVmEntries;

    public SafetyReport? Safety => machine.Safety;

    public void RestartSafety() => machine.RestartSafety();

    public void Replay(TraceBlock block, int first, int count) => machine.Replay(block, first, count);

    public StatSheet Snapshot() => machine.Snapshot();

    public StatSheet Occupancy() => machine.Occupancy();

    public void CheckConservation() => machine.CheckConservation();
}

/// <summary>What one run is: a policy on a machine.</summary>
/// <param name="Policy">Name of the policy.</param>
/// <param name="Delivery">How interrupts are delivered; null if they are not delivered anew.</param>
/// <param name="Variant">The machine, and what sets it apart.</param>
internal sealed record RunPlan(string Policy, InterruptDelivery? Delivery, Variant Variant)
{
    /// <summary>Unique in an experiment: the policy, the way of delivery, then the values that set the machine apart.</summary>
    public string Name =>
        string.Join(' ', Variant.Parameters.Select(parameter => $"{parameter.Path}={parameter.Value}").Prepend(RunResult.CaseOf(Policy, Delivery?.Path, Delivery?.ApicvUpdate)));
}

/// <summary>One policy on its way through the trace. An exception ends this run alone.</summary>
internal sealed class PolicyRun
{
    private const int Stopped = 130;

    private readonly RunPlan _plan;
    private readonly IReplay? _machine;
    private readonly long _interval;
    private IntervalRecorder? _intervals;
    private RunFailure? _failure;
    private StatSheet? _before;
    private int _failedEntriesBefore;

    /// <summary>A run at the start of the trace.</summary>
    /// <param name="plan">What is run.</param>
    /// <param name="machine">Makes its machine.</param>
    /// <param name="interval">Records between two samples of the main figures; 0 for none.</param>
    /// <exception cref="ConfigurationException">The policy cannot run on this machine: a mistake of the user's, before any work is done.</exception>
    public PolicyRun(RunPlan plan, Func<RunPlan, IReplay> machine, long interval)
    {
        _plan = plan;
        _interval = interval;
        try
        {
            _machine = machine(plan);
        }
        catch (Exception e) when (ErrorBoundary.Known(e) is null)
        {
            _failure = Failure(e);
        }
    }

    /// <summary>Replays one block.</summary>
    public void Replay(DecodedBlock decoded)
    {
        if (_failure is not null)
        {
            return;
        }

        try
        {
            foreach (Segment segment in decoded.Segments)
            {
                if (segment.Phase == WindowPhase.Skip)
                {
                    _machine!.Replay(decoded.SkippedEvents!, 0, decoded.SkippedEvents!.RecordCount);
                    continue;
                }

                if (segment.Phase == WindowPhase.Measure && _before is null)
                {
                    _machine!.BeginWindow();
                    _before = _machine.Snapshot();
                    _failedEntriesBefore = _machine.FailedVmEntries.Count;
                    _machine.RestartSafety();
                    _intervals = _interval > 0 ? new IntervalRecorder(_machine, _before, _interval) : null;
                }

                Replay(decoded.Block, segment);
            }
        }
        catch (Exception e)
        {
            _failure = Failure(e);
        }
    }

    private void Replay(TraceBlock block, Segment segment)
    {
        int end = segment.First + segment.Count;
        for (int first = segment.First; first < end;)
        {
            int count = Math.Min(end - first, _intervals?.Room ?? int.MaxValue);
            _machine!.Replay(block, first, count);
            _intervals?.Replayed(count);
            first += count;
        }
    }

    /// <summary>The result. Call once, behind the last block.</summary>
    /// <param name="replayed">What of the trace was replayed.</param>
    public RunResult Finish(TraceCounts replayed)
    {
        StatSheet statistics = new();
        FailedEntry[] failed = [];
        SafetyVerdict? safety = null;
        if (_failure is null)
        {
            try
            {
                if (_before is not null)
                {
                    _machine!.EndWindow();
                }

                _machine!.CheckConservation();
                if (_before is not null)
                {
                    statistics = _machine.Snapshot().Since(_before);
                    replayed.Collect(statistics);
                    LatencyHistogram.AddPercentiles(statistics);
                    _intervals?.Finish(statistics);
                    failed = [.. _machine.FailedVmEntries.Skip(_failedEntriesBefore).Select(entry => new FailedEntry(entry.Time, entry.Lane, entry.Vcpu, entry.Vmcs12, entry.Check))];
                    safety = _machine.Safety is { } seen
                        ? new SafetyVerdict([.. seen.Incidents.Select(Finding)], seen.PermittedStaleUses) { PermittedPages = seen.PermittedPages, Exercised = seen.Exercised }
                        : null;
                }
            }
            catch (Exception e)
            {
                _failure = Failure(e);
            }
        }

        bool ran = _failure is null;
        return new RunResult(_plan.Name, _plan.Policy, ran ? statistics : new StatSheet(), ran ? failed : [], _failure, ran ? safety : null) 
        {
            InterruptPath = _plan.Delivery?.Path,
            ApicvUpdate = _plan.Delivery?.ApicvUpdate,
            Parameters = _plan.Variant.Parameters,
            IsYardstick = Components.Policy(_plan.Policy, _plan.Variant.Machine.Profile.Vendor).IsYardstick,
            Holes = [.. KnownHole.Of(_plan.Policy, _plan.Variant.Machine, _plan.Delivery?.ApicvUpdate).Select(hole => new PolicyHole(hole.Id, hole.Meaning, hole.Scenario, hole.WithoutEpt))],
        };
    }

    private static SafetyFinding Finding(SafetyIncident incident) => new(incident.Kind, incident.Count, incident.Story)
    {
        Pages = [.. incident.Pages.Select(page => new SafetyPage(page.Page, page.Vcpu, page.Level, page.Tag, page.Root, page.Uses, page.FirstTime, page.FirstLane, page.Change, page.Owed))],
        PageCount = incident.PageCount,
    };

    /// <summary>A user's error keeps its paragraph; anything else is our bug and keeps its stack.</summary>
    private static RunFailure Failure(Exception e) => e is OperationCanceledException ? new RunFailure(Stopped, "stopped within a block of the trace that takes long: it has no numbers") : ErrorBoundary.Known(e) is { } known ? new RunFailure(known.ExitCode, known.Message) : new RunFailure(4, e.ToString());
}
