using System.CommandLine;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim validate</c>: predictions beside what was really recorded.</summary>
internal static class ValidateVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation) => new("validate", "Compare what the simulator predicts with what was recorded")
    {
        ValidateFlushesVerb.Create(invocation),
        ValidateFootprintsVerb.Create(invocation),
    };
}
