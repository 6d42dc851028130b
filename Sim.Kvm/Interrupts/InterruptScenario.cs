using System.Globalization;
using Sim.Core;
using Sim.Core.Stats;
using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>
/// A short trace as a script of interrupts: each of its records that means something to interrupts is carried out, and has its effect before the next one. Accesses and what they need are passed over.
/// </summary>
/// <remarks>
/// Nested entries and exits, HLT, interrupts, APICv inhibits, and who runs on a CPU that several vCPUs share. A vCPU spins when the script has nothing for it. Interrupts that a guest sends (level of the record) go by
/// its ICR; the others are a device's or a timer's, handled on the CPU of the record.
/// </remarks>
public sealed class InterruptScenario
{
    /// <summary>Controls of vmcs12 that are about interrupts.</summary>
    public const VmControls InterruptControls = InterruptSpec.FullControls12 | VmControls.ApicRegisterVirtualization | VmControls.VirtualizeX2ApicMode | VmControls.VirtualizeApicAccesses;

    private const long Grain = 5_000;
    private const long Effect = 100_000;
    private const long Patience = 10_000_000;

    private readonly InterruptSimulation _simulation;
    private readonly Script _script;
    private readonly int _lanes;
    private readonly SortedDictionary<ushort, int> _vcpus = [];
    private readonly int[] _current;
    private readonly bool[] _isShared;

    /// <summary>A run at its beginning: all vCPUs are at level 1.</summary>
    /// <param name="spec">The machine; CPUs, vCPUs and vmcs12's controls are the trace's.</param>
    /// <param name="path">How interrupts are delivered to L1.</param>
    /// <param name="updateRule">When APICv controls are written.</param>
    /// <param name="lanes">CPUs of the trace.</param>
    /// <param name="trace">All of its blocks, in order.</param>
    /// <exception cref="ConfigurationException">The path does not exist on the hardware, or two vmcs12 of the trace have other interrupt controls.</exception>
    public InterruptScenario(InterruptSpec spec, IInterruptPath path, IApicvUpdateRule updateRule, int lanes, IReadOnlyList<TraceBlock> trace)
    {
        _lanes = lanes;
        int[] count = new int[lanes];
        VmControls? controls = null;
        foreach (TraceBlock block in trace)
        {
            foreach (TraceEvent e in block.Events[..block.EventCount])
            {
                if (e.Kind == RecordKind.VmEnter && e.Transition == TransitionKind.L1ToL2)
                {
                    controls = SameControls(controls, (VmControls)e.F & InterruptControls);
                }
                else if ((e.Kind is RecordKind.SchedIn or RecordKind.VmEnter) && !_vcpus.ContainsKey(e.Vcpu))
                {
                    _vcpus.Add(e.Vcpu, block.Lane + (lanes * count[block.Lane]++));
                }
            }
        }

        int perLane = Math.Max(1, count.Max());
        _current = [.. Enumerable.Range(0, lanes)];
        _isShared = [.. count.Select(vcpus => vcpus > 1)];
        _script = new Script(lanes * perLane, _vcpus.Values);
        _simulation = new InterruptSimulation(
            spec with { Lanes = lanes, VcpusPerLane = perLane, HaltPollCycles = 0, SliceCycles = 1_000_000, Controls12 = controls ?? spec.Controls12 }, path, updateRule, _script, []);
        Run(Effect);
    }

    /// <summary>What went wrong, interrupts that nobody got among it. Call behind the last record.</summary>
    public IReadOnlyList<InterruptFinding> Findings => _simulation.Ledger.Findings(drained: true);

    /// <summary>The checks of VM-entries that failed, in order.</summary>
    public IReadOnlyList<string> FailedEntries => [.. _simulation.Ledger.FailedEntries.Select(entry => entry.Check)];

    /// <summary>All irq.* statistics now.</summary>
    public StatSheet Snapshot() => _simulation.Snapshot();

    /// <summary>Carries out the records of a block.</summary>
    /// <exception cref="ConfigurationException">A record asks for what there is no path for.</exception>
    public void Play(TraceBlock block)
    {
        foreach (TraceEvent e in block.Events[..block.EventCount])
        {
            Play(block.Lane, e);
        }
    }

    /// <summary>Waits until everything that was sent has arrived, or will not arrive any more.</summary>
    public void Settle()
    {
        Await(() => _simulation.Ledger.Handled + _simulation.Ledger.Coalesced >= _simulation.Ledger.Sent);
        Run(Effect);
    }

    private static VmControls SameControls(VmControls? known, VmControls controls) => known is null || known == controls
        ? controls
        : throw new ConfigurationException($"Two nested entries have other interrupt controls in vmcs12 ({known} and {controls}), and an interrupt run has one L1 with one kind of L2. Make two scenarios of it.");

