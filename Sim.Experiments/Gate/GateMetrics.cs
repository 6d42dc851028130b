using Sim.Core;
using Sim.Reports.Results;

namespace Sim.Experiments;

/// <summary>The metrics of a result that a gate can hold: every statistic, the outcome of the safety oracle, and the wall clock of repeated results.</summary>
public static class GateMetrics
{
    private const string WrongOutcomes = "safety.wrong_outcomes";

    /// <summary>What a result is of.</summary>
    public static GateSubject SubjectOf(RunSet set)
    {
        Provenance provenance = set.Provenance;
        return new GateSubject(
            provenance.Profile,
            provenance.Trace.Name,
            provenance.Trace.Sha256,
            provenance.Windows.Skipped,
            provenance.Windows.WarmedUp,
            provenance.Windows.Measured,
            provenance.ConfigurationHash,
            provenance.Configuration);
    }

    /// <summary>Simulated numbers of the runs that did not fail: run by run, in ordinal order of metrics.</summary>
    public static IReadOnlyList<BaselineValue> Simulated(RunSet set) => [.. set.Runs.Where(run => run.Failure is null).SelectMany(Simulated)];

    /// <summary>Wall-clock numbers, one sample from each result.</summary>
    public static IReadOnlyList<BaselineSamples> WallClock(IReadOnlyList<RunSet> results)
    {
        string cpu = string.Join(" / ", results.Select(result => result.Session.Cpu).Distinct(StringComparer.Ordinal));
        return
        [
            Samples("session.elapsed_seconds", "seconds", session => session.ElapsedSeconds),
            Samples("session.peak_memory_bytes", "bytes", session => session.PeakMemoryBytes),
            Samples("session.records_per_second", "records/s", session => session.RecordsPerSecond),
        ];

        BaselineSamples Samples(string metric, string unit, Func<Session, double> value) => new(metric, unit, cpu, [.. results.Select(result => value(result.Session))]);
    }

    /// <summary>Results of one experiment, which therefore have the same simulated numbers.</summary>
    /// <exception cref="ConfigurationException">They are not, or the user stopped one before its end.</exception>
    public static void RequireSameExperiment(IReadOnlyList<RunSet> results, IReadOnlyList<string> files)
    {
        string first = RunSetJson.ToText(results[0], withSession: false);
        for (int i = 0; i < results.Count; i++)
        {
            if (results[i].Partial)
            {
                throw new ConfigurationException($"{files[i]} is partial: its run was stopped before its end. A gate needs a whole one.");
            }

            if (i > 0 && RunSetJson.ToText(results[i], withSession: false) != first)
            {
                throw new ConfigurationException($"{files[0]} and {files[i]} differ outside their session. Several results are repetitions of one experiment, whose wall clock is sampled; give one of each experiment to a gate of its own.");
            }
        }
    }

    private static IEnumerable<BaselineValue> Simulated(RunResult run)
    {
        List<BaselineValue> values =
        [
            new(run.Run, "failed_vm_entries", "entries", run.FailedVmEntries.Count),
            .. run.Statistics.Stats.Select(stat => new BaselineValue(run.Run, stat.Key, stat.Unit, stat.Value)),
        ];
        if (run.Safety is { } safety)
        {
            values.Add(new BaselineValue(run.Run, WrongOutcomes, "outcomes", safety.Findings.Sum(finding => finding.Count)));
            values.AddRange(safety.Findings.Select(finding => new BaselineValue(run.Run, $"safety.{finding.Kind}", "outcomes", finding.Count)));
        }

        return values.OrderBy(value => value.Metric, StringComparer.Ordinal);
    }
}
