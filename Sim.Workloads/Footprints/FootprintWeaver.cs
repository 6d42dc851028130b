using System.Globalization;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Operations;
using Sim.Workloads.Weave;

namespace Sim.Workloads.Footprints;

/// <summary>How footprints are woven.</summary>
public sealed record FootprintWeaveOptions
{
    /// <summary>Cycles of the woven trace in <see cref="Ticks"/> ticks of the events' time.</summary>
    public ulong Cycles { get; init; } = 1;

    /// <summary>Ticks of the events' time that are <see cref="Cycles"/>.</summary>
    public ulong Ticks { get; init; } = 1;

    /// <summary>Most accesses of the program in one run of L2, folded ones counted each; the rest of a longer run passes without.</summary>
    public ulong L2Limit { get; init; } = ulong.MaxValue;

    /// <summary>Seed of everything random.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>What stands in for exits of no family that the footprints have.</summary>
    public StrangerRule Strangers { get; init; }

    /// <summary>Runs on one page are folded (<see cref="Folding"/>).</summary>
    public bool Fold { get; init; } = true;

    /// <summary>A time of the events in cycles.</summary>
    public ulong Scale(ulong ticks) => (ulong)((UInt128)ticks * Cycles / Ticks);
}

/// <summary>What was woven.</summary>
/// <param name="Records">Records written.</param>
/// <param name="Accesses">Accesses of L0, L1 and L2, folded ones counted each.</param>
/// <param name="Stays">Stays of L0 and L1 that got a footprint.</param>
/// <param name="Unknown">Stays that got none, because what began them was not recorded.</param>
/// <param name="NestedTransitions">Nested entries and exits.</param>
/// <param name="ProgramRuns">How often the program that is L2 was begun; 0 if L2's accesses are the recorded ones.</param>
/// <param name="Substitutes">Kinds of stay that the model does not have.</param>
public sealed record FootprintWeaveSummary(
    ulong Records, IReadOnlyList<ulong> Accesses, long Stays, long Unknown, long NestedTransitions, long ProgramRuns, IReadOnlyList<FootprintSubstitute> Substitutes)
{
    /// <summary>With a larger share of foreign stays, what a trace costs is no number but a range, between those of <see cref="StrangerRule.Smallest"/> and of <see cref="StrangerRule.Largest"/>.</summary>
    public const double MostForeign = 0.10;

    /// <summary>Share of the stays that follow an exit of no family that the model has.</summary>
    public double ForeignShare { get; init; }

    /// <summary>What stands in for them.</summary>
    public StrangerRule Strangers { get; init; }

    /// <summary>The trace is one end of a range, or a place inside.</summary>
    public bool IsBracketed => ForeignShare > MostForeign;

    /// <summary>What was taken for foreign stays, in words.</summary>
    public string StandIns => Strangers switch { StrangerRule.Smallest => "the smallest kinds", StrangerRule.Largest => "the largest kinds", _ => "the nearest" };

    private long All => Stays + Unknown;

    /// <summary>What the woven trace rests on that nobody recorded.</summary>
    public IReadOnlyList<Doubt> Doubts
    {
        get
        {
            List<Doubt> doubts = [];
            if (IsBracketed)
            {
                doubts.Add(new Doubt(
                    DoubtKind.Handlers,
                    string.Create(CultureInfo.InvariantCulture, $"bracketed: {100 * ForeignShare:0.0}% of the stays of L0 and L1 follow an exit whose family the footprints do not have, and {StandIns} stand in: what this trace costs is a place in a range, no figure of its own")));
            }

            Add(
                Substitutes.Where(substitute => substitute.IsForeign).Sum(substitute => substitute.Count),
                "follow exits of the other vendor's virtualization, whose hypervisor touches other pages than these footprints say");
            Add(Substitutes.Where(substitute => substitute.IsStrange).Sum(substitute => substitute.Count), $"follow an exit whose family the footprints do not have; {StandIns} were taken");
            Add(Unknown, "have no accesses, because the exit that began them was not recorded");
            if (Substitutes.Where(substitute => !substitute.IsStrange).Sum(substitute => substitute.Count) is > 0 and { } kin)
            {
                doubts.Add(new Doubt(DoubtKind.Handlers, string.Create(CultureInfo.InvariantCulture, $"{kin:N0} stays of L0 and L1 are of a kind that the footprints do not have in full; others of the same family were taken"), kin));
            }

            doubts.Add(new Doubt(DoubtKind.Handlers, "what L0 and L1 touch is drawn from footprints that were learnt on another machine's recordings"));
            if (ProgramRuns > 0)
            {
                doubts.Add(new Doubt(DoubtKind.Program, "L2's memory accesses are a program's that was not recorded with these exits"));
            }

            return doubts;

            void Add(long count, string what)
            {
                if (count > 0)
                {
                    doubts.Add(new Doubt(DoubtKind.Handlers, string.Create(CultureInfo.InvariantCulture, $"{count:N0} of {All:N0} stays of L0 and L1 {what}"), count, All));
                }
            }
        }
    }
}

