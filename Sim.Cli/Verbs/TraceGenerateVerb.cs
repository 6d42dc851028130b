using System.CommandLine;
using Sim.Core;
using Sim.Reports.Views;
using Sim.Workloads.Formats;
using Sim.Workloads.Generators;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim trace generate</c>: synthetic traces.</summary>
internal static class TraceGenerateVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string> generator = new("generator") { Description = "A name from 'nestsim list generators'" };
        Argument<string> output = TraceVerb.Output();
        Argument<string[]> words = new("key=value") { Description = "Options of the generator, listed below", Arity = ArgumentArity.ZeroOrMore };
        Option<string?> format = TraceVerb.Format();
        VerbCommand command = new(
            "generate",
            "Write a synthetic trace; the same options give the same bytes",
            "trace generate nested-ping-pong nested.nst accesses=1M seed=7",
            "trace generate zipf-pages - accesses=10M | nestsim run - --policy never") { Notes = Options };
        command.Arguments.Add(generator);
        command.Arguments.Add(output);
        command.Arguments.Add(words);
        command.Options.Add(format);
        command.SetAction(parse =>
        {
            GeneratorSpec spec = GeneratorCatalogue.Parse(parse.GetValue(generator)!, parse.GetValue(words) ?? []);
            using TraceFileWriter writer = TraceFile.Create(parse.GetValue(output)!, GeneratorCatalogue.Header(spec), parse.GetValue(format));
            GeneratorCatalogue.Generate(spec, writer);
            writer.Complete();
            invocation.Terminal.Error.Write($"{parse.GetValue(output)}: {Numbers.Whole(writer.Records)} records\n");
            return CliApplication.Success;
        });
        return command;
    }

    private static string Options()
    {
        List<string> lines = ["Options of every generator:", .. GeneratorCatalogue.CommonOptions.Select(Line)];
        foreach (Catalogue<IWorkloadGenerator>.Entry entry in GeneratorCatalogue.All.Entries)
        {
            lines.Add($"Options of {entry.Name}:");
            lines.AddRange(GeneratorCatalogue.All.Create(entry.Name).Options.Select(Line));
        }

        return string.Join('\n', lines);
    }

    private static string Line(GeneratorOption option) => $"  {option.Name}  {option.Help} [{option.Default}; {option.Range}]";
}
