using System.CommandLine;
using Sim.Core.Traces;
using Sim.Reports.Views;
using Sim.Workloads.Formats;
using Sim.Workloads.Operations;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim trace info</c>: what is in a trace.</summary>
internal static class TraceInfoVerb
{
    private const int MarksShown = 20;

    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string> file = TraceVerb.Input();
        VerbCommand command = new("info", "Print a trace's header, records by kind, transitions, pages and marks", "trace info traces/nested-sort.nst.gz", "zcat log.gz | nestsim trace info -") { file };
        command.SetAction(parse =>
        {
            using TraceFile trace = TraceFile.Open(parse.GetValue(file)!);
            TraceSummary summary = TraceSummary.Of(trace);
            WriteHeader(invocation.Terminal.Output, trace, summary);
            TableWriter.Write(invocation.Terminal.Output, Tables(summary), invocation.Terminal.TableStyle(parse.GetValue(invocation.NoColour)));
            return CliApplication.Success;
        });
        return command;
    }

    private static void WriteHeader(TextWriter output, TraceFile trace, TraceSummary summary)
    {
        TraceHeader header = summary.Header;
        output.Write($"name        {InertText.OneLine(trace.Name)}\nformat      {trace.Format}\nsha256      {trace.Sha256}\n");
        output.Write($"lanes       {header.Lanes}\nfolded      {(header.Folded ? "yes" : "no")}\ncycles      {header.CyclesPerRecordTick} per record tick\n");
        output.Write($"records     {Numbers.Whole(summary.Records)} in {Numbers.Whole(summary.Blocks)} blocks, {Numbers.Fraction(summary.Records == 0 ? null : summary.Bytes / (double)summary.Records)} bytes per record\n");
        output.Write($"references  {Numbers.Whole(summary.References)}\ntime        {Numbers.Whole(summary.FirstTime)} to {Numbers.Whole(summary.LastTime)} reference cycles\n");
        output.Write($"page sizes  {PageSizes(summary)}\n");
        foreach ((string key, string value) in header.Properties)
        {
            output.Write(InertText.OneLine($"  {key} = {value}") + "\n");
        }

        foreach (Doubt doubt in header.Doubts)
        {
            output.Write(InertText.OneLine($"  doubt: {doubt.Sentence}") + "\n");
        }

        output.Write("\n");
    }

    /// <summary>How the page sizes of the tables that the trace uses are known; what is assumed, docs/page-sizes.md says.</summary>
    private static string PageSizes(TraceSummary summary)
    {
        (MapTable Table, string Name)[] tables = summary.Transitions.Count == 0
            ? [(MapTable.L0, "L0")]
            : [(MapTable.L0, "L0"), (MapTable.L1, "L1"), (MapTable.L2, "L2"), (MapTable.Tdp01, "EPT01"), (MapTable.Tdp12, "EPT12")];
        string known = string.Join("; ", tables.Select(table => $"{table.Name} {summary.Header.Properties.GetValueOrDefault(TraceHeader.PageSizesOf(table.Table), "assumed")}"));
        return known.Contains("assumed", StringComparison.Ordinal) ? $"{known} (docs/page-sizes.md)" : known;
    }

    private static IEnumerable<Table> Tables(TraceSummary summary)
    {
        yield return new Table("Records by kind", ["kind", "records"], [.. summary.Kinds.Select(kind => Row(kind.Kind.ToString(), kind.Records))]);
        if (summary.Accesses.Count > 0)
        {
            yield return new Table(
                "Accesses", ["level and type", "records", "references"], [.. summary.Accesses.Select(access => Row($"L{access.Level} {access.Type}", access.Records, access.References))]);
            yield return new Table("Distinct 4K pages", ["level", "pages"], [.. summary.Pages.Where(page => page.Pages > 0).Select(page => Row($"L{page.Level}{(page.IsExact ? "" : " (at least)")}", (ulong)page.Pages))]);
        }

        if (summary.Transitions.Count > 0)
        {
            yield return new Table(
                "Transitions", ["kind", "count"], [.. summary.Transitions.Select(transition => Row($"{transition.Kind}{(transition.Kind is TransitionKind.L1ToL0 or TransitionKind.L2ToL0 or TransitionKind.L2ToL1 ? $" reason 0x{transition.Reason:x}" : "")}", transition.Count))]);
        }

        if (summary.Lanes.Count > 1)
        {
            yield return new Table("Lanes", ["lane", "records", "first time", "last time"], [.. summary.Lanes.Select(lane => Row($"{lane.Lane}", lane.Records, lane.FirstTime, lane.LastTime))]);
        }

        if (summary.Marks.Count > 0)
        {
            yield return new Table("Marks", ["text", "record", "time"], [.. summary.Marks.Take(MarksShown).Select(mark => Row(mark.Text, mark.Record, mark.Time))]);
        }
    }

    private static IReadOnlyList<string> Row(string name, params IEnumerable<ulong> numbers) => [name, .. numbers.Select(number => Numbers.Whole(number))];
}