/// <summary>
/// Makes a trace of recorded transitions replayable: L0 and L1 touch in each stay what a <see cref="FootprintModel"/> says, and L2 runs a program. Every event of the recording
/// stays as it is, at its time in cycles; recorded accesses of L0 and L1, if there are any, are dropped, and so are L2's if a program is given.
/// </summary>
public sealed class FootprintWeaver
{
    private readonly FootprintChoice _choice;
    private readonly FootprintWeaveOptions _options;
    private readonly Func<ITraceSource>? _program;
    private readonly TraceAppender _appender;
    private readonly Lane[] _lanes;
    private readonly SortedDictionary<ushort, ProgramCursor> _programs = [];
    private readonly ulong[] _accesses = new ulong[3];
    private long _played;
    private long _unknown;
    private long _nestedTransitions;

    private FootprintWeaver(FootprintModel model, Func<ITraceSource>? program, FootprintWeaveOptions options, ITraceSink sink, int lanes)
    {
        _choice = new FootprintChoice(model, options.Strangers);
        _options = options;
        _program = program;
        _appender = new TraceAppender(sink, lanes, options.Fold);
        _lanes = [.. Enumerable.Range(0, lanes).Select(number => new Lane(number, new FootprintPlayer(model, _choice, options.Seed, number)))];
    }

    /// <summary>The header of the woven trace.</summary>
    public static TraceHeader Header(TraceHeader events, FootprintModel model, TraceHeader? program, FootprintWeaveOptions options)
    {
        SortedDictionary<string, string> properties = new(StringComparer.Ordinal) { ["source"] = "weave", ["footprints"] = model.Name, ["footprints kernel"] = model.Kernel };
        WovenHeader.AddProperties(properties, "events", events);
        WovenHeader.AddProperties(properties, "l2", program);
        if (events.Vendor is { } vendor)
        {
            properties[TraceHeader.VendorProperty] = TraceHeader.VendorWord(vendor);
        }

        if (events.RealKilohertz is { } kilohertz)
        {
            properties[TraceHeader.RealKilohertzProperty] = options.Scale((ulong)kilohertz).ToString(CultureInfo.InvariantCulture);
        }

        return new TraceHeader(events.Lanes, options.Fold, events.CyclesPerRecordTick, properties) { Doubts = [.. events.Doubts, .. (program?.Doubts ?? []).Except(events.Doubts)] };
    }

    /// <summary>Weaves.</summary>
    /// <param name="open">Opens the recorded events at their start; called twice, because what ends a stay decides what it touches.</param>
    /// <param name="program">Opens the program that every vCPU's L2 runs, a bare access stream of one lane, from its start again at its end; null: L2's recorded accesses stay.</param>
    /// <param name="model">What L0 and L1 touch.</param>
    /// <param name="options">How.</param>
    /// <param name="sink">Where the trace goes.</param>
    /// <exception cref="ConfigurationException">The events have no transitions, or the program no accesses.</exception>
    public static FootprintWeaveSummary Weave(Func<ITraceSource> open, Func<ITraceSource>? program, FootprintModel model, FootprintWeaveOptions options, ITraceSink sink)
    {
        FootprintWeaver weaver;
        using (ITraceSource events = open())
        {
            weaver = new FootprintWeaver(model, program, options, sink, events.Header.Lanes);
            weaver.Plan(events);
        }

        using (ITraceSource events = open())
        {
            weaver.Run(new RecordStream(events));
        }

        weaver._appender.Complete();
        FootprintWeaveSummary summary = new(
            weaver._appender.Records,
            weaver._accesses,
            weaver._played,
            weaver._unknown,
            weaver._nestedTransitions,
            weaver._programs.Values.Sum(cursor => cursor.Runs),
            weaver._choice.Substitutes)
        {
            ForeignShare = weaver._choice.ForeignShare,
            Strangers = options.Strangers,
        };
        foreach (ProgramCursor cursor in weaver._programs.Values)
        {
            cursor.Dispose();
        }

        return summary;
    }

    private void Plan(ITraceSource events)
    {
        _choice.Vendor = events.Header.Vendor;
        StayTracker tracker = new(_lanes.Length);
        TraceBlock block = new();
        bool any = false;
        while (events.Read(block))
        {
            foreach (TraceEvent recorded in block.Events.AsSpan(0, block.EventCount))
            {
                TraceEvent e = recorded;
                e.Time = _options.Scale(e.Time);
                any |= e.Kind is RecordKind.VmEnter or RecordKind.VmExit;
                if (tracker.Observe(block.Lane, e) is { } stay)
                {
                    _lanes[block.Lane].Plan.Enqueue(stay);
                }
            }
        }

        if (!any)
        {
            throw new ConfigurationException("The events have no VM-entry and no VM-exit. Lift them from a recording of KVM (nestsim trace lift).");
        }
    }

