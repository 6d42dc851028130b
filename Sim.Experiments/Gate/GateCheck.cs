using System.Globalization;
using System.Text;
using Sim.Core;
using Sim.Core.Configuration;
using Sim.Reports.Results;

namespace Sim.Experiments;

/// <summary>Holds results against a baseline.</summary>
public static class GateCheck
{
    /// <summary>Fewest samples, on either side, that a wall-clock metric is judged by.</summary>
    public const int FewestSamples = 5;

    private const string Session = "session";
    private const int DifferencesShown = 5;

    /// <summary>Judges every metric that a rule fits.</summary>
    /// <param name="baseline">The baseline.</param>
    /// <param name="results">Repetitions of one experiment; one is enough for simulated numbers.</param>
    /// <param name="title">What is judged, for the report.</param>
    /// <exception cref="ConfigurationException">The results are of another experiment than the baseline.</exception>
    public static GateReport Run(Baseline baseline, IReadOnlyList<RunSet> results, string title)
    {
        RequireSameSubject(baseline.Subject, GateMetrics.SubjectOf(results[0]));
        List<GateOutcome> outcomes = [];
        bool[] used = new bool[baseline.Rules.Count];
        JudgeRuns(baseline, results[0], used, outcomes);
        JudgeWallClock(baseline, GateMetrics.WallClock(results), used, outcomes);
        for (int rule = 0; rule < used.Length; rule++)
        {
            if (!used[rule])
            {
                outcomes.Add(new GateOutcome("baseline", baseline.Rules[rule].Pattern, GateStatus.NotJudged, "This rule fits no metric of the baseline or the result: it can never fail.", baseline.Rules[rule].Reason));
            }
        }

        return new GateReport(title, outcomes);
    }

    /// <summary>The word for a status.</summary>
    public static string Word(GateStatus status) => status switch
    {
        GateStatus.Within => "within tolerance",
        GateStatus.UnitChanged => "with another unit",
        GateStatus.NotJudged => "not judged",
        _ => status.ToString().ToLowerInvariant(),
    };

    private static void JudgeRuns(Baseline baseline, RunSet result, bool[] used, List<GateOutcome> outcomes)
    {
        Dictionary<(string, string), BaselineValue> current = GateMetrics.Simulated(result).ToDictionary(value => (value.Run, value.Metric));
        Dictionary<(string, string), BaselineValue> expected = baseline.Values.ToDictionary(value => (value.Run, value.Metric));
        foreach (RunResult failed in result.Runs.Where(run => run.Failure is not null))
        {
            outcomes.Add(new GateOutcome(failed.Run, "failure", GateStatus.NotJudged, $"The run failed: {failed.Failure!.Message}", "A failed run has no numbers."));
        }

        foreach (BaselineValue value in baseline.Values.Where(value => result.Runs.All(run => run.Run != value.Run || run.Failure is null)))
        {
            GateRule? rule = RuleFor(baseline, value.Metric, used);
            if (rule is not null)
            {
                outcomes.Add(Judge(rule, value, current.GetValueOrDefault((value.Run, value.Metric))));
            }
        }

        foreach (BaselineValue value in GateMetrics.Simulated(result).Where(value => !expected.ContainsKey((value.Run, value.Metric))))
        {
            GateRule? rule = RuleFor(baseline, value.Metric, used);
            if (rule is not null)
            {
                outcomes.Add(new GateOutcome(value.Run, value.Metric, GateStatus.New, $"{Text(value.Value)} {value.Unit}, and the baseline has no such metric. --update takes it in.", rule.Reason));
            }
        }
    }

    private static GateOutcome Judge(GateRule rule, BaselineValue expected, BaselineValue? current)
    {
        (GateStatus status, string message) = current switch
        {
            null => (GateStatus.Missing, $"The baseline has {Text(expected.Value)} {expected.Unit}, and the result has no such metric."),
            { Unit: var unit } when unit != expected.Unit || unit != rule.Unit =>
                (GateStatus.UnitChanged, $"The result counts {unit}, the baseline {expected.Unit}, and the rule asks for {rule.Unit}."),
            _ => Judge(rule, expected.Value, current.Value, expected.Unit),
        };
        return new GateOutcome(expected.Run, expected.Metric, status, message, rule.Reason);
    }

