using System.Globalization;
using Sim.Captures.Ftrace;
using Sim.Core;
using Sim.Reports.Views;

namespace Sim.Validation;

/// <summary>How a flush of the recording compares with the machine's.</summary>
public enum FlushMatch
{
    /// <summary>The recording kernel and the machine did the same at the same place.</summary>
    Matched,

    /// <summary>The recording kernel did it, the machine did not.</summary>
    Missed,

    /// <summary>The machine did it, the recording kernel did not.</summary>
    Invented,

    /// <summary>One of them did it and the other did not, at the first place after a time that was not recorded, where it depends on what happened then.</summary>
    Unrecorded,
}

/// <summary>One flush of the recording kernel, of the machine, or of both.</summary>
/// <param name="Match">Who did it.</param>
/// <param name="Kind">The instruction and its type (<c>INVEPT global</c>), or the kernel's function (<c>svm_flush_tlb_asid</c>).</param>
/// <param name="Operand">What it named, as a role, since numbers differ: <c>all</c>, <c>vpid02</c>, <c>eptp01</c>...; empty for a function.</param>
/// <param name="Place">Between which two entries: the last real exit and what L0 carried out since, <c>L2 EPT_VIOLATION, nested exit</c>.</param>
/// <param name="Rule">Rule of the model that decided it, <c>first_load</c>; empty for a missed one.</param>
/// <param name="FromHost">True if its cause starts in L0 and entered the replay as an event of the same recording's ftrace: matched, but not predicted from the guest's behaviour.</param>
/// <param name="Lane">Physical CPU.</param>
/// <param name="Vcpu">L1 vCPU; -1 if none has run yet.</param>
/// <param name="Time">Reference cycles (kernel events: ticks) since the recording's start.</param>
/// <param name="Explanation">For a difference: the records around it and what the rule would need. Empty for a matched one.</param>
public sealed record ComparedFlush(
    FlushMatch Match, string Kind, string Operand, string Place, string Rule, bool FromHost, int Lane, int Vcpu, ulong Time, string Explanation);

/// <summary>The flushes that a recording kernel executed beside those that the machine decides on the same guest behaviour (<c>nestsim validate flushes</c>).</summary>
/// <param name="Recording">File name of the recording.</param>
/// <param name="Policy">Policy of the kernel that recorded it.</param>
/// <param name="Flushes">All flushes of either side, in order of time and lane.</param>
/// <param name="Remarks">What a reader must know to trust the counts, one sentence each; a data loss comes first.</param>
public sealed record FlushValidation(string Recording, string Policy, IReadOnlyList<ComparedFlush> Flushes, IReadOnlyList<string> Remarks)
{
    /// <summary>Policy of VMX recordings if none is named.</summary>
    public const string DefaultVmxPolicy = "kvm-6.12.117";

    private static readonly string[] CsvColumns = ["match", "kind", "operand", "place", "rule", "from_host", "lane", "vcpu", "time", "explanation"];

    /// <summary>The counts in one line.</summary>
    public string Headline =>
        $"{Numbers.Whole(Count(FlushMatch.Matched))} of {Numbers.Whole(Count(FlushMatch.Matched) + Count(FlushMatch.Missed))} flushes matched, "
        + $"{Numbers.Whole(Count(FlushMatch.Missed))} missed, {Numbers.Whole(Count(FlushMatch.Invented))} invented";

    /// <summary>True if nothing was missed and nothing invented.</summary>
    public bool Passed => !Differences.Any();

    /// <summary>What was missed or invented, in order.</summary>
    public IEnumerable<ComparedFlush> Differences => Flushes.Where(flush => flush.Match is FlushMatch.Missed or FlushMatch.Invented);

