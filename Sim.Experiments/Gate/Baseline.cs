using System.Globalization;

namespace Sim.Experiments;

/// <summary>What a result is held against: the experiment it must be of, which of its metrics count and how, and their values.</summary>
/// <param name="Subject">The experiment.</param>
/// <param name="Rules">The first rule whose pattern fits a metric decides about it; a metric that no rule fits does not count.</param>
/// <param name="Values">Values of simulated metrics, run by run, in ordinal order of metrics.</param>
/// <param name="Samples">Samples of wall-clock metrics.</param>
public sealed record Baseline(GateSubject Subject, IReadOnlyList<GateRule> Rules, IReadOnlyList<BaselineValue> Values, IReadOnlyList<BaselineSamples> Samples);

/// <summary>The experiment that a baseline or a result is of.</summary>
/// <param name="Profile">Name of the CPU profile.</param>
/// <param name="Trace">Name of the trace.</param>
/// <param name="TraceSha256">SHA-256 of its bytes; null if it was not read to its end.</param>
/// <param name="SkippedRecords">Records skipped.</param>
/// <param name="WarmUpRecords">Records of warm-up.</param>
/// <param name="MeasuredRecords">Records measured.</param>
/// <param name="ConfigurationHash">Hash of the resolved configuration.</param>
/// <param name="Configuration">The resolved configuration as canonical JSON: says what differs when the hash does.</param>
public sealed record GateSubject(string Profile, string Trace, string? TraceSha256, ulong SkippedRecords, ulong WarmUpRecords, ulong MeasuredRecords, string ConfigurationHash, string Configuration);

/// <summary>Which way of changing is a regression.</summary>
public enum GateDirection
{
    /// <summary>Any change.</summary>
    Exact,

    /// <summary>Growing: lower is better.</summary>
    Lower,

    /// <summary>Falling: higher is better.</summary>
    Higher,
}

/// <summary>How metrics are judged.</summary>
/// <param name="Pattern">Names of metrics; <c>*</c> stands for any text.</param>
/// <param name="Direction">Which way of changing is a regression.</param>
/// <param name="Tolerance">How far it may go that way.</param>
/// <param name="Unit">Unit that the metrics must have.</param>
/// <param name="Reason">Why this is gated, for whoever breaks it.</param>
public sealed record GateRule(string Pattern, GateDirection Direction, GateTolerance Tolerance, string Unit, string Reason)
{
    /// <summary>True if the rule decides about a metric of that name, if no rule before it does.</summary>
    public bool Fits(string metric) => Fits(Pattern, metric);

    private static bool Fits(ReadOnlySpan<char> pattern, ReadOnlySpan<char> text)
    {
        int star = pattern.IndexOf('*');
        if (star < 0)
        {
            return text.SequenceEqual(pattern);
        }

        if (!text.StartsWith(pattern[..star], StringComparison.Ordinal))
        {
            return false;
        }

        for (int from = star; from <= text.Length; from++)
        {
            if (Fits(pattern[(star + 1)..], text[from..]))
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>A distance that is tolerated.</summary>
/// <param name="Amount">In the metric's unit, or in percent of the baseline.</param>
/// <param name="IsRelative">True if it is in percent.</param>
public readonly record struct GateTolerance(decimal Amount, bool IsRelative)
{
    /// <summary>Reads <c>12</c>, <c>0.5</c> or <c>5%</c>; null if it is none of them.</summary>
    public static GateTolerance? TryParse(string text)
    {
        bool relative = text.EndsWith('%');
        return decimal.TryParse(relative ? text[..^1] : text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal amount) ? new GateTolerance(amount, relative) : null;
    }

    /// <summary>True if a value that far from the baseline is tolerated.</summary>
    public bool Allows(decimal baseline, decimal value) => IsRelative ? Math.Abs(value - baseline) * 100 <= Amount * Math.Abs(baseline) : Math.Abs(value - baseline) <= Amount;

    /// <inheritdoc/>
    public override string ToString() => Amount.ToString(CultureInfo.InvariantCulture) + (IsRelative ? "%" : "");
}

/// <summary>A simulated number of one run.</summary>
/// <param name="Run">Name of the run.</param>
/// <param name="Metric">Key of the statistic, or safety.*, or failed_vm_entries.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Value">Its value.</param>
public sealed record BaselineValue(string Run, string Metric, string Unit, long Value);

/// <summary>A wall-clock number, once for each result file.</summary>
/// <param name="Metric">session.*.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Cpu">The host's CPU: samples of another one are no yardstick.</param>
/// <param name="Values">The samples.</param>
public sealed record BaselineSamples(string Metric, string Unit, string Cpu, IReadOnlyList<double> Values);
