using Sim.Core;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Kvm.Interrupts;
using Sim.Kvm.Tests.Machines;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>A hand-written trace, and what replays it: an <see cref="InterruptReplay"/>, or a plain machine.</summary>
internal sealed class Coupled
{
    public const ulong Vmcs12 = 0x5000;

    private readonly SortedDictionary<int, TraceBlock> _open = [];
    private readonly List<TraceBlock> _blocks = [];
    private readonly int _lanes;
    private ulong _records;

    public Coupled(int lanes = 1) => _lanes = lanes;

    public ulong Time { get; set; } = 1_000;

    public int Lane { get; set; }

    public ushort Vcpu { get; set; }

    public string Policy { get; set; } = "kvm-6.12";

    public string Rule { get; set; } = "deferred";

    public MachineSpec Machine { get; set; } = new() { Profile = Profiles.Textbook };

    public InterruptSpec Spec { get; set; } = new() { Profile = Profiles.Textbook };

    public InterruptLoad Load { get; set; } = new() { Recorded = false };

    public List<ExecutedStep> Steps { get; } = [];

    public static Coupled OnAmd(int lanes = 1) => new(lanes)
    {
        Policy = "nsvm-5.8",
        Machine = new MachineSpec { Profile = Profiles.TextbookAmd },
        Spec = new InterruptSpec { Profile = Profiles.TextbookAmd },
    };

    /// <summary>One device interrupt to vCPU 0's L1, at a time since the start of the trace, posted by a CPU that does nothing else.</summary>
    public Coupled Device(long time, byte vector = 0x51, InterruptSource kind = InterruptSource.Device)
    {
        SourceLoad source = new() { Kind = kind, Arrivals = ArrivalPattern.Fixed, FirstCycles = time, PeriodCycles = 1, Count = 1, Vector = vector, Target = 0 };
        Load = Load with { Peers = 1, Sources = [.. Load.Sources, source] };
        return this;
    }

    public Coupled Event(TraceEvent e, ulong after = 0)
    {
        Time += after;
        e.Time = Time;
        Block().AddEvent(e);
        _records++;
        return this;
    }

    public Coupled Enter(int level) => Event(TraceEvent.VmEnter(0, level == 2 ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1, Vcpu));

    public Coupled Exit(int level, uint reason = 10) => Event(TraceEvent.VmExit(0, level == 2 ? TransitionKind.L2ToL0 : TransitionKind.L1ToL0, Vcpu, reason));

    public Coupled NestedEntry(uint vpid12 = 1, ulong eptp12 = 0x70000) =>
        Exit(1, 24).Event(TraceEvent.NestedEnter(0, Vcpu, Vmcs12, VmControls.EnableVpid | VmControls.EnableEpt, vpid12, eptp12)).Enter(2);

    public Coupled NestedExit(uint reason = 10) => Exit(2, reason).Event(TraceEvent.VmExit(0, TransitionKind.L2ToL1, Vcpu, reason)).Enter(1);

    /// <summary>So many accesses, each to the next of some pages, so many cycles apart; the last gap behind them.</summary>
    public Coupled Work(int accesses, ulong apart = 10, int pages = 8, ulong from = 0x10_0000)
    {
        for (int i = 0; i < accesses; i++)
        {
            Block().AddAccess(Time, from + ((ulong)(i % pages) << 12), AccessFlags.Pack(AccessType.Read));
            _records++;
            Time += apart;
        }

        return this;
    }

    public Coupled Interrupt(byte vector, byte level, InterruptSource source = InterruptSource.Device) =>
        Event(new TraceEvent { Kind = RecordKind.Interrupt, Level = level, A = (ulong)source, B = vector, C = Vcpu, D = level });

    /// <summary>A plain replay.</summary>
    public Machine Plain()
    {
        Machine machine = new(Machine, new Catalogue<IFlushPolicy>(typeof(IFlushPolicy).Assembly).Create(Policy), ReplayKind.ByPolicy, _lanes);
        foreach (TraceBlock block in Blocks())
        {
            machine.Replay(block, 0, block.RecordCount);
        }

        return machine;
    }

    /// <summary>A replay under an interrupt path, fed in portions of so many records.</summary>
    public InterruptReplay Run(string path, int portion = int.MaxValue)
    {
        InterruptReplay replay = new(
            Machine,
            new Catalogue<IFlushPolicy>(typeof(IFlushPolicy).Assembly).Create(Policy),
            ReplayKind.ByPolicy,
            _lanes,
            Spec,
            Bench.Path(path),
            new Catalogue<IApicvUpdateRule>(typeof(IApicvUpdateRule).Assembly).Create(Rule),
            Load,
            steps: Steps.Add);
        foreach (TraceBlock block in Blocks())
        {
            for (int first = 0; first < block.RecordCount; first += Math.Min(portion, block.RecordCount))
            {
                replay.Replay(block, first, Math.Min(portion, block.RecordCount - first));
            }
        }

        replay.Finish();
        replay.CheckConservation();
        return replay;
    }

    /// <summary>Statistics that are not zero, as "key = value".</summary>
    public static string[] Told(StatSheet sheet, Func<string, bool> which) => [.. sheet.Stats.Where(stat => stat.Value != 0 && which(stat.Path)).Select(stat => $"{stat.Key} = {stat.Value}")];

    private TraceBlock Block()
    {
        if (!_open.TryGetValue(Lane, out TraceBlock? block) || block.IsFull)
        {
            block = new TraceBlock { Lane = Lane, FirstRecord = _records };
            _open[Lane] = block;
            _blocks.Add(block);
        }

        return block;
    }

    private IEnumerable<TraceBlock> Blocks() => _blocks.OrderBy(block => block.FirstTime);
}
