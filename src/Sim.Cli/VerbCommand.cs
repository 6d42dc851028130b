using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Sim.Cli;

/// <summary>A command whose help ends with examples.</summary>
internal sealed class VerbCommand : Command
{
    /// <summary>A command with at least one example: a command line without <c>nestsim</c>.</summary>
    public VerbCommand(string name, string description, params IReadOnlyList<string> examples)
        : base(name, description) => Examples = examples;

    /// <summary>Command lines without <c>nestsim</c>.</summary>
    public IReadOnlyList<string> Examples { get; }
}

/// <summary>The usual help, then the command's examples.</summary>
internal sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        int code = help.Invoke(parseResult);
        if (parseResult.CommandResult.Command is VerbCommand { Examples.Count: > 0 } verb)
        {
            TextWriter output = parseResult.InvocationConfiguration.Output;
            output.Write("Examples:\n");
            foreach (string example in verb.Examples)
            {
                output.Write($"  nestsim {example}\n");
            }

            output.Write("\n");
        }

        return code;
    }
}
