using System.CommandLine;
using Sim.Core;
using Sim.Experiments;

namespace Sim.Cli.Verbs;

/// <summary>Options that say how interrupts are delivered while a trace is replayed: several ways, every policy with each.</summary>
internal sealed class InterruptOptions
{
    private readonly Option<string[]> _paths = new("--irq-paths")
    {
        Description = "Deliver interrupts too, by these paths (see 'nestsim list irq-paths'); where they come from: interrupts.* of 'nestsim config show'",
        HelpName = "a,b,...",
    };

    private readonly Option<string[]> _updates = new("--apicv-update")
    {
        Description = "Rules for APICv controls that change while L2 is active, for paths that use APICv (see 'nestsim list apicv-updates') [default: deferred]",
        HelpName = "x,y,...",
    };

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Options.Add(_paths);
        command.Options.Add(_updates);
    }

    /// <summary>What the options set.</summary>
    public IReadOnlyList<Assignment> Assignments(ParseResult parse) =>
        [.. ConfigurationOptions.List(parse, _paths, "interrupts.paths"), .. ConfigurationOptions.List(parse, _updates, "interrupts.apicv_updates")];

    /// <summary>The configuration, if rules were not given in vain.</summary>
    /// <exception cref="ConfigurationException">Rules were given, and no path needs one.</exception>
    public RunConfiguration Checked(ParseResult parse, RunConfiguration configuration) => Checked(configuration, parse.GetValue(_updates) is { Length: > 0 });

    /// <summary>The configuration, if a rule was not given in vain.</summary>
    /// <param name="configuration">What is simulated.</param>
    /// <param name="hasRule">Whether a rule was given as an option.</param>
    /// <exception cref="ConfigurationException">A rule was given, and no path needs one.</exception>
    public static RunConfiguration Checked(RunConfiguration configuration, bool hasRule) =>
        hasRule && configuration.Interrupts.Deliveries.All(delivery => delivery.ApicvUpdate is null)
            ? throw new ConfigurationException(
                $"--apicv-update: {(configuration.Interrupts.Paths.Count == 0 ? "no interrupt path is named" : $"{string.Join(", ", configuration.Interrupts.Paths)} does not use APICv")}, so that no rule applies. "
                + "Name a path that uses APICv: posted, posted-device or ipiv.")
            : configuration;
}
