using System.CommandLine;
using System.Globalization;
using Sim.Core.Traces;
using Sim.Reports.Views;
using Sim.Workloads.Formats;
using Sim.Experiments;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim trace head</c>: the first records as text.</summary>
internal static class TraceHeadVerb
{
    private const string DefaultCount = "20";

    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string> file = new("trace") { Description = "Trace file, or - for standard input" };
        Option<string> count = new("--count", "-n") { Description = "Records to show", HelpName = "count", DefaultValueFactory = _ => DefaultCount };
        Option<bool> events = new("--events") { Description = "Show events only, no accesses" };
        VerbCommand command = new("head", "Print the first records as text: number, lane, time, record", "trace head trace.nst", "trace head trace.nst --count 100 --events") { file, count, events };
        command.SetAction(parse =>
        {
            ulong wanted = Counts.Parse(parse.GetValue(count)!, "--count");
            using TraceFile trace = TraceFile.Open(parse.GetValue(file)!);
            Print(trace, wanted, parse.GetValue(events), invocation.Terminal.Output);
            return CliApplication.Success;
        });
        return command;
    }

    private static void Print(TraceFile trace, ulong wanted, bool eventsOnly, TextWriter output)
    {
        TraceBlock block = new();
        while (wanted > 0 && trace.Read(block))
        {
            int e = 0;
            for (int record = 0; record < block.RecordCount && wanted > 0; record++)
            {
                bool isEvent = e < block.EventCount && block.EventPosition[e] + e == record;
                string line = isEvent ? Line(block, record, block.Events[e].Time, block.Events[e].ToString())
                    : eventsOnly ? "" : Line(block, record, block.Time[record - e], Access(block, record - e));
                e += isEvent ? 1 : 0;
                if (line.Length > 0)
                {
                    output.Write(line);
                    wanted--;
                }
            }
        }
    }

    private static string Line(TraceBlock block, int record, ulong time, string text) =>
        string.Create(CultureInfo.InvariantCulture, $"#{block.FirstRecord + (ulong)record} {block.Lane} @{time} {InertText.OneLine(text)}\n");

    private static string Access(TraceBlock block, int access)
    {
        byte flags = block.Flags[access];
        string repeat = block.Repeat[access] > 1 ? $" x{block.Repeat[access]}" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{AccessFlags.Type(flags)} 0x{block.Address[access]:x} cpl={AccessFlags.Cpl(flags)} size={AccessFlags.Size(flags)}{repeat}");
    }
}
