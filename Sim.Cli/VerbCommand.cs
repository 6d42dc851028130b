using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Sim.Cli;

/// <summary>A command whose help ends with examples.</summary>
internal sealed class VerbCommand : Command
{
    /// <summary>A command with at least one example: a command line without <c>nestsim</c>, or a pipeline with it.</summary>
    public VerbCommand(string name, string description, params IReadOnlyList<string> examples)
        : base(name, description) => Examples = examples;

    /// <summary>Command lines without <c>nestsim</c>.</summary>
    public IReadOnlyList<string> Examples { get; }

    /// <summary>What the help says between options and examples; null for nothing.</summary>
    public Func<string>? Notes { get; init; }
}

/// <summary>The usual help, then the command's notes and examples.</summary>
internal sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        int code = help.Invoke(parseResult);
        if (parseResult.CommandResult.Command is VerbCommand verb)
        {
            TextWriter output = parseResult.InvocationConfiguration.Output;
            if (verb.Notes is { } notes)
            {
                output.Write(notes() + "\n\n");
            }

            output.Write("Examples:\n");
            foreach (string example in verb.Examples)
            {
                output.Write(example.Contains("| nestsim ", StringComparison.Ordinal) ? $"  {example}\n" : $"  nestsim {example}\n");
            }

            output.Write("\n");
        }

        return code;
    }
}
