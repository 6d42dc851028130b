using Sim.Apic;
using Sim.Core.Stats;
using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>Where interrupts come from that no guest sends: one stream in order of time.</summary>
public interface IInterruptSource
{
    /// <summary>Physical CPU that handles the source's interrupts when they go to the host.</summary>
    int HostLane { get; }

    /// <summary>The next interrupt and its time, not before the one before it; false if there is none any more.</summary>
    bool Next(out long time, out Delivery delivery);
}

/// <summary>The discrete-event simulation: an <see cref="IInterruptPath"/> under sources and guests, in integer cycles and total order.</summary>
public sealed class InterruptSimulation : IConductor
{
    private readonly InterruptSystem _system;
    /// <summary>Sources of a trace stop where no lane has had a record for so long (a third of a second at 3 GHz): nobody runs, and what nobody notices is not simulated.</summary>
    internal const long IdleCycles = 1_000_000_000;

    /// <summary>No CPU takes so many steps in one moment of a trace that a machine can have made.</summary>
    private const int MostStepsInAMoment = 1_000_000;

    private const int EventsBetweenLooks = 1024;

    private readonly EventQueue _queue = new();
    private readonly List<int> _resting = [];
    private readonly long[] _delay;
    private readonly CancellationToken _cancellation;
    private readonly LaneClock[] _clocks;
    private readonly IInterruptSource[] _sources;
    private readonly Activity[] _devices;
    private readonly Delivery[] _upcoming;
    private readonly Queue<(Program Program, Delivery Delivery, bool Found)> _errands = [];
    private PhysicalCpu? _paused;

    /// <summary>A run at time 0. <paramref name="observer"/>, if given, is told of every step.</summary>
    /// <exception cref="ConfigurationException">The path does not exist on the profile's hardware.</exception>
    public InterruptSimulation(
        InterruptSpec spec,
        IInterruptPath path,
        IApicvUpdateRule updateRule,
        IGuestBehaviour behaviour,
        IReadOnlyList<IInterruptSource> sources,
        Action<ExecutedStep>? observer = null)
        : this(spec, path, updateRule, behaviour, sources, null, observer)
    {
    }

    /// <summary>A run whose vCPUs follow a trace.</summary>
    internal InterruptSimulation(
        InterruptSpec spec,
        IInterruptPath path,
        IApicvUpdateRule updateRule,
        IGuestBehaviour behaviour,
        IReadOnlyList<IInterruptSource> sources,
        TraceReplay? trace,
        Action<ExecutedStep>? observer,
        CancellationToken cancellation = default)
    {
        _cancellation = cancellation;
        _delay = new long[sources.Count];
        _system = new InterruptSystem(spec, path, updateRule, behaviour, this, trace: trace) { Observer = observer };
        _clocks = [.. Enumerable.Range(0, spec.Lanes).Select(_ => new LaneClock())];
        _sources = [.. sources];
        _devices = [.. Enumerable.Range(0, _sources.Length + 1).Select(_ => new Activity(_system, null, null))];
        _upcoming = new Delivery[sources.Count];
        foreach (PhysicalCpu cpu in _system.Cpus)
        {
            Schedule(cpu, 0);
        }

        for (int source = 0; source < _sources.Length; source++)
        {
            Fetch(source);
        }
    }

    private enum LaneState
    {
        Idle,
        Busy,
        Working,
        Waiting,
    }

    /// <summary>Reference cycles since the start.</summary>
    public long Now { get; private set; }

    /// <summary>True if nothing will ever happen again: everything that can be delivered is.</summary>
    public bool IsDrained => _queue.Count == 0 && _paused is null;

    /// <summary>What went wrong. Interrupts count as lost once <see cref="IsDrained"/>.</summary>
    public IReadOnlyList<InterruptFinding> Findings => _system.Ledger.Findings(IsDrained);

    internal InterruptLedger Ledger => _system.Ledger;

    internal InterruptSystem System => _system;

    /// <summary>Runs on, by at most <paramref name="events"/> events and not beyond <paramref name="until"/>; cutting a run into parts changes nothing.</summary>
    public void Run(long events = long.MaxValue, long until = long.MaxValue)
    {
        if (_paused is { } paused)
        {
            _paused = null;
            StepLane(paused);
        }

        for (; events > 0 && _paused is null; events--)
        {
            if (_queue.Count == 0 || _queue.NextTime > until)
            {
                Now = until == long.MaxValue ? Now : Math.Max(Now, until);
                return;
            }

            if (events % EventsBetweenLooks == 0)
            {
                _cancellation.ThrowIfCancellationRequested();
            }

            SimulationEvent e = _queue.Take();
            Now = e.Time;
            switch (e.Phase)
            {
                case EventPhase.Arrival:
                    _system.Arrive(e.Message);
                    break;
                case EventPhase.Source when e.Lane < _clocks.Length:
                    EndSlice(_system.Cpus[e.Lane], e.Tag);
                    break;
                case EventPhase.Source:
                    Fire(e.Lane - _clocks.Length);
                    break;
                case EventPhase.Step when e.Lane < _clocks.Length:
                    if (e.Tag == _clocks[e.Lane].Generation)
                    {
                        StepLane(_system.Cpus[e.Lane]);
                    }

                    break;
                default:
                    StepDevice(e.Lane - _clocks.Length);
                    break;
            }
        }
    }

