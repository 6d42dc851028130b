using System.CommandLine;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim trace</c>: everything about trace files.</summary>
internal static class TraceVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation) => new("trace", "Look at, check, make and change trace files")
    {
        TraceHeadVerb.Create(invocation),
        TraceWeaveVerb.Create(invocation),
    };
}
