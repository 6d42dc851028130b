using Sim.Core;
using Sim.Core.Files;
using Sim.Core.Traces;

namespace Sim.Workloads.Weave;

/// <summary>An exit of L2: its place (in the schedule's unit, from the start of L2's run), its reason, and who handles it.</summary>
public readonly record struct ScheduledExit(ulong At, uint Reason, ExitHandler By);

/// <summary>Exits of L2 that were recorded.</summary>
/// <param name="Name">File or trace they come from.</param>
/// <param name="Unit">What <see cref="ScheduledExit.At"/> counts.</param>
/// <param name="Exits">In order of their places.</param>
public sealed record RecordedExits(string Name, WeaveUnit Unit, IReadOnlyList<ScheduledExit> Exits)
{
    /// <summary>
    /// Reads a CSV: a first line "accesses,reason,handled_by" or "cycles,reason,handled_by", then one exit a line, for instance "20000,48,l1". Places must not
    /// go back; '#' begins a comment line.
    /// </summary>
    /// <exception cref="ConfigurationException">The file cannot be read.</exception>
    /// <exception cref="TraceFormatException">A line is malformed.</exception>
    public static RecordedExits ReadCsv(string path)
    {
        using StringReader reader = new(InputFile.ReadText(path, "exits file", "Give the path of a CSV file."));
        return ReadCsv(reader, path);
    }

    /// <summary>Reads the same CSV from a reader; <paramref name="name"/> names it in messages.</summary>
    /// <exception cref="TraceFormatException">A line is malformed.</exception>
    public static RecordedExits ReadCsv(TextReader reader, string name)
    {
        const string Hint = "See traces/README.md.";
        WeaveUnit? unit = null;
        List<ScheduledExit> exits = [];
        int number = 0;
        while (reader.ReadLine() is { } line)
        {
            number++;
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }

            if (unit is null)
            {
                unit = line switch
                {
                    "accesses,reason,handled_by" => WeaveUnit.Accesses,
                    "cycles,reason,handled_by" => WeaveUnit.Cycles,
                    _ => throw new TraceFormatException(name, $"line {number}", "'accesses,reason,handled_by' or 'cycles,reason,handled_by'", $"'{line}'", Hint),
                };
                continue;
            }

            string[] cells = line.Split(',');
            if (cells.Length != 3
                || !WeaveOptions.TryNumber(cells[0], out ulong at)
                || !WeaveOptions.TryNumber(cells[1], out ulong reason) || reason > uint.MaxValue
                || cells[2] is not ("l0" or "l1" or "L0" or "L1"))
            {
                throw new TraceFormatException(name, $"line {number}", "place,reason,l0|l1 as numbers", $"'{line}'", Hint);
            }

            if (exits.Count > 0 && at < exits[^1].At)
            {
                throw new TraceFormatException(name, $"line {number}", $"a place of at least {exits[^1].At}", $"{at}", "Sort the exits by place.");
            }

            exits.Add(new ScheduledExit(at, (uint)reason, WeaveOptions.ReadHandler("handled_by", cells[2])));
        }

        return new RecordedExits(name, unit ?? throw new TraceFormatException(name, $"line {number}", "a first line with column names", "the end of the file", Hint), exits);
    }

    /// <summary>The exits of L2 on lane 0 of a nested trace, placed by the cycles that L2 ran.</summary>
    /// <exception cref="TraceFormatException">The trace has none.</exception>
    public static RecordedExits FromTrace(ITraceSource source, string name)
    {
        List<ScheduledExit> exits = [];
        ulong ran = 0;
        ulong entered = 0;
        int open = -1;
        TraceBlock block = new();
        while (source.Read(block))
        {
            for (int i = 0; block.Lane == 0 && i < block.EventCount; i++)
            {
                TraceEvent e = block.Events[i];
                if (e.Kind is not (RecordKind.VmEnter or RecordKind.VmExit))
                {
                    continue;
                }

                switch (e.Transition)
                {
                    case TransitionKind.L0ToL2:
                        entered = e.Time;
                        open = -1;
                        break;
                    case TransitionKind.L2ToL0:
                        ran += e.Time - entered;
                        open = exits.Count;
                        exits.Add(new ScheduledExit(ran, (uint)e.C, ExitHandler.L0));
                        break;
                    case TransitionKind.L2ToL1 when open >= 0:
                        exits[open] = exits[open] with { By = ExitHandler.L1 };
                        break;
                    default:
                        break;
                }
            }
        }

        return exits.Count > 0
            ? new RecordedExits(name, WeaveUnit.Cycles, exits)
            : throw new TraceFormatException(name, "end", "VM-exits of L2", "none", "A schedule can only be taken from a trace with nested transitions.");
    }
}

/// <summary>Deals out the exits of L2, one after the other.</summary>
internal sealed class ExitSchedule
{
    private readonly WeaveSpec _spec;
    private readonly IReadOnlyList<ExitShare> _shares;
    private readonly ulong _totalWeight;
    private Rng _gaps;
    private Rng _mix;
    private int _recorded;

    public ExitSchedule(WeaveSpec spec)
    {
        _spec = spec;
        _shares = spec.EffectiveExits;
        _totalWeight = _shares.Aggregate(0UL, (sum, share) => sum + share.Weight);
        _gaps = Rng.Fork(spec.Seed, "weave.gaps");
        _mix = Rng.Fork(spec.Seed, "weave.mix");
    }

    /// <summary>What places count.</summary>
    public WeaveUnit Unit => _spec.Recorded?.Unit ?? _spec.Unit;

    /// <summary>The next exit; <paramref name="from"/> is the place of the last one (0 at the start). False if a recording has no more.</summary>
    public bool TryNext(ulong from, out ScheduledExit exit)
    {
        if (_spec.Recorded is { } recorded)
        {
            bool more = _recorded < recorded.Exits.Count;
            exit = more ? recorded.Exits[_recorded++] : default;
            return more;
        }

        ulong gap = _spec.Schedule == WeaveSchedule.Fixed ? _spec.Every : Math.Max(1, Exponential(ref _gaps, _spec.Every));
        ulong ticket = _mix.Below(_totalWeight);
        int share = 0;
        for (; ticket >= _shares[share].Weight; share++)
        {
            ticket -= _shares[share].Weight;
        }

        exit = new ScheduledExit(from + gap, _shares[share].Reason, _shares[share].By);
        return true;
    }

    /// <summary>
    /// An exponentially distributed number with this mean, rounded down, by von Neumann's comparison method (1951): only integers, so the same on every machine.
    /// </summary>
    internal static ulong Exponential(ref Rng rng, ulong mean)
    {
        for (ulong whole = 0; ; whole++)
        {
            ulong first = rng.Next();
            ulong last = first;
            bool odd = true;
            for (ulong next = rng.Next(); next < last; next = rng.Next())
            {
                last = next;
                odd = !odd;
            }

            if (odd)
            {
                return (whole * mean) + (ulong)(((UInt128)first * mean) >> 64);
            }
        }
    }
}
