using System.CommandLine;
using System.CommandLine.Help;
using Sim.Cli.Verbs;
using Sim.Core;
using Sim.Experiments;

namespace Sim.Cli;

/// <summary>The <c>nestsim</c> command: parses, calls a verb, turns errors into exit codes (docs/compare.md#exit-codes).</summary>
public static class CliApplication
{
    /// <summary>Everything went well.</summary>
    public const int Success = 0;

    /// <summary>A check that the user asked for failed.</summary>
    public const int CheckFailed = 1;

    /// <summary>Wrong usage or configuration.</summary>
    public const int UsageError = 2;

    /// <summary>Our own bug.</summary>
    public const int OwnBug = 4;

    private const string Welcome = """
        nestsim: what does a hypervisor's TLB-flush policy cost, and why?

        Try:
          nestsim compare traces/nested-sort.nst.gz  compare flush policies on a real woven trace
          nestsim list policies                      the policies there are

        All commands: nestsim --help

        """;

    /// <summary>Runs one command line with two plain streams.</summary>
    /// <returns>The process exit code.</returns>
    public static int Run(IReadOnlyList<string> args, TextWriter output, TextWriter error) => Run(args, Terminal.Of(output, error));

    /// <summary>Runs one command line.</summary>
    /// <returns>The process exit code.</returns>
    public static int Run(IReadOnlyList<string> args, Terminal terminal)
    {
        if (args.Count == 0)
        {
            terminal.Output.Write(Welcome.ReplaceLineEndings("\n"));
            return Success;
        }

        string commandLine = string.Join(' ', args.Prepend("nestsim").Select(Quoted));
        Invocation invocation = new(terminal, commandLine);
        ParseResult? parse = null;
        try
        {
            parse = Root(invocation).Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
            if (parse.Action is not HelpWithExamples && UnknownWords.Explain(parse) is { } mistake)
            {
                terminal.Error.Write(mistake + "\n");
                return UsageError;
            }

            return parse.Invoke(new InvocationConfiguration { Output = terminal.Output, Error = terminal.Error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (OperationCanceledException) when (terminal.Interruption.IsSignalled)
        {
            terminal.Error.Write("Interrupted; nothing was written.\n");
            return terminal.Interruption.ExitCode;
        }
        catch (Exception e) when (ErrorBoundary.Known(e) is { } known)
        {
            terminal.Error.Write(known.Message + "\n");
            return known.ExitCode;
        }
        catch (Exception e)
        {
            string detail = parse?.GetValue(invocation.Verbose) == true ? e.ToString() : $"{e.GetType().Name}: {e.Message} (-v shows the stack)";
            terminal.Error.Write(BugReport(detail, commandLine));
            return OwnBug;
        }
    }

    /// <summary>What is said about a bug of ours.</summary>
    internal static string BugReport(string detail, string commandLine) =>
        $"This is a bug in nestsim, not a mistake of yours. Please report it with this text and, if you can, the trace.\n  {detail.ReplaceLineEndings("\n  ")}\n"
        + $"  version: {ToolInfo.Version}\n  command: {commandLine}\n";

    private static RootCommand Root(Invocation invocation)
    {
        RootCommand root = new("Nestsim replays memory-access and VM-entry traces through modelled tagged TLBs and compares hypervisors' TLB-flush policies.")
        {
            RunVerb.Create(invocation),
            CompareVerb.Create(invocation),
            AdviseVerb.Create(invocation),
            SweepVerb.Create(invocation),
            ExplainVerb.Create(invocation),
            GateVerb.Create(invocation),
            InterruptsVerb.Create(invocation),
            RacesVerb.Create(invocation),
            ReportVerb.Create(invocation),
            ValidateVerb.Create(invocation),
            ListVerb.Create(invocation),
            ConfigVerb.Create(invocation),
            TraceVerb.Create(invocation),
            DoctorVerb.Create(invocation),
        };
        foreach (Option option in invocation.Options)
        {
            root.Options.Add(option);
        }

        foreach (HelpOption help in root.Options.OfType<HelpOption>())
        {
            help.Action = new HelpWithExamples((HelpAction)help.Action!);
        }

        return root;
    }

    private static string Quoted(string word) => word.Length > 0 && !word.Any(c => char.IsWhiteSpace(c) || c is '\'' or '"') ? word : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