    private static (GateStatus Status, string Message) Judge(GateRule rule, long expected, long current, string unit)
    {
        if (current == expected)
        {
            return (GateStatus.Equal, $"{Text(current)} {unit}");
        }

        bool worse = rule.Direction switch { GateDirection.Lower => current > expected, GateDirection.Higher => current < expected, _ => true };
        GateStatus status = rule.Tolerance.Allows(expected, current) ? GateStatus.Within : worse ? GateStatus.Regressed : GateStatus.Improved;
        string change = expected == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $", {100 * ((decimal)current - expected) / Math.Abs((decimal)expected):+0.###;-0.###;0}%");
        return (status, $"{Text(expected)} -> {Text(current)} {unit} ({(decimal)current - expected:+#,##0;-#,##0}{change}; {Wish(rule)})");
    }

    private static void JudgeWallClock(Baseline baseline, IReadOnlyList<BaselineSamples> current, bool[] used, List<GateOutcome> outcomes)
    {
        foreach (BaselineSamples samples in current)
        {
            BaselineSamples? expected = baseline.Samples.FirstOrDefault(each => each.Metric == samples.Metric);
            GateRule? rule = RuleFor(baseline, samples.Metric, used);
            if (rule is not null)
            {
                (GateStatus status, string message) = Judge(rule, expected, samples);
                outcomes.Add(new GateOutcome(Session, samples.Metric, status, message, rule.Reason));
            }
        }
    }

    private static (GateStatus Status, string Message) Judge(GateRule rule, BaselineSamples? expected, BaselineSamples current)
    {
        if (expected is null)
        {
            return (GateStatus.New, "The baseline has no samples of it. --update takes them in.");
        }

        if (expected.Unit != current.Unit || rule.Unit != current.Unit)
        {
            return (GateStatus.UnitChanged, $"The result counts {current.Unit}, the baseline {expected.Unit}, and the rule asks for {rule.Unit}.");
        }

        if (expected.Cpu != current.Cpu)
        {
            return (GateStatus.Advisory, $"Not judged: the baseline was measured on '{expected.Cpu}', this on '{current.Cpu}'.");
        }

        if (expected.Values.Count < FewestSamples || current.Values.Count < FewestSamples)
        {
            return (GateStatus.NotJudged, $"{current.Values.Count} samples against {expected.Values.Count} in the baseline: the wall clock needs at least {FewestSamples} result files of the same experiment on either side.");
        }

        if (!rule.Tolerance.IsRelative)
        {
            return (GateStatus.NotJudged, $"The rule's tolerance is {rule.Tolerance}: a wall-clock metric needs one in percent, such as 10%.");
        }

        Interval change = Bootstrap.RelativeChangeOfMedian(expected.Values, current.Values);
        double tolerance = (double)rule.Tolerance.Amount / 100;
        Interval worse = rule.Direction == GateDirection.Higher ? new Interval(-change.High, -change.Low) : change;
        GateStatus status = worse.Low > tolerance || (rule.Direction == GateDirection.Exact && worse.High < -tolerance) ? GateStatus.Regressed
            : worse.High < -tolerance ? GateStatus.Improved : GateStatus.Within;
        return (status, string.Create(CultureInfo.InvariantCulture, $"median changed by {100 * change.Low:+0.0;-0.0;0.0}% to {100 * change.High:+0.0;-0.0;0.0}% (95 % bootstrap interval, {current.Values.Count} samples against {expected.Values.Count}; {Wish(rule)})"));
    }

    private static GateRule? RuleFor(Baseline baseline, string metric, bool[] used)
    {
        for (int rule = 0; rule < baseline.Rules.Count; rule++)
        {
            if (baseline.Rules[rule].Fits(metric))
            {
                used[rule] = true;
                return baseline.Rules[rule];
            }
        }

        return null;
    }

    private static void RequireSameSubject(GateSubject expected, GateSubject current)
    {
        List<string> differences = [];
        if (expected.Profile != current.Profile)
        {
            differences.Add($"the profile is '{current.Profile}', the baseline's '{expected.Profile}'");
        }

        if (expected.Trace != current.Trace || expected.TraceSha256 != current.TraceSha256)
        {
            differences.Add($"the trace is {Named(current)}, the baseline's {Named(expected)}");
        }

        if ((expected.SkippedRecords, expected.WarmUpRecords, expected.MeasuredRecords) != (current.SkippedRecords, current.WarmUpRecords, current.MeasuredRecords))
        {
            differences.Add(
                $"the windows are {current.SkippedRecords} records skipped, {current.WarmUpRecords} of warm-up and {current.MeasuredRecords} measured, the baseline's {expected.SkippedRecords}, {expected.WarmUpRecords} and {expected.MeasuredRecords}");
        }

        if (expected.ConfigurationHash != current.ConfigurationHash)
        {
            differences.Add($"the configuration differs ({Difference(expected.Configuration, current.Configuration)})");
        }

        if (differences.Count > 0)
        {
            throw new ConfigurationException($"The result is of another experiment than the baseline: {string.Join("; ", differences)}. Repeat the baseline's experiment, or take a new baseline with --update.");
        }

        static string Named(GateSubject subject) => $"'{subject.Trace}' ({(subject.TraceSha256 is { } hash ? $"SHA-256 {hash[..Math.Min(12, hash.Length)]}..." : "not read to its end")})";
    }

    /// <summary>The first few values that differ between two configurations.</summary>
    private static string Difference(string expected, string current)
    {
        SortedDictionary<string, string> before = Leaves(expected);
        SortedDictionary<string, string> after = Leaves(current);
        string[] differing = [.. before.Keys.Union(after.Keys).Where(path => before.GetValueOrDefault(path) != after.GetValueOrDefault(path)).Order(StringComparer.Ordinal)];
        string shown = string.Join(", ", differing.Take(DifferencesShown).Select(path => $"{path} is {after.GetValueOrDefault(path, "absent")}, was {before.GetValueOrDefault(path, "absent")}"));
        return differing.Length > DifferencesShown ? $"{shown} and {differing.Length - DifferencesShown} more" : shown;
    }

    private static SortedDictionary<string, string> Leaves(string json) =>
        new(SettingsNode.Parse(Encoding.UTF8.GetBytes(json), "configuration", []).Leaves().ToDictionary(leaf => leaf.Path, leaf => leaf.Text), StringComparer.Ordinal);

    private static string Wish(GateRule rule) => rule.Direction switch
    {
        GateDirection.Lower => $"lower is better, tolerance {rule.Tolerance}",
        GateDirection.Higher => $"higher is better, tolerance {rule.Tolerance}",
        _ => $"no change wanted, tolerance {rule.Tolerance}",
    };

    private static string Text(long value) => value.ToString("#,##0", CultureInfo.InvariantCulture);
}
