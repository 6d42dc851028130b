using System.CommandLine;
using Sim.Core;
using Sim.Core.Configuration;
using Sim.Core.Stats;
using Sim.Experiments;
using Sim.Kvm;
using Sim.Kvm.Interrupts;
using Sim.Reports.Charts;
using Sim.Reports.Results;
using Sim.Reports.Views;
using Sim.Workloads.Formats;
using Sim.Workloads.Generators;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim list</c>: everything that can be named.</summary>
internal static class ListVerb
{
    private static readonly (string Name, string Title, Func<IEnumerable<(string Name, string Summary)>> Entries)[] Kinds =
    [
        ("policies", "Flush policies", () => Entries(Components.Policies)),
        ("mutants", "Deliberate bugs to put behind a policy's name, as in kvm-6.12~no-sync-on-invlpg", () => Components.Mutants.Select(mutant => (mutant.Name, $"{mutant.Breaks}: {mutant.Summary}"))),
        ("irq-paths", "Interrupt paths, as in --irq-paths", () => Entries(Components.InterruptPaths)),
        ("flush-races", "Races of 'nestsim races'", () => FlushRaceTable.Races),
        ("races", "Races of 'nestsim interrupts --races'", () => RaceTable.Races),
        ("apicv-updates", "Rules for APICv controls that change while L2 is active", () => Entries(Components.ApicvUpdateRules)),
        ("profiles", "CPU profiles", Profiles),
        ("footprints", "What hypervisors touch, for 'trace weave --events'", Footprints),
        ("formats", "Trace formats", () => Entries(TraceFile.Formats)),
        ("generators", "Generators of synthetic traces", () => Entries(GeneratorCatalogue.All)),
        ("charts", "Charts of 'nestsim report'", () => Entries(ChartCatalogue.All)),
        ("metrics", "Metrics of 'nestsim report --metric'", () => Metric.All.Select(metric => (metric.Name, $"{metric.Title}, {metric.Unit}"))),
        ("replacements", "Replacement rules", () => Components.Replacements.Select(name => (name, ""))),
        ("invalidations", "Invalidations of the hardware model", () => Components.Invalidations.Select(name => (name, ""))),
        ("stats", "Statistics (lane[0] stands for every lane; labels left out)", Statistics),
    ];

    private static readonly (string Name, string Title, Func<string?, Table> Of)[] Tables =
    [
        ("kernels", "Kernels by version, as in -p kvm-6.1.192, with the holes that are open in each", _ => KernelLists.Kernels()),
        ("rules", "Rules of KVM by version; of one kernel: list rules kvm-6.1.192", KernelLists.Rules),
        ("holes", "Known holes by kernel; of one kernel: list holes nsvm-6.1.192", KernelLists.Holes),
    ];

    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string?> kind = new("kind") { Description = string.Join(", ", Kinds.Select(k => k.Name).Concat(Tables.Select(table => table.Name))), Arity = ArgumentArity.ZeroOrOne };
        Argument<string?> kernel = new("kernel") { Description = "A kernel by version, for rules and holes", Arity = ArgumentArity.ZeroOrOne };
        Option<string?> csv = new("--csv") { Description = "Write kernels, rules or holes as CSV", HelpName = "file" };
        VerbCommand command = new("list", "List policies, kernels, profiles, formats, ... with one sentence each", "list policies", "list holes", "list rules kvm-6.1.192", "list holes --csv holes.csv") { kind, kernel, csv };
        command.SetAction(parse =>
        {
            TextWriter output = invocation.Terminal.Output;
            string? name = parse.GetValue(kind);
            if (name is null)
            {
                foreach ((string known, string title, _) in Kinds)
                {
                    output.Write($"{known,-14} {title}\n");
                }

                foreach ((string known, string title, _) in Tables)
                {
                    output.Write($"{known,-14} {title}\n");
                }

                return CliApplication.Success;
            }

            if (Tables.FirstOrDefault(table => table.Name == name) is { Of: { } of })
            {
                Table table = of(parse.GetValue(kernel));
                if (parse.GetValue(csv) is { } file)
                {
                    ResultFiles.Write(file, KernelLists.Csv(table));
                }
                else
                {
                    TableWriter.Write(output, [table], invocation.Terminal.TableStyle(parse.GetValue(invocation.NoColour)));
                }

                return CliApplication.Success;
            }

            int at = Array.FindIndex(Kinds, k => k.Name == name);
            if (at < 0)
            {
                throw new ConfigurationException(NearestNames.Unknown("kind of thing to list", name, Kinds.Select(k => k.Name).Concat(Tables.Select(table => table.Name))));
            }

            if (parse.GetValue(kernel) is not null || parse.GetValue(csv) is not null)
            {
                throw new ConfigurationException($"'list {name}' takes neither a kernel nor --csv: only {string.Join(", ", Tables.Select(table => table.Name))} do.");
            }

            (string Name, string Summary)[] entries = [.. Kinds[at].Entries()];
            int width = entries.Max(entry => entry.Name.Length);
            foreach ((string entry, string summary) in entries)
            {
                output.Write($"{entry.PadRight(width)}  {summary}".TrimEnd() + "\n");
            }

            return CliApplication.Success;
        });
        return command;
    }

    private static IEnumerable<(string, string)> Entries<T>(Catalogue<T> catalogue)
        where T : class => catalogue.Entries.Select(entry => (entry.Name, entry.Summary));

    private static IEnumerable<(string, string)> Profiles() =>
        ProfileLibrary.Names.Select(name => (name, SettingsNode.ParseFile(ProfileLibrary.Find(name).Path, name, [])["summary"]?.Text ?? ""));

    private static IEnumerable<(string, string)> Footprints() => FootprintLibrary.Names.Select(name => (name, FootprintLibrary.Read(name).Summary));

    private static IEnumerable<(string, string)> Statistics() =>
        Components.Statistics().Select(stat => (stat.Path, $"{stat.Help} [{stat.Unit}, {(stat.Kind == StatKind.Counter ? "counter" : "gauge")}]"));
}