    private void Play(int lane, in TraceEvent e)
    {
        switch (e.Kind)
        {
            case RecordKind.SchedIn:
                _current[lane] = _vcpus[e.Vcpu];
                Await(() => Runs(_current[lane]));
                break;
            case RecordKind.VmEnter when e.Transition == TransitionKind.L1ToL2:
                EnterL2(_vcpus[e.Vcpu]);
                break;
            case RecordKind.VmEnter:
                _current[lane] = _vcpus[e.Vcpu];
                break;
            case RecordKind.VmExit when e.Transition == TransitionKind.L2ToL1:
                LeaveL2(_vcpus[e.Vcpu]);
                break;
            case RecordKind.Halt:
                Do(lane, new GuestAction(GuestActionKind.Halt));
                break;
            case RecordKind.Work:
                Run((long)Math.Min(e.A, (ulong)Patience));
                break;
            case RecordKind.ApicvInhibit:
                Do(lane, new GuestAction(e.B != 0 ? GuestActionKind.Inhibit : GuestActionKind.Uninhibit, Vector: (byte)e.A));
                break;
            case RecordKind.ApicMode when e.Level != 1:
                throw new ConfigurationException("The APIC of L2 is one that L1 emulates, and L1's does not leave the mode it has. Let L1 change its own, as in 'v1: L1 apic disabled'.");
            case RecordKind.ApicMode:
                Do(lane, new GuestAction(GuestActionKind.SetApicMode, Vector: (byte)e.A));
                break;
            case RecordKind.Interrupt:
                Send(lane, e);
                break;
            case RecordKind.Migrate:
                throw new ConfigurationException("A vCPU moves to another CPU, which interrupt runs do not do. Leave the expectations on paths and update rules out of this scenario.");
            default:
                break;
        }
    }

    private void Send(int lane, in TraceEvent e)
    {
        int target = Target(e);
        byte level = (byte)e.D;
        if (e.Level > 0)
        {
            Do(lane, new GuestAction(GuestActionKind.SendIpi, 0, target, level, (byte)e.B));
            return;
        }

        if (level != 1)
        {
            throw new ConfigurationException("A device or timer aims at L2, and only L1 delivers to L2. Let L1 send to L2, as in 'v0: L1 sends 0x51 to v1 L2'.");
        }

        _simulation.Send(new Delivery((byte)e.B, target, 1, (InterruptSource)e.A), lane);
        Run(Effect);
    }

    private int Target(in TraceEvent e) => _vcpus.TryGetValue((ushort)e.C, out int target) ? target
        : throw new ConfigurationException(string.Create(CultureInfo.InvariantCulture, $"An interrupt goes to vCPU {e.C}, which does nothing in this scenario. Let it do something first, as in 'v{e.C}: L1 works 1000'."));

    private void EnterL2(int vcpu)
    {
        Vcpu entering = _simulation.System.Vcpus[vcpu];
        entering.L2Failed = false;
        _script.Settle(vcpu, 2);
        _simulation.Rouse(vcpu);
        Await(() => entering.L2Failed || (entering.GuestMode && Runs(vcpu)));
        Run(Effect);
    }

    // An exit that L1 intercepts: HLT is one.
    private void LeaveL2(int vcpu)
    {
        Vcpu leaving = _simulation.System.Vcpus[vcpu];
        _script.Settle(vcpu, 1);
        if (leaving.GuestMode)
        {
            _script.Command(vcpu, new GuestAction(GuestActionKind.Halt));
            _simulation.Rouse(vcpu);
            Await(() => !leaving.GuestMode && Runs(vcpu));
            leaving.L2Halted = false;
        }

        Run(Effect);
    }

    private void Do(int lane, in GuestAction action)
    {
        _script.Command(_current[lane], action);
        _simulation.Rouse(_current[lane]);
        Run(Effect);
    }

    private bool Runs(int vcpu)
    {
        Vcpu running = _simulation.System.Vcpus[vcpu];
        return running.Cpu.Current == running && running.Cpu.InGuest && running.Thread.IsIdle;
    }

    private void Run(long cycles)
    {
        // A CPU that several vCPUs share must not go on to the next one in the meantime: what takes effect does so within a slice.
        _simulation.Run(until: _simulation.Now + (_isShared.Contains(true) ? cycles / 4 : cycles));
    }

    private void Await(Func<bool> condition)
    {
        for (long end = _simulation.Now + Patience; !condition() && _simulation.Now < end;)
        {
            _simulation.Run(until: _simulation.Now + Grain);
        }
    }

    /// <summary>vCPUs that do what the script says, and spin in between; those that the script does not name sleep.</summary>
    private sealed class Script : IGuestBehaviour
    {
        private readonly int[] _levels;
        private readonly bool[] _isNamed;
        private readonly Queue<GuestAction>[] _commands;

        public Script(int vcpus, IEnumerable<int> named)
        {
            _levels = [.. Enumerable.Repeat(1, vcpus)];
            _isNamed = new bool[vcpus];
            _commands = [.. Enumerable.Range(0, vcpus).Select(_ => new Queue<GuestAction>())];
            foreach (int vcpu in named)
            {
                _isNamed[vcpu] = true;
            }
        }

        public void Command(int vcpu, in GuestAction action) => _commands[vcpu].Enqueue(action);

        public void Settle(int vcpu, int level) => _levels[vcpu] = level;

        public int HomeLevel(int vcpu) => _levels[vcpu];

        public GuestAction Next(int vcpu) => _commands[vcpu].TryDequeue(out GuestAction action) ? action : new GuestAction(_isNamed[vcpu] ? GuestActionKind.Spin : GuestActionKind.Halt);

        public int Handled(int vcpu, int level, byte vector) => -1;
    }
}
