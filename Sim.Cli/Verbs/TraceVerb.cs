using System.CommandLine;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim trace</c>: everything about trace files.</summary>
internal static class TraceVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation) => new("trace", "Look at, check, make and change trace files")
    {
        TraceInfoVerb.Create(invocation),
        TraceHeadVerb.Create(invocation),
        TraceEventsVerb.Create(invocation),
        TraceVerifyVerb.Create(invocation),
        TraceConvertVerb.Create(invocation),
        TraceCutVerb.Create(invocation),
        TraceGenerateVerb.Create(invocation),
        TraceLiftVerb.Create(invocation),
        TraceFootprintVerb.Create(invocation),
        TraceWeaveVerb.Create(invocation),
        TraceMergeVerb.Create(invocation),
    };

    /// <summary>The argument that names a trace to read.</summary>
    public static Argument<string> Input() => new("trace") { Description = "Trace file in any format of 'nestsim list formats', a drmemtrace folder, or - for standard input" };

    /// <summary>The argument that names a trace to write.</summary>
    public static Argument<string> Output() => new("output") { Description = "Trace to write: .nst is native, .txt is text, .gz behind compresses; - is standard output" };

    /// <summary>The option that names the format to write.</summary>
    public static Option<string?> Format() => new("--format") { Description = "Format to write, whatever the output is called", HelpName = "native|text" };
}
