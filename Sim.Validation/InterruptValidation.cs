using System.Globalization;
using Sim.Captures.Ftrace;
using Sim.Captures.HwLog;
using Sim.Core;
using Sim.Experiments;
using Sim.Kvm.Interrupts;
using Sim.Reports.Views;

namespace Sim.Validation;

/// <summary>One event on an interrupt's way, of the recording, of the machine, or of both.</summary>
/// <param name="Match">Who has it. <see cref="FlushMatch.Unrecorded"/>: the recording has it, and what caused it came before the recording (or its window) began.</param>
/// <param name="Window">Window of the capture.</param>
/// <param name="Event">The event.</param>
/// <param name="Entries">VM-entries of its CPU before it, in its window.</param>
/// <param name="Time">Reference cycles since the recording's start.</param>
public sealed record ComparedInterrupt(FlushMatch Match, ulong Window, InterruptEvent Event, int Entries, ulong Time);

/// <summary>The interrupts of a recording of real nested KVM beside those that the machine predicts from their causes (<c>nestsim validate interrupts</c>).</summary>
/// <param name="Recording">File name of the recording.</param>
/// <param name="Path">Interrupt path through which they were replayed.</param>
/// <param name="Events">All events of either side, by window, time and CPU.</param>
/// <param name="Remarks">What a reader must know to trust the counts, one sentence each.</param>
public sealed record InterruptValidation(string Recording, string Path, IReadOnlyList<ComparedInterrupt> Events, IReadOnlyList<string> Remarks)
{
    private const string Posted = "posted";
    private const string Injected = "none";

    private static readonly string[] CsvColumns = ["match", "window", "event", "level", "vector", "lane", "entries", "time"];

    /// <summary>The counts in one line.</summary>
    public string Headline => IsEmpty
        ? "nothing compared: neither the recording nor the replay has an interrupt that can be judged; this says nothing about the path"
        : $"{Numbers.Whole(Count(FlushMatch.Matched))} of {Numbers.Whole(Count(FlushMatch.Matched) + Count(FlushMatch.Missed))} events matched, "
        + $"{Numbers.Whole(Count(FlushMatch.Missed))} missed, {Numbers.Whole(Count(FlushMatch.Invented))} invented";

    /// <summary>True if something was matched, nothing missed and nothing invented.</summary>
    public bool Passed => !IsEmpty && !Differences.Any();

    /// <summary>True if there was nothing to judge.</summary>
    public bool IsEmpty => Events.All(e => e.Match == FlushMatch.Unrecorded);

    /// <summary>What was missed or invented, in order.</summary>
    public IEnumerable<ComparedInterrupt> Differences => Events.Where(e => e.Match is FlushMatch.Missed or FlushMatch.Invented);

    /// <summary>Compares a hardware capture of VMX, or kernel events of SVM.</summary>
    /// <param name="recording">Path of the recording; it is read twice.</param>
    /// <param name="path">Name of the interrupt path; null for the one that vmcs01 of the recording shows, for kernel events injection.</param>
    /// <exception cref="ConfigurationException">No such file or path, or nothing to compare in this kind of recording.</exception>
    /// <exception cref="TraceFormatException">The recording is damaged.</exception>
    public static InterruptValidation Of(string recording, string? path = null)
    {
        if (recording == "-")
        {
            throw new ConfigurationException("'validate interrupts' reads its recording twice, and a pipe can be read only once. Save the recording to a file and name that.");
        }

        CaptureKind kind = CaptureText.KindOf(recording, recording);

        if (kind != CaptureKind.Hardware)
        {
            return SvmInterruptValidation.Of(recording, path ?? Injected);
        }

        InterruptSpec spec = new() { Profile = RunConfiguration.Load(null, []).Machine.Profile };
        List<ComparedInterrupt> events = [];
        SortedSet<string> used = new(StringComparer.Ordinal);
        long untold = 0;
        Findings findings = CapturedInterrupts.Read(() => new HwLogReader(CaptureText.Open(recording), recording), window =>
        {
            string name = path ?? (window.UsesPostedInterrupts ? Posted : Injected);
            used.Add(name);
            IReadOnlyList<PlacedInterrupt> predicted = WindowReplay.Of(window, spec, Components.InterruptPaths.Create(name), out long withoutTarget);
            untold += window.Untold + withoutTarget;
            events.AddRange(Compare(window.Number, window.Start, window.Recorded, predicted));
        });
        return new InterruptValidation(System.IO.Path.GetFileName(recording), string.Join(", ", used), events, [.. RemarksOn(findings, untold), .. NotJudged(events)]);
    }

    /// <summary>An event in words.</summary>
    public static string Describe(ComparedInterrupt e) => string.Create(
        CultureInfo.InvariantCulture, $"{e.Match}: {Name(e.Event)} at {e.Time} on CPU {e.Event.Lane}, window {e.Window}, behind its VM-entry {e.Entries}");

    /// <summary>Number of events that compare like this.</summary>
    public long Count(FlushMatch match) => Events.LongCount(e => e.Match == match);

    /// <summary>Recorded, matched, missed and invented by kind, level and vector.</summary>
    public Table ByEvent() => Counts("Interrupts by event, level and vector", e => Name(e.Event), e => ((int)e.Event.Kind * 10_000) + (e.Event.Level * 1000) + e.Event.Vector);

    /// <summary>Recorded, matched, missed and invented by window.</summary>
    public Table ByWindow() => Counts("Interrupts by window", e => $"window {e.Window}", e => (int)e.Window);

