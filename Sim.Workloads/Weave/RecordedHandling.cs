using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Weave;

/// <summary>
/// Handlers cut from a nested trace: whole episodes from an exit of L2 to its next entry, with the accesses and transitions of L0 and L1 in them. An
/// exit takes the next episode of its reason and handler, in turn; if there is none of its reason, the next of its handler.
/// </summary>
internal sealed class RecordedHandling : ExitHandling
{
    private readonly List<Step> _steps = [];
    private readonly List<TraceEvent> _events = [];
    private readonly List<Episode> _episodes = [];

    // For each handler: the episodes of all reasons at key null, of one reason at its key; and whose turn it is.
    private readonly Dictionary<(ExitHandler By, uint? Reason), Turn> _turns = [];

    private int _episodeFirst = -1;
    private int _resumeStep;
    private bool _byL1;
    private uint _reason;
    private ulong _lastTime;
    private int _level;
    private int _playing;

    /// <summary>Where to look for the L0 stay of an L1 exit that the weaver adds.</summary>
    private (int First, int End) _l1Exit;

    private readonly record struct Step(ulong Gap, ulong Address, uint Repeat, byte Flags, sbyte Level, int Event);

    private readonly record struct Episode(int First, int Resume, int End);

    private sealed class Turn
    {
        public List<int> Episodes { get; } = [];

        public int Next { get; set; }
    }

    /// <summary>Complete episodes found.</summary>
    public int Count => _episodes.Count;

    /// <summary>Takes one access of the recording.</summary>
    public void Add(ulong time, ulong address, byte flags, uint repeat)
    {
        if (_episodeFirst >= 0 && _level < 2)
        {
            _steps.Add(new Step(Gap(time), address, repeat, flags, (sbyte)_level, -1));
        }
    }

    /// <summary>Takes one event of the recording.</summary>
    public void Add(in TraceEvent e)
    {
        if (e.Kind is not (RecordKind.VmEnter or RecordKind.VmExit))
        {
            if (_episodeFirst >= 0 && _level < 2 && IsWorkload(e))
            {
                AddEvent(e);
            }

            return;
        }

        switch (e.Transition)
        {
            case TransitionKind.L2ToL0:
                _episodeFirst = _steps.Count;
                _resumeStep = -1;
                _byL1 = false;
                _reason = (uint)e.C;
                _lastTime = e.Time;
                _level = 0;
                break;
            case TransitionKind.L0ToL2:
                Finish(e.Time);
                _level = 2;
                break;
            default:
                if (_episodeFirst >= 0)
                {
                    _byL1 |= e.Transition == TransitionKind.L2ToL1;
                    if (e.Transition == TransitionKind.L1ToL0)
                    {
                        _resumeStep = _steps.Count;
                    }

                    AddEvent(e);
                }

                _level = e.Transition == TransitionKind.L0ToL1 ? 1 : 0;
                break;
        }
    }

    /// <summary>Checks that the recording serves the exits of the spec.</summary>
    /// <exception cref="ConfigurationException">It has no episode of a handler that the spec needs.</exception>
    public void Check(WeaveSpec spec)
    {
        IEnumerable<ExitHandler> needed = spec.Recorded?.Exits.Select(exit => exit.By) ?? spec.EffectiveExits.Select(share => share.By);
        foreach (ExitHandler by in needed.Distinct().Where(by => !_turns.ContainsKey((by, null))))
        {
            throw new ConfigurationException($"The handlers' trace has no complete exit of L2 that {by} handles, but the schedule has. Change 'exits', or take another handlers' trace.");
        }
    }

    /// <inheritdoc/>
    public override void ByL0(NestedLane lane, ScheduledExit exit)
    {
        Episode episode = _episodes[Take(exit)];
        Play(lane, episode.First, episode.End, default, null);
    }

    /// <inheritdoc/>
    public override void UntilResume(NestedLane lane, ScheduledExit exit, L2Identity next)
    {
        _playing = Take(exit);
        Play(lane, _episodes[_playing].First, _episodes[_playing].Resume, next, null, exit.Reason);
    }

    /// <inheritdoc/>
    public override void Resume(NestedLane lane, Action nestedEntry)
    {
        // The weaver writes the VMRESUME exit itself: skip the recorded one.
        Play(lane, _episodes[_playing].Resume + 1, _episodes[_playing].End, default, nestedEntry);
    }

