using System.CommandLine;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim validate</c>: the model against what is known of real machines and kernels.</summary>
internal static class ValidateVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation) => new("validate", "Hold the model against recordings and published figures")
    {
        ValidateScenariosVerb.Create(invocation),
    };
}
