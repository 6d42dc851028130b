namespace Sim.Kvm.Interrupts;

/// <summary>What <see cref="ScheduleExplorer"/> found.</summary>
/// <param name="Schedules">Interleavings that were run.</param>
/// <param name="Wrong">Those after which an interrupt was lost, duplicated or misdelivered.</param>
/// <param name="Example">The steps of the first wrong one, in order; empty if there is none.</param>
public sealed record ExploredSchedules(long Schedules, long Wrong, IReadOnlyList<string> Example);

/// <summary>
/// Runs a race in every order of its steps: at each moment each CPU, each message on its way and each device may be next. Beyond the given depth the rest runs in
/// one fixed order until nothing is left to do; then every interrupt must have arrived.
/// </summary>
/// <remarks>Stateless: each schedule is run from the start by its list of choices.</remarks>
internal sealed class ScheduleExplorer
{
    private const int LongestRun = 20_000;

    private readonly Func<IConductor, Race> _make;
    private readonly int _depth;
    private long _schedules;
    private long _wrong;
    private IReadOnlyList<string> _example = [];

    /// <summary>An explorer of one race; <paramref name="make"/> builds it anew for each schedule.</summary>
    public ScheduleExplorer(Func<IConductor, Race> make, int depth)
    {
        _make = make;
        _depth = depth;
    }

    /// <summary>Runs all schedules.</summary>
    public ExploredSchedules Explore()
    {
        List<int> choices = [];
        while (true)
        {
            List<int> widths = RunOne(choices);

            // The next schedule in lexical order of choices: the last choice that can still be raised is, and those behind it are taken anew.
            int at = widths.Count - 1;
            while (at >= 0 && choices[at] + 1 >= widths[at])
            {
                at--;
            }

            if (at < 0)
            {
                return new ExploredSchedules(_schedules, _wrong, _example);
            }

            choices.RemoveRange(at + 1, choices.Count - at - 1);
            choices[at]++;
        }
    }

    /// <summary>Runs one schedule. <paramref name="choices"/> is filled up with zeros; returns how many alternatives each choice had.</summary>
    private List<int> RunOne(List<int> choices)
    {
        Conductor conductor = new();
        Race race = _make(conductor);
        List<string> told = [];
        List<int> widths = [];
        List<Action> next = [];
        int steps = 0;
        while (true)
        {
            next.Clear();
            Collect(race, conductor, next, told);
            if (next.Count == 0)
            {
                break;
            }

            if (++steps > LongestRun)
            {
                throw new InvalidOperationException($"A schedule did not end: {string.Join(" / ", told.TakeLast(20))}");
            }

            int choice = 0;
            if (widths.Count < _depth)
            {
                if (widths.Count == choices.Count)
                {
                    choices.Add(0);
                }

                choice = choices[widths.Count];
                widths.Add(next.Count);
            }
            else
            {
                // A fair order for the rest: whoever waits for another lets it go on.
                choice = steps % next.Count;
            }

            next[choice]();
        }

        _schedules++;
        if (race.System.Ledger.Findings(drained: true) is { Count: > 0 } findings)
        {
            if (_wrong++ == 0)
            {
                _example = [.. told, .. findings.Select(finding => $"{finding.Kind}: {finding.Story[^1]}")];
            }
        }

        return widths;
    }

    private static void Collect(Race race, Conductor conductor, List<Action> next, List<string> told)
    {
        foreach (PhysicalCpu cpu in race.System.Cpus)
        {
            if (race.System.Next(cpu) is { } activity)
            {
                next.Add(() =>
                {
                    told.Add($"CPU {cpu.Index}: {activity.Current.Name}");
                    race.System.Advance(activity);
                });
            }
            else if (InterruptSystem.WorkOf(cpu) > 0)
            {
                next.Add(() =>
                {
                    told.Add($"CPU {cpu.Index}: guest work");
                    cpu.Current!.Guest(cpu.Current.Level).Work = 0;
                });
            }
        }

        foreach (Activity device in race.Devices.Where(device => !device.IsIdle))
        {
            next.Add(() =>
            {
                told.Add($"device: {device.Current.Name}");
                race.System.Advance(device);
            });
        }

        foreach (Action happening in race.Happenings)
        {
            next.Add(() =>
            {
                told.Add("the host acts");
                race.Happenings.Remove(happening);
                happening();
            });
        }

        foreach (Message message in conductor.OnTheirWay.ToArray())
        {
            next.Add(() =>
            {
                told.Add(message.IsDoorbell ? $"doorbell arrives at CPU {message.Cpu}" : $"{message.Vector} arrives at CPU {message.Cpu}");
                conductor.OnTheirWay.Remove(message);
                race.System.Arrive(message);
            });
        }
    }

    /// <summary>Messages stay on their way until the schedule lets them arrive.</summary>
    private sealed class Conductor : IConductor
    {
        public List<Message> OnTheirWay { get; } = [];

        public long Now => 0;

        public void Send(in Message message)
        {
            // Two equal interrupts on their way to one APIC are one: IRR has one bit.
            if (!OnTheirWay.Contains(message))
            {
                OnTheirWay.Add(message);
            }
        }

        public void Poke(PhysicalCpu cpu)
        {
        }
    }
}

/// <summary>A race: a system at its beginning, devices that are about to deliver, and things the host does at some moment (a tick, a migration).</summary>
internal sealed record Race(InterruptSystem System, List<Activity> Devices, List<Action> Happenings);