    /// <summary>Every event as one line of CSV, with a header.</summary>
    public string Csv() => CsvText.Of(CsvColumns, Events.Select(e => (IReadOnlyList<string>)
    [
        $"{e.Match}", Number((long)e.Window), KindName(e.Event.Kind), Number(e.Event.Level), e.Event.Vector < 0 ? "" : e.Event.Vector.ToString("x2", CultureInfo.InvariantCulture),
        Number(e.Event.Lane), Number(e.Entries), e.Time.ToString(CultureInfo.InvariantCulture),
    ]));

    /// <summary>The sentence on what was not judged, if there is anything.</summary>
    internal static IEnumerable<string> NotJudged(IEnumerable<ComparedInterrupt> events)
    {
        ComparedInterrupt[] unrecorded = [.. events.Where(e => e.Match == FlushMatch.Unrecorded)];
        if (unrecorded.Length > 0)
        {
            string[] names = [.. unrecorded.GroupBy(e => Name(e.Event)).Select(group => $"{group.Count()} {group.Key}")];
            yield return $"Not judged, {Numbers.Whole(unrecorded.Length)}: {string.Join(", ", names)}. Each is the first of its vector on its vCPU, and nothing sent it in the recording: it was pending, or its timer armed, before.";
        }
    }

    /// <summary>Lays both sides of a window side by side, by event and place.</summary>
    internal static IEnumerable<ComparedInterrupt> Compare(ulong window, ulong start, IEnumerable<PlacedInterrupt> recordings, IReadOnlyList<PlacedInterrupt> predicted)
    {
        Dictionary<(InterruptEvent, int), Queue<PlacedInterrupt>> open = [];
        foreach (PlacedInterrupt placed in predicted)
        {
            if (!open.TryGetValue((placed.Event, placed.Entries), out Queue<PlacedInterrupt>? same))
            {
                open.Add((placed.Event, placed.Entries), same = []);
            }

            same.Enqueue(placed);
        }

        List<ComparedInterrupt> compared = [];
        foreach (PlacedInterrupt recorded in recordings)
        {
            bool matched = open.TryGetValue((recorded.Event, recorded.Entries), out Queue<PlacedInterrupt>? same) && same.TryDequeue(out _);
            compared.Add(new ComparedInterrupt(matched ? FlushMatch.Matched : recorded.MayBeFromBefore ? FlushMatch.Unrecorded : FlushMatch.Missed, window, recorded.Event, recorded.Entries, recorded.Time - start));
        }

        compared.AddRange(open.Values.SelectMany(same => same).Select(placed => new ComparedInterrupt(FlushMatch.Invented, window, placed.Event, placed.Entries, placed.Time - start)));
        return compared.OrderBy(e => e.Time).ThenBy(e => e.Event.Lane).ThenBy(e => e.Event.Kind).ThenBy(e => e.Event.Vector).ThenBy(e => e.Match);
    }

    private static IEnumerable<string> RemarksOn(Findings findings, long untold)
    {
        if (findings.Worst == Severity.DataLoss)
        {
            yield return "DATA LOSS: the capture says that events were lost; differences may come from that alone.";
        }

        if (untold > 0)
        {
            yield return $"{Numbers.Whole(untold)} interrupts were sent by hypercalls whose operands are not in the capture; they are not in the replay.";
        }
    }

    private static string Name(in InterruptEvent e)
    {
        string level = e.Level == 0 ? "" : $" L{e.Level}";
        string vector = e.Vector < 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" {e.Vector:x2}");
        return KindName(e.Kind) + level + vector;
    }

    internal static string KindName(InterruptEventKind kind) => kind switch
    {
        InterruptEventKind.NotificationSent => "notification sent",
        InterruptEventKind.NotificationProcessed => "notification processed",
        InterruptEventKind.NotificationExit => "notification exit",
        InterruptEventKind.NotificationHandledByHost => "notification taken by the host",
        InterruptEventKind.RequestedAtEntry => "RVI at VM-entry",
        InterruptEventKind.Delivered => "virtual-interrupt delivery",
        InterruptEventKind.NestedExit => "nested exit for an interrupt",
        InterruptEventKind.Injected => "injected",
        InterruptEventKind.WindowExit => "interrupt-window exit",
        InterruptEventKind.VirtualEoi => "virtual EOI",
        InterruptEventKind.EoiExit => "EOI exit",
        InterruptEventKind.Eoi => "EOI",
        _ => "woken from HLT",
    };

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static IReadOnlyList<string> Row(string name, IReadOnlyList<ComparedInterrupt> events) =>
    [
        name,
        Numbers.Whole(events.LongCount(e => e.Match is FlushMatch.Matched or FlushMatch.Missed)),
        Numbers.Whole(events.LongCount(e => e.Match == FlushMatch.Matched)),
        Numbers.Whole(events.LongCount(e => e.Match == FlushMatch.Missed)),
        Numbers.Whole(events.LongCount(e => e.Match == FlushMatch.Invented)),
        Numbers.Whole(events.LongCount(e => e.Match == FlushMatch.Unrecorded)),
    ];

    private Table Counts(string title, Func<ComparedInterrupt, string> key, Func<ComparedInterrupt, int> order)
    {
        List<IReadOnlyList<string>> rows = [.. Events.GroupBy(key).OrderBy(group => order(group.First())).Select(group => Row(group.Key, [.. group])), Row("all", Events)];
        return new Table(title, ["", "recorded", "matched", "missed", "invented", "not recorded before"], rows);
    }
}
