using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm.Interrupts;

/// <summary>One race on one path under one rule, explored.</summary>
/// <param name="Race">Name of the race.</param>
/// <param name="Path">Name of the path.</param>
/// <param name="Sender">Who sends.</param>
/// <param name="Rule">Name of the rule; "correct" for KVM's and the hardware's own.</param>
/// <param name="Summary">What the rule is.</param>
/// <param name="IsCorrect">Whether it is that one.</param>
/// <param name="Explored">What was found.</param>
public sealed record RaceRow(string Race, string Path, InterruptSource Sender, string Rule, string Summary, bool IsCorrect, ExploredSchedules Explored);

/// <summary>The races that KVM's comments name, each in every order of its steps, under the right rules and under those that are known to be wrong.</summary>
public static class RaceTable
{
    /// <summary>Steps to which schedules are counted.</summary>
    public const int Depth = 12;

    private static readonly Catalogue<IInterruptRace> Catalogue = new(typeof(IInterruptRace).Assembly);

    /// <summary>Name and summary of each race, ordinal order.</summary>
    public static IReadOnlyList<(string Name, string Summary)> Races { get; } = [.. Catalogue.Entries.Select(entry => (entry.Name, entry.Summary))];

    /// <summary>
    /// A race on a path: for each sender that exists there, the right rules first, and then each wrong rule that changes a program which the right run carries out.
    /// No rows if the race is not about the path.
    /// </summary>
    /// <exception cref="ConfigurationException">There is no such race.</exception>
    public static IEnumerable<RaceRow> Rows(string race, string pathName, IInterruptPath path, CpuProfile profile)
    {
        IInterruptRace chosen = Catalogue.Create(race);
        foreach (InterruptSource sender in Enum.GetValues<InterruptSource>().Where(sender => chosen.IsAbout(path, sender)))
        {
            WrongRule correct = WrongRule.None();
            yield return Row(correct, isCorrect: true);
            foreach (WrongRule rule in chosen.WrongRules.Where(rule => rule.IsAbout(path, sender) && correct.Programs.Any(program => rule.Apply(program) != program)))
            {
                yield return Row(rule, isCorrect: false);
            }

            RaceRow Row(WrongRule rule, bool isCorrect)
            {
                RaceSetting setting = new(profile, path, sender, rule);
                return new RaceRow(race, pathName, sender, rule.Name, rule.Summary, isCorrect, new ScheduleExplorer(conductor => chosen.Start(setting, conductor), Depth).Explore());
            }
        }
    }
}
