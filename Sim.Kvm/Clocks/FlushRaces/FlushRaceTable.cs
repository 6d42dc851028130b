using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>One race of flushes under one policy, explored.</summary>
/// <param name="Race">Name of the race.</param>
/// <param name="Steps">Steps without a happening.</param>
/// <param name="Orders">Orders that were carried out.</param>
/// <param name="Wrong">Orders in which a translation was used that the architecture forbids; of those with fewest happenings.</param>
/// <param name="Happenings">How many happenings the wrong ones have; the bound if none is wrong.</param>
/// <param name="Story">The steps of a shortest wrong order, then what went wrong; empty if there is none.</param>
public sealed record FlushRaceRow(string Race, int Steps, long Orders, long Wrong, int Happenings, IReadOnlyList<string> Story);

/// <summary>
/// Races of flushes: what L0 does between an exit and the entry behind it, with things that happen at every place in between: the vCPU moves to another CPU, another vCPU runs, the VM-entry fails late, the host takes a
/// page. All orders with at most so many happenings are carried out to their end, those with fewer first, and the safety oracle judges ("iterative context bounding", Musuvathi and Qadeer, PLDI 2007).
/// </summary>
public static class FlushRaceTable
{
    /// <summary>Happenings in one order, at most, if nobody says otherwise.</summary>
    public const int DefaultHappenings = 2;

    private static readonly Catalogue<IFlushRace> Catalogue = new(typeof(IFlushRace).Assembly);

    /// <summary>Name and summary of each race, ordinal order.</summary>
    public static IReadOnlyList<(string Name, string Summary)> Races { get; } = [.. Catalogue.Entries.Select(entry => (entry.Name, entry.Summary))];

    /// <summary>Whether a race exists on a vendor's hardware.</summary>
    /// <exception cref="ConfigurationException">There is no such race.</exception>
    public static bool Supports(string race, Vendor vendor) => Catalogue.Create(race).Supports(vendor);

    /// <summary>Explores a race.</summary>
    /// <param name="race">Its name.</param>
    /// <param name="machine">The hardware; its TLBs are made small, since a race uses a handful of pages.</param>
    /// <param name="policy">Who decides flushes.</param>
    /// <param name="happenings">How many, at most, in one order.</param>
    /// <exception cref="ConfigurationException">There is no such race, or the policy is for other hardware.</exception>
    public static FlushRaceRow Explore(string race, MachineSpec machine, IFlushPolicy policy, int happenings = DefaultHappenings)
    {
        IFlushRace chosen = Catalogue.Create(race);
        MachineSpec small = machine with
        {
            Attribution = false,
            Safety = true,
            Profile = machine.Profile with
            {
                FirstLevel = [.. machine.Profile.FirstLevel.Select(Small)],
                SecondLevel = [.. machine.Profile.SecondLevel.Select(Small)],
                PteLineCaches = [.. machine.Profile.PteLineCaches.Select(cache => cache with { Lines = Math.Min(cache.Lines, 64) })],
            },
        };
        long orders = 0;
        for (int count = 0; ; count++)
        {
            long wrong = 0;
            IReadOnlyList<FlushRaceStep> first = [];
            foreach (IReadOnlyList<FlushRaceStep> order in Orders(chosen.Steps, count))
            {
                orders++;
                if (IsWrong(small, policy, chosen, order) && wrong++ == 0)
                {
                    first = [.. order];
                }
            }

            if (wrong > 0)
            {
                return new FlushRaceRow(race, chosen.Steps.Count, orders, wrong, count, Story(small, policy, chosen, Shortened(small, policy, chosen, first)));
            }

            if (count == happenings)
            {
                return new FlushRaceRow(race, chosen.Steps.Count, orders, 0, count, []);
            }
        }
    }

    private static TlbStructure Small(TlbStructure structure) => structure with { Sets = Math.Min(structure.Sets, 4) };

    /// <summary>Every order with exactly so many happenings, each at a place between two steps.</summary>
    private static IEnumerable<IReadOnlyList<FlushRaceStep>> Orders(IReadOnlyList<FlushRaceStep> steps, int happenings, int from = 0)
    {
        if (happenings == 0)
        {
            yield return steps;
            yield break;
        }

        for (int at = from; at < steps.Count; at++)
        {
            foreach (FlushRaceStep happening in HappeningsBefore(steps, at))
            {
                FlushRaceStep[] more = [.. steps.Take(at), happening, .. steps.Skip(at)];
                foreach (IReadOnlyList<FlushRaceStep> order in Orders(more, happenings - 1, at + 1))
                {
                    yield return order;
                }
            }
        }
    }

    /// <summary>What may happen before a step: to its vCPU, or because of the other one or the host.</summary>
    private static IEnumerable<FlushRaceStep> HappeningsBefore(IReadOnlyList<FlushRaceStep> steps, int at)
    {
        int vcpu = steps[at].Vcpu;
        yield return new FlushRaceStep(vcpu, FlushRaceAction.Move, IsHappening: true);
        yield return new FlushRaceStep(1 - vcpu, FlushRaceAction.Run, IsHappening: true);
        yield return new FlushRaceStep(vcpu, FlushRaceAction.HostTakesPage, IsHappening: true);
        int before = at - 1;
        while (before >= 0 && steps[before].Action is FlushRaceAction.ServeRequests or FlushRaceAction.LoadRoot or FlushRaceAction.Move)
        {
            before--;
        }

        if (before >= 0 && steps[before] == new FlushRaceStep(vcpu, FlushRaceAction.NestedEntry))
        {
            yield return new FlushRaceStep(vcpu, FlushRaceAction.FailEntry, IsHappening: true);
        }
    }

    private static bool IsWrong(MachineSpec machine, IFlushPolicy policy, IFlushRace race, IEnumerable<FlushRaceStep> order)
    {
        FlushRaceRun run = new(machine, policy, race);
        foreach (FlushRaceStep step in order)
        {
            if ((run.Take(step) is null && step.IsHappening) || run.IsWrong)
            {
                return run.IsWrong;
            }
        }

        return false;
    }

    /// <summary>The order without the steps that it goes wrong without, one after the other.</summary>
    private static List<FlushRaceStep> Shortened(MachineSpec machine, IFlushPolicy policy, IFlushRace race, IReadOnlyList<FlushRaceStep> order)
    {
        List<FlushRaceStep> least = [.. order];
        for (int at = least.Count - 1; at >= 0; at--)
        {
            List<FlushRaceStep> fewer = [.. least];
            fewer.RemoveAt(at);
            if (IsWrong(machine, policy, race, fewer))
            {
                least = fewer;
                at = Math.Min(at, least.Count);
            }
        }

        return least;
    }

    private static List<string> Story(MachineSpec machine, IFlushPolicy policy, IFlushRace race, IReadOnlyList<FlushRaceStep> order)
    {
        FlushRaceRun run = new(machine, policy, race);
        List<string> story = [];
        foreach (FlushRaceStep step in order)
        {
            if (run.Take(step) is { } told)
            {
                story.Add(told);
            }

            if (run.IsWrong)
            {
                break;
            }
        }

        return [.. story, .. run.Incident];
    }
}