    /// <summary>Compares a recording, by whose view it holds.</summary>
    /// <param name="recording">Path of the recording.</param>
    /// <param name="policy">Name of the policy of the kernel that recorded it; null for the default.</param>
    /// <param name="ftrace">For a hardware capture: the kernel's own trace of the same run, see <see cref="VmxFlushValidation"/>.</param>
    /// <exception cref="ConfigurationException">No such file or policy, or nothing to compare in this kind of recording.</exception>
    /// <exception cref="TraceFormatException">The recording is damaged.</exception>
    public static FlushValidation Of(string recording, string? policy = null, IReadOnlyList<string>? ftrace = null)
    {
        if (recording == "-")
        {
            throw new ConfigurationException("'validate flushes' reads its recording more than once, and a pipe can be read only once. Save the recording to a file and name that.");
        }

        CaptureKind kind = CaptureText.KindOf(recording, recording);

        if (kind != CaptureKind.Hardware && ftrace is { Count: > 0 })
        {
            throw new ConfigurationException($"--ftrace goes with a hardware capture, and '{recording}' holds kernel events itself. Leave it out.");
        }

        return kind == CaptureKind.Hardware
            ? VmxFlushValidation.Of(recording, policy ?? DefaultVmxPolicy, ftrace)
            : SvmFlushValidation.Of(recording, policy);
    }

    /// <summary>A flush as a paragraph: what, where, when, and its explanation.</summary>
    public static string Describe(ComparedFlush flush)
    {
        string what = flush.Operand.Length == 0 ? flush.Kind : $"{flush.Kind}({flush.Operand})";
        return string.Create(CultureInfo.InvariantCulture, $"{flush.Match}: {what} at {flush.Time} on CPU {flush.Lane}, vCPU {flush.Vcpu}, after {flush.Place}. {flush.Explanation}");
    }

    /// <summary>Number of flushes that compare like this.</summary>
    public long Count(FlushMatch match) => Flushes.LongCount(flush => flush.Match == match);

    /// <summary>Matched, missed and invented by kind and operand.</summary>
    public Table ByKind() => Counts("Flushes by kind and operand", flush => flush.Operand.Length == 0 ? flush.Kind : $"{flush.Kind}({flush.Operand})");

    /// <summary>Matched, missed and invented by place.</summary>
    public Table ByPlace() => Counts("Flushes by place", flush => flush.Place);

    /// <summary>Matched and invented by the model's rule.</summary>
    public Table ByRule() => Counts("Flushes by the model's rule", flush => flush.Rule.Length == 0 ? "(no rule)" : flush.Rule);

    /// <summary>Every flush as one line of CSV, with a header.</summary>
    public string Csv() => CsvText.Of(CsvColumns, Flushes.Select(flush => (IReadOnlyList<string>)
    [
        $"{flush.Match}", flush.Kind, flush.Operand, flush.Place, flush.Rule, flush.FromHost ? "yes" : "no", flush.Lane.ToString(CultureInfo.InvariantCulture),
        flush.Vcpu.ToString(CultureInfo.InvariantCulture), flush.Time.ToString(CultureInfo.InvariantCulture), flush.Explanation,
    ]));

    private Table Counts(string title, Func<ComparedFlush, string> key)
    {
        List<IReadOnlyList<string>> rows =
        [
            .. Flushes.GroupBy(key).OrderByDescending(group => group.Count()).ThenBy(group => group.Key, StringComparer.Ordinal).Select(group => Row(group.Key, [.. group])),
            Row("all", Flushes),
        ];
        return new Table(title, ["", "recorded", "matched", "of these from host events", "missed", "invented", "not recorded before"], rows);
    }

    private static IReadOnlyList<string> Row(string name, IReadOnlyList<ComparedFlush> flushes) =>
    [
        name,
        Number(flushes, flush => flush.Match is FlushMatch.Matched or FlushMatch.Missed),
        Number(flushes, flush => flush.Match == FlushMatch.Matched),
        Number(flushes, flush => flush.Match == FlushMatch.Matched && flush.FromHost),
        Number(flushes, flush => flush.Match == FlushMatch.Missed),
        Number(flushes, flush => flush.Match == FlushMatch.Invented),
        Number(flushes, flush => flush.Match == FlushMatch.Unrecorded),
    ];

    private static string Number(IReadOnlyList<ComparedFlush> flushes, Func<ComparedFlush, bool> match) => Numbers.Whole(flushes.LongCount(match));
}