    /// <summary>Cycles until something else happens; <see cref="long.MaxValue"/> if nothing does.</summary>
    internal long Quiet => _queue.Count == 0 ? long.MaxValue : _queue.NextTime - Now;

    /// <summary>A lane of the trace has a record again: sources that rested go on as if the rest had not been.</summary>
    internal void EndRest()
    {
        foreach (int source in _resting)
        {
            _delay[source] += Now;
            _queue.Add(Now, EventPhase.Source, _clocks.Length + source);
        }

        _resting.Clear();
    }

    /// <summary>Sends an interrupt now, beside the sources.</summary>
    /// <param name="delivery">The interrupt.</param>
    /// <param name="hostLane">Physical CPU that handles it if it is a device's and goes to the host.</param>
    internal void Send(in Delivery delivery, int hostLane) => Send(delivery, hostLane, _sources.Length);

    /// <summary>Asks a spinning guest again what it does next.</summary>
    internal void Rouse(int vcpu)
    {
        Vcpu roused = _system.Vcpus[vcpu];
        roused.Guest(1).Spins = false;
        roused.Guest(2).Spins = false;
        ((IConductor)this).Poke(roused.Cpu);
    }

    /// <summary>Somebody on a CPU that is not simulated carries out a program about a delivery, one after the other.</summary>
    internal void RunElsewhere(Program program, in Delivery delivery, bool found = false)
    {
        _errands.Enqueue((program, delivery, found));
        if (_devices[_sources.Length].IsIdle)
        {
            NextErrand();
        }
    }

    /// <summary>All statistics now.</summary>
    public StatSheet Snapshot()
    {
        StatSheet sheet = new();
        _system.Ledger.Collect(sheet, IsDrained);
        sheet.Gauge(StatNames.IrqTime, "cycles", "Simulated time.", Now);
        return sheet;
    }

    void IConductor.Send(in Message message)
    {
        Core.Profiles.InterruptCosts costs = _system.Spec.Profile.InterruptCosts;
        _queue.Add(Now + (message.IsDoorbell ? costs.Doorbell : costs.Ipi), EventPhase.Arrival, message.Cpu, 0, message);
    }

    void IConductor.Poke(PhysicalCpu cpu)
    {
        LaneClock clock = _clocks[cpu.Index];
        if (clock.State == LaneState.Busy)
        {
            return;
        }

        if (clock.State == LaneState.Working)
        {
            GuestContext guest = cpu.Current!.Guest(cpu.Current.Level);
            guest.Work -= Now - clock.Since;
        }

        Schedule(cpu, Now);
    }

    private void Schedule(PhysicalCpu cpu, long time)
    {
        LaneClock clock = _clocks[cpu.Index];
        clock.State = LaneState.Busy;
        clock.Generation++;
        _queue.Add(time, EventPhase.Step, cpu.Index, clock.Generation);
    }

    private void StepLane(PhysicalCpu cpu)
    {
        LaneClock clock = _clocks[cpu.Index];
        if (clock.State == LaneState.Working)
        {
            cpu.Current!.Guest(cpu.Current.Level).Work = 0;
        }

        clock.State = LaneState.Busy;
        long cycles = 0;
        int steps = 0;
        Activity? activity = null;
        while (cycles == 0 && (activity = _system.Next(cpu)) is not null)
        {
            if (++steps > MostStepsInAMoment)
            {
                throw new InvalidOperationException($"CPU {cpu.Index} takes steps without end at time {Now}.");
            }

            cycles = _system.Advance(activity);
            if (_system.Trace is { Halt: not LaneHalt.None })
            {
                break;
            }

            if (activity.WaitUntil > Now)
            {
                cycles = activity.WaitUntil - Now;
                clock.State = LaneState.Waiting;
            }
        }

        switch (_system.Trace?.TakeHalt() ?? LaneHalt.None)
        {
            case LaneHalt.Starved:
                _paused = cpu;
                return;
            case LaneHalt.Blocked:
                clock.State = LaneState.Idle;
                return;
            default:
                break;
        }

        KeepSlice(cpu, clock);
        if (activity is not null)
        {
            clock.Generation++;
            _queue.Add(Now + cycles, EventPhase.Step, cpu.Index, clock.Generation);
            return;
        }

        long work = InterruptSystem.WorkOf(cpu);
        if (work == 0)
        {
            clock.State = LaneState.Idle;
            return;
        }

        clock.State = LaneState.Working;
        clock.Since = Now;
        clock.Generation++;
        _queue.Add(Now + work, EventPhase.Step, cpu.Index, clock.Generation);
    }

