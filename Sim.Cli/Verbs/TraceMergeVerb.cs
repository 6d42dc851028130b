using System.CommandLine;
using Sim.Experiments;
using Sim.Reports.Views;
using Sim.Workloads.Formats;
using Sim.Workloads.Operations;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim trace merge</c>: several traces as lanes of one.</summary>
internal static class TraceMergeVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string> output = TraceVerb.Output();
        Argument<string[]> inputs = new("traces") { Description = "Traces to put beside each other", Arity = ArgumentArity.OneOrMore };
        Option<string?> format = TraceVerb.Format();
        Option<string> stride = new("--vcpu-stride") { Description = "vCPUs of trace i are numbered from i times this", HelpName = "count", DefaultValueFactory = _ => "1" };
        VerbCommand command = new("merge", "Write several traces as lanes of one, in order of time", "trace merge both.nst cpu0.nst cpu1.nst") { output, inputs, format, stride };
        command.SetAction(parse =>
        {
            int vcpus = (int)Math.Clamp(Counts.Parse(parse.GetValue(stride)!, stride.Name), 1, ushort.MaxValue);
            List<TraceFile> traces = [];
            try
            {
                foreach (string input in parse.GetValue(inputs)!)
                {
                    traces.Add(TraceFile.Open(input));
                }

                using TraceFileWriter writer = TraceFile.Create(parse.GetValue(output)!, TraceMerger.Header([.. traces.Select(trace => trace.Header)]), parse.GetValue(format), parse.GetValue(inputs)!);
                TraceMerger.Merge(traces, writer, vcpus);
                writer.Complete();
                invocation.Terminal.Error.Write($"{parse.GetValue(output)}: {Numbers.Whole(writer.Records)} records in {traces.Sum(trace => trace.Header.Lanes)} lanes\n");
                return CliApplication.Success;
            }
            finally
            {
                traces.ForEach(trace => trace.Dispose());
            }
        });
        return command;
    }
}
