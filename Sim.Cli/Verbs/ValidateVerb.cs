using System.CommandLine;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim validate</c>: predictions beside what was recorded or is known.</summary>
internal static class ValidateVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation) => new("validate", "Compare what the simulator predicts with what was recorded or is known")
    {
        ValidateFlushesVerb.Create(invocation),
        ValidateFootprintsVerb.Create(invocation),
        ValidateInterruptsVerb.Create(invocation),
        ValidateMutantsVerb.Create(invocation),
        ValidateScenariosVerb.Create(invocation),
        ValidateSeed1Verb.Create(invocation),
    };
}
