using Sim.Core;
using Sim.Experiments;
using Sim.Kvm;
using Sim.Reports.Views;

namespace Sim.Validation;

/// <summary>The races of flushes, explored under several policies, as tables.</summary>
public static class FlushRaces
{
    /// <summary>Explores races under policies: a table of all of them, the shortest story of each policy that goes wrong, and whether each is safe.</summary>
    /// <param name="machine">The hardware.</param>
    /// <param name="races">Names of races; all that exist on the hardware if there are none.</param>
    /// <param name="policies">Names of policies.</param>
    /// <param name="happenings">How many things may come in between in one order.</param>
    /// <exception cref="ConfigurationException">A name is unknown, or a policy or a named race is for other hardware.</exception>
    public static (IReadOnlyList<Table> Tables, bool IsSafe) Run(MachineSpec machine, IReadOnlyList<string> races, IReadOnlyList<string> policies, int happenings)
    {
        foreach (string race in races.Where(race => !FlushRaceTable.Supports(race, machine.Profile.Vendor)))
        {
            throw new ConfigurationException($"The race {race} does not exist on the hardware of profile '{machine.Profile.Name}'. 'nestsim list flush-races' says what each is about.");
        }

        IEnumerable<string> chosen = races.Count > 0 ? races : FlushRaceTable.Races.Select(race => race.Name).Where(race => FlushRaceTable.Supports(race, machine.Profile.Vendor));
        (string Policy, FlushRaceRow Row)[] rows = [.. chosen.SelectMany(race => policies.Select(policy => (policy, FlushRaceTable.Explore(race, machine, Components.Policy(policy, machine.Profile.Vendor), happenings))))];
        List<Table> tables = [Summary(rows, happenings)];
        tables.AddRange(rows.Where(each => each.Row.Wrong > 0).Select(each => Story(each.Policy, each.Row)));
        return (tables, rows.All(each => each.Row.Wrong == 0));
    }

    private static Table Summary(IEnumerable<(string Policy, FlushRaceRow Row)> rows, int happenings) => new(
        $"Races of flushes: every order, with happenings between two steps: at most {Numbers.Whole(happenings)}",
        ["race", "policy", "steps", "orders", "wrong", "outcome"],
        [.. rows.Select(each => (IReadOnlyList<string>)
            [each.Row.Race, each.Policy, Numbers.Whole(each.Row.Steps), Numbers.Whole(each.Row.Orders), Numbers.Whole(each.Row.Wrong), Outcome(each.Row)])]);

    private static string Outcome(FlushRaceRow row) => row.Wrong == 0 ? "safe" : row.Happenings == 0 ? "unsafe as it is" : $"unsafe, happenings: {Numbers.Whole(row.Happenings)}";

    private static Table Story(string policy, FlushRaceRow row) => new(
        $"{row.Race}, {policy}", ["a shortest order that goes wrong"], [.. row.Story.Select((line, index) => (IReadOnlyList<string>)[$"{index + 1,3}  {line}"])]);
}
