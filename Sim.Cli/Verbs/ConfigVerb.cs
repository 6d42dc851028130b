using System.CommandLine;
using Sim.Core.Configuration;
using Sim.Experiments;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim config</c>: what would be simulated, and who says so.</summary>
internal static class ConfigVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation) => new("config", "Show or check the resolved configuration") { Show(invocation), Check(invocation) };

    private static VerbCommand Show(Invocation invocation)
    {
        ConfigurationOptions options = new();
        Option<bool> json = new("--json") { Description = "Values alone as JSON, good for --config" };
        VerbCommand command = new(
            "show",
            "Print every resolved value with its origin and its source",
            "config show --profile zen-4",
            "config show -c my.json --set machine.l0_ept=false",
            "config show --profile ice-lake-sp --json > my.json");
        options.AddTo(command);
        command.Options.Add(json);
        command.SetAction(parse =>
        {
            RunConfiguration configuration = options.Load(parse);
            if (parse.GetValue(json))
            {
                invocation.Terminal.Output.Write(configuration.Json + "\n");
                return CliApplication.Success;
            }

            foreach (SettingsNode leaf in configuration.Resolved.Leaves())
            {
                string source = leaf.Source is null ? "" : $"; {leaf.Source}";
                invocation.Terminal.Output.Write($"{leaf.Path} = {leaf.Text}  # {leaf.Origin}{source}\n");
            }

            invocation.Terminal.Output.Write($"# configuration hash {configuration.Hash}\n");
            return CliApplication.Success;
        });
        return command;
    }

    private static VerbCommand Check(Invocation invocation)
    {
        Argument<string> file = new("file") { Description = "JSON file with configuration values" };
        VerbCommand command = new("check", "Check a configuration file and run nothing", "config check my.json") { file };
        command.SetAction(parse =>
        {
            RunConfiguration configuration = RunConfiguration.Load(parse.GetValue(file), []);
            invocation.Terminal.Output.Write($"{parse.GetValue(file)}: good. {configuration.Policies.Count} policies on {configuration.Machine.Profile.Name}, configuration hash {configuration.Hash}\n");
            return CliApplication.Success;
        });
        return command;
    }
}
