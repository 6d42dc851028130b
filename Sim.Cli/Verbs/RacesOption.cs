using System.CommandLine;
using Sim.Core.Profiles;
using Sim.Experiments;
using Sim.Validation;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim interrupts --races</c>: races between the delivery of an interrupt and what happens to its target.</summary>
internal sealed class RacesOption
{
    private readonly Option<string[]> _races = new("--races")
    {
        Description = "Explore every order of steps in races between delivery and its target, under the right rules and wrong ones; with names (see 'nestsim list races'), tell how each wrong rule loses an interrupt",
        HelpName = "a,b,...",
        Arity = ArgumentArity.ZeroOrMore,
    };

    /// <summary>The option itself.</summary>
    public Option Option => _races;

    /// <summary>What was asked for; null if the option was not given.</summary>
    public InterruptComparison? Run(ParseResult parse, CpuProfile profile, IReadOnlyList<string> paths) => parse.GetResult(_races) is null ? null
        : InterruptRaces.Run(profile, [.. (parse.GetValue(_races) ?? []).SelectMany(list => list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))], paths);
}