    private void KeepSlice(PhysicalCpu cpu, LaneClock clock)
    {
        if (cpu.Current != clock.Running)
        {
            clock.Running = cpu.Current;
            clock.RunningSince = Now;
            clock.Slice++;
            clock.SliceEnds = false;
        }

        if (!clock.SliceEnds && cpu is { Current: not null, RunQueue.Count: > 0 })
        {
            clock.SliceEnds = true;
            _queue.Add(Math.Max(Now, clock.RunningSince + _system.Spec.SliceCycles), EventPhase.Source, cpu.Index, clock.Slice);
        }
    }

    private void EndSlice(PhysicalCpu cpu, long slice)
    {
        LaneClock clock = _clocks[cpu.Index];
        if (clock.Slice != slice)
        {
            return;
        }

        if (cpu.RunQueue.Count > 0)
        {
            _system.Arrive(new Message(cpu.Index, HostVectors.Tick, false));
        }
        else
        {
            clock.SliceEnds = false;
        }
    }

    private void Fetch(int source)
    {
        if (_sources[source].Next(out long time, out _upcoming[source]))
        {
            if (_upcoming[source].Level != 1 || _upcoming[source].Target >= _system.Vcpus.Length)
            {
                throw new ConfigurationException(
                    $"An interrupt source aims at vCPU {_upcoming[source].Target}, level {_upcoming[source].Level}; there are vCPUs 0 to {_system.Vcpus.Length - 1}, and only L1 "
                    + "delivers to L2. Aim at level 1, or let a guest send to level 2.");
            }

            _queue.Add(Math.Max(time + _delay[source], Now), EventPhase.Source, _clocks.Length + source);
        }
    }

    private void Fire(int source)
    {
        if (_system.Trace?.IsOver == true)
        {
            return;
        }

        if (_system.Trace is { } trace && Now - trace.LastRecord > IdleCycles)
        {
            _delay[source] -= Now;
            _resting.Add(source);
            return;
        }

        Activity device = _devices[source];
        if (!device.IsIdle)
        {
            // One interrupt of a source is on its way at a time.
            _queue.Add(Now + 1, EventPhase.Source, _clocks.Length + source);
            return;
        }

        Delivery delivery = _upcoming[source];
        Fetch(source);
        Send(delivery, _sources[source].HostLane, source);
    }

    /// <summary>Sends an interrupt by the activity of a source that is idle.</summary>
    private void Send(in Delivery delivery, int hostLane, int source)
    {
        if (!_system.Takes(delivery))
        {
            return;
        }

        _system.Ledger.Posted(delivery, Now);
        bool byHardware = _system.IsDeliveredByHardware(delivery);
        if (delivery.Source == InterruptSource.Timer)
        {
            _system.ArriveAtHost(_system.Vcpus[delivery.Target].Cpu.Index, delivery);
        }
        else if (delivery.Source == InterruptSource.Device && !byHardware)
        {
            _system.ArriveAtHost(hostLane, delivery);
        }
        else
        {
            _devices[source].Delivery = delivery;
            _devices[source].Begin(byHardware ? _system.Path.HardwareDevice! : _system.Path.Post);
            StepDevice(source);
        }
    }

    private void StepDevice(int source)
    {
        Activity device = _devices[source];
        int cycles = _system.Advance(device);
        if (!device.IsIdle)
        {
            _queue.Add(Now + cycles, EventPhase.Step, _clocks.Length + source);
        }
        else if (source == _sources.Length && _errands.Count > 0)
        {
            NextErrand();
        }
    }

    private void NextErrand()
    {
        (Program program, Delivery delivery, bool found) = _errands.Dequeue();
        Activity elsewhere = _devices[_sources.Length];
        elsewhere.Delivery = delivery;
        elsewhere.Found = found;
        elsewhere.Begin(program);
        _queue.Add(Now, EventPhase.Step, _clocks.Length + _sources.Length);
    }

    private sealed class LaneClock
    {
        public LaneState State { get; set; }

        public long Generation { get; set; }

        public long Since { get; set; }

        public Vcpu? Running { get; set; }

        public long RunningSince { get; set; }

        /// <summary>Counts the turns of threads on this CPU.</summary>
        public long Slice { get; set; }

        /// <summary>The end of the present slice is in the queue, or came.</summary>
        public bool SliceEnds { get; set; }
    }
}