    private void Run(RecordStream events)
    {
        while (events.Next())
        {
            Lane lane = _lanes[events.Lane];
            if (!events.IsEvent)
            {
                if (lane.Level == 2 && _program is null)
                {
                    _appender.Access(lane.Number, _options.Scale(events.Time), events.Address, events.Flags, events.Repeat);
                    _accesses[2] += events.Repeat;
                }

                continue;
            }

            TraceEvent e = events.Event;
            if (e.Kind == RecordKind.PageSizes)
            {
                // Of pages that the trace may not use: whose hypervisors' accesses are these, and whose program's?
                continue;
            }

            e.Time = _options.Scale(e.Time);
            foreach (Lane other in _lanes)
            {
                EmitBefore(other, e.Time);
            }

            if (e.Kind is not (RecordKind.VmEnter or RecordKind.VmExit))
            {
                _appender.Event(lane.Number, e);
                continue;
            }

            if (e.Transition is TransitionKind.L1ToL2 or TransitionKind.L2ToL1)
            {
                _nestedTransitions++;
                if (e.Time == lane.Stay.NestedAt)
                {
                    EmitPlayed(lane, lane.Played.BeforeNested);
                }

                _appender.Event(lane.Number, e);
                continue;
            }

            EmitRest(lane);
            _appender.Event(lane.Number, e);
            Begin(lane, e);
        }
    }

    private void Begin(Lane lane, in TraceEvent e)
    {
        lane.Begin(e.Transition switch { TransitionKind.L0ToL1 => 1, TransitionKind.L0ToL2 => 2, _ => 0 });
        if (!lane.Plan.TryDequeue(out Stay stay))
        {
            // The lane's last stay: nothing says what ends it.
            return;
        }

        lane.Stay = stay;
        if (stay.Key is { } key)
        {
            _played++;
            lane.Player.Play(key, lane.Played);
        }
        else if (stay.Level < 2)
        {
            _unknown++;
        }
        else if (_program is not null)
        {
            if (!_programs.TryGetValue(stay.Vcpu, out ProgramCursor? cursor))
            {
                _programs.Add(stay.Vcpu, cursor = new ProgramCursor(_program, _options.L2Limit));
            }

            lane.Program = cursor;
            cursor.Enter(stay.Start);
        }
    }

    private void EmitBefore(Lane lane, ulong time)
    {
        while (lane.Next < lane.Played.Accesses.Count && lane.TimeOf(lane.Next) < time)
        {
            EmitPlayed(lane, lane.Next + 1);
        }

        if (lane.Program is { } program)
        {
            while (program.TryTake(Math.Min(time, lane.Stay.End), out ProgramAccess access))
            {
                _appender.Access(lane.Number, access.Time, access.Address, access.Flags, access.Repeat);
                _accesses[2] += access.Repeat;
            }
        }
    }

    private void EmitPlayed(Lane lane, int end)
    {
        for (; lane.Next < end; lane.Next++)
        {
            PlayedAccess access = lane.Played.Accesses[lane.Next];
            _appender.Access(lane.Number, lane.TimeOf(lane.Next), access.Address, access.Flags, 1);
            _accesses[lane.Stay.Level]++;
        }
    }

    private void EmitRest(Lane lane)
    {
        EmitPlayed(lane, lane.Played.Accesses.Count);
        lane.Program?.Leave(lane.Stay.End);
    }

    private sealed class Lane(int number, FootprintPlayer player)
    {
        public int Number => number;

        public FootprintPlayer Player => player;

        public Queue<Stay> Plan { get; } = new();

        public PlayedStay Played { get; } = new();

        public Stay Stay { get; set; }

        public int Next { get; set; }

        public int Level { get; private set; }

        public ProgramCursor? Program { get; set; }

        public void Begin(int level)
        {
            Level = level;
            Next = 0;
            Played.Accesses.Clear();
            Program = null;
        }

        /// <summary>Accesses lie evenly between the stay's start, its nested transition if it has one, and its end.</summary>
        public ulong TimeOf(int access)
        {
            int split = Played.BeforeNested;
            bool isSplit = Stay.Key is { Nested: not NestedStep.None };
            (ulong from, ulong to, int first, int count) = !isSplit ? (Stay.Start, Stay.End, 0, Played.Accesses.Count)
                : access < split ? (Stay.Start, Stay.NestedAt, 0, split)
                : (Stay.NestedAt, Stay.End, split, Played.Accesses.Count - split);
            return from + (ulong)((UInt128)(to - from) * (ulong)(access - first) / (ulong)count);
        }
    }
}