    /// <inheritdoc/>
    public override void L1Exit(NestedLane lane) => Play(lane, _l1Exit.First, _l1Exit.End, default, null);

    private static bool IsWorkload(in TraceEvent e) => e.Kind switch
    {
        RecordKind.Work or RecordKind.SetCr3 or RecordKind.SetCr4 or RecordKind.Invlpg or RecordKind.Invpcid => true,
        RecordKind.Invvpid or RecordKind.Invept or RecordKind.Invlpga => e.Level == 1,
        _ => false,
    };

    private static TraceEvent Retarget(TraceEvent e, L2Identity next)
    {
        switch (e.Kind)
        {
            case RecordKind.Invvpid:
                e.B = next.Vpid12;
                break;
            case RecordKind.Invept:
                e.B = next.Eptp12;
                break;
            case RecordKind.Invlpga:
                e.A = next.Vpid12;
                break;
            default:
                break;
        }

        return e;
    }

    private ulong Gap(ulong time)
    {
        ulong gap = time - _lastTime;
        _lastTime = time;
        return gap;
    }

    private void AddEvent(in TraceEvent e)
    {
        _steps.Add(new Step(Gap(e.Time), 0, 0, 0, 0, _events.Count));
        _events.Add(e);
    }

    private void Finish(ulong time)
    {
        // An episode that L1 handled must hold L1's VMRESUME and the nested entry after it; anything else was cut off by the recording's window.
        bool complete = _episodeFirst >= 0 && (!_byL1 || (_resumeStep >= 0 && HasNestedEntry(_resumeStep)));
        if (complete)
        {
            _steps.Add(new Step(Gap(time), 0, 0, 0, 0, -1));
            ExitHandler by = _byL1 ? ExitHandler.L1 : ExitHandler.L0;
            foreach (uint? reason in new uint?[] { null, _reason })
            {
                if (!_turns.TryGetValue((by, reason), out Turn? turn))
                {
                    _turns[(by, reason)] = turn = new Turn();
                }

                turn.Episodes.Add(_episodes.Count);
            }

            _episodes.Add(new Episode(_episodeFirst, _resumeStep, _steps.Count));
            FindL1Exit(_episodeFirst, _resumeStep);
        }

        _episodeFirst = -1;
    }

    private bool HasNestedEntry(int from)
    {
        for (int i = from; i < _steps.Count; i++)
        {
            if (_steps[i].Event >= 0 && _events[_steps[i].Event] is { Kind: RecordKind.VmEnter, Transition: TransitionKind.L1ToL2 })
            {
                return true;
            }
        }

        return false;
    }

    private void FindL1Exit(int first, int end)
    {
        int from = -1;
        for (int i = first; i < end && _l1Exit.End == 0; i++)
        {
            if (_steps[i].Event < 0 || _events[_steps[i].Event].Kind is not (RecordKind.VmEnter or RecordKind.VmExit))
            {
                continue;
            }

            TransitionKind kind = _events[_steps[i].Event].Transition;
            if (kind == TransitionKind.L1ToL0)
            {
                from = i + 1;
            }
            else if (kind == TransitionKind.L0ToL1 && from >= 0)
            {
                _l1Exit = (from, i);
            }
        }
    }

    private int Take(ScheduledExit exit)
    {
        if (!_turns.TryGetValue((exit.By, exit.Reason), out Turn? turn))
        {
            turn = _turns[(exit.By, null)];
        }

        int episode = turn.Episodes[turn.Next];
        turn.Next = turn.Next + 1 == turn.Episodes.Count ? 0 : turn.Next + 1;
        return episode;
    }

    private void Play(NestedLane lane, int first, int end, L2Identity next, Action? nestedEntry, uint reflectedReason = 0)
    {
        for (int i = first; i < end; i++)
        {
            Step step = _steps[i];
            lane.Advance(step.Gap);
            if (step.Event < 0)
            {
                if (step.Repeat > 0)
                {
                    lane.Access(step.Level, step.Address, step.Flags, step.Repeat);
                }

                continue;
            }

            TraceEvent e = _events[step.Event];
            if (e.Kind == RecordKind.VmEnter && e.Transition == TransitionKind.L1ToL2)
            {
                nestedEntry!();
            }
            else if (e.Kind == RecordKind.VmExit && e.Transition == TransitionKind.L2ToL1)
            {
                lane.Exit(TransitionKind.L2ToL1, reflectedReason, e.D);
            }
            else
            {
                lane.Event(Retarget(e, next));
            }
        }
    }
}
