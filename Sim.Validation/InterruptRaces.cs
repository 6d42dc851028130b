using Sim.Core.Profiles;
using Sim.Core;
using Sim.Experiments;
using Sim.Kvm.Interrupts;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Validation;

/// <summary>The races between delivery and what happens to its target, explored, as tables.</summary>
public static class InterruptRaces
{
    /// <summary>
    /// Explores races on paths: one table of all races, paths and rules; then, for races that were named, the shortest story of each wrong rule. The verdicts are
    /// those of the right rules.
    /// </summary>
    /// <param name="profile">Vendor.</param>
    /// <param name="races">Names of races; all of them, without stories, if there are none.</param>
    /// <param name="paths">Names of interrupt paths.</param>
    /// <exception cref="ConfigurationException">A name is unknown, or none of the races is about any of the paths.</exception>
    public static InterruptComparison Run(CpuProfile profile, IReadOnlyList<string> races, IReadOnlyList<string> paths)
    {
        foreach (string path in paths.Where(path => !Components.InterruptPaths.Create(path).Supports(profile.Vendor)))
        {
            throw new ConfigurationException(
                $"Interrupt path {path} does not exist on {profile.Vendor.Name()} hardware, and profile '{profile.Name}' is {profile.Vendor.Name()}. Paths that do: {string.Join(", ", InterruptComparison.PathsOf(profile.Vendor))}.");
        }

        IEnumerable<string> chosen = races.Count > 0 ? races : RaceTable.Races.Select(race => race.Name);
        RaceRow[] rows = [.. chosen.SelectMany(race => paths.SelectMany(path => RaceTable.Rows(race, path, Components.InterruptPaths.Create(path), profile)))];
        if (rows.Length == 0)
        {
            throw new ConfigurationException($"None of the races {string.Join(", ", chosen)} is about any of the paths {string.Join(", ", paths)}. 'nestsim list races' says what each is about.");
        }

        List<Table> tables = [Summary(rows)];
        if (races.Count > 0)
        {
            tables.AddRange(rows.Where(row => row.Explored.Story.Count > 0).GroupBy(row => (row.Race, row.Rule)).Select(group => Story(group.MinBy(row => row.Explored.Story.Count)!)));
        }

        return new InterruptComparison(tables, [.. rows.Where(row => row.IsCorrect).Select(Verdict)]);
    }

    private static InterruptVerdict Verdict(RaceRow row)
    {
        long lost = row.Explored.WrongEnds + row.Explored.Endless;
        return new InterruptVerdict(
            $"{row.Race}, {row.Path}, sent by {Text(row.Sender)}", 1, lost == 0 ? 1 : 0, new SafetyVerdict(lost == 0 ? [] : [new SafetyFinding("interrupt_lost", lost, row.Explored.Story)], 0));
    }

    private static Table Summary(IEnumerable<RaceRow> rows) => new(
        $"Races: every order of steps explored to its end, schedules counted to {RaceTable.Depth} steps",
        ["race", "path", "sender", "rule", "schedules", "states", "outcome"],
        [.. rows.Select(row => (IReadOnlyList<string>)
            [row.Race, row.Path, Text(row.Sender), row.Rule, Numbers.Whole(row.Explored.Schedules), Numbers.Whole(row.Explored.States), Outcome(row.Explored)])]);

    private static Table Story(RaceRow row) => new(
        $"{row.Race}, {row.Path}, {row.Rule}: {row.Summary}",
        ["a shortest order that goes wrong"],
        [.. row.Explored.Story.Select((line, index) => (IReadOnlyList<string>)[index + 1 < row.Explored.Story.Count ? $"{index + 1,3}  {line}" : line])]);

    private static string Outcome(ExploredSchedules explored) => explored.Endless > 0 ? "does not end"
        : explored.WrongEnds == 0 ? "none lost"
        : $"{explored.Story[^1].Split(':')[0].Replace("interrupt_", "", StringComparison.Ordinal)} behind {explored.Story.Count - 1} steps";

    private static string Text(InterruptSource sender) => sender switch
    {
        InterruptSource.Ipi => "IPI",
        InterruptSource.Device => "device",
        _ => "KVM",
    };
}
