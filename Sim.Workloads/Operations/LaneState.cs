using Sim.Core.Traces;

namespace Sim.Workloads.Operations;

/// <summary>What a transition did that it must not; empty if it was in order.</summary>
internal readonly record struct TransitionFault(string Expected, string Found, bool IsWarning = false)
{
    /// <summary>True if there is something to report.</summary>
    public bool Exists => Expected is not null;
}

/// <summary>
/// Who runs on one lane, as its transitions tell: L0 at the trace's start; a real entry needs L0, a real exit its guest; L1ToL2 needs L0 after that
/// vCPU's L1ToL0, L2ToL1 needs L0 after that vCPU's L2ToL0; between the two, only L2 of that vCPU can be entered. L0 can be preempted anywhere between two real
/// transitions, so a vCPU that is scheduled out stays where it was; one that migrates is forgotten here, and its first transition on another lane is believed.
/// </summary>
/// <param name="hasOtherLanes">Other lanes exist, from which a vCPU may come.</param>
internal sealed class LaneState(bool hasOtherLanes)
{
    private readonly SortedDictionary<ushort, VcpuState> _vcpus = [];
    private readonly HashSet<ushort> _arrived = [];
    private bool _isOut;

    /// <summary>The level that runs: 0, 1 or 2.</summary>
    public byte Level { get; private set; }

    /// <summary>The vCPU that runs, ran last, or was scheduled in since.</summary>
    public ushort Vcpu { get; private set; }

    /// <summary>The vCPUs that had a transition on this lane and have not migrated, by number.</summary>
    public IReadOnlyDictionary<ushort, VcpuState> Vcpus => _vcpus;

    /// <summary>Whether the last thing before L0 ran was an exit from L1 (of <see cref="Vcpu"/>), so that L0 may carry out an instruction for L1.</summary>
    public bool EmulatesL1 => Level == 0 && !_isOut && _vcpus.TryGetValue(Vcpu, out VcpuState? vcpu) && vcpu.LastReal == TransitionKind.L1ToL0;

    /// <summary>Last SetCr3 and SetCr4 of L0.</summary>
    public ControlRegisters L0Registers { get; } = new();

    /// <summary>Takes in one event. A transition that is out of order is told and then believed, so that one fault is told once.</summary>
    public TransitionFault Take(in TraceEvent e)
    {
        switch (e.Kind)
        {
            case RecordKind.VmEnter:
            case RecordKind.VmExit:
                return TakeTransition(e);
            case RecordKind.SetCr3:
            case RecordKind.SetCr4:
                RegistersOf(e.Level).Take(e);
                return default;
            case RecordKind.Vmxon:
            case RecordKind.Vmxoff:
                return _vcpus.TryGetValue(e.Vcpu, out VcpuState? vcpu) ? vcpu.TakeVmx(e.Kind) : default;
            case RecordKind.SchedIn:
                Arrive(e.Vcpu);
                return default;
            case RecordKind.SchedOut:
                _isOut |= e.Vcpu == Vcpu;
                return default;
            case RecordKind.Migrate:
                _vcpus.Remove(e.Vcpu);
                _arrived.Remove(e.Vcpu);
                return default;
            default:
                return default;
        }
    }

    private void Arrive(ushort vcpu)
    {
        if (hasOtherLanes && !_vcpus.ContainsKey(vcpu))
        {
            _arrived.Add(vcpu);
        }

        if (Level == 0)
        {
            Vcpu = vcpu;
            _isOut = false;
        }
    }

    private ControlRegisters RegistersOf(byte level) => level == 0 || !_vcpus.TryGetValue(Vcpu, out VcpuState? vcpu) ? L0Registers : level == 1 ? vcpu.L1Registers : vcpu.L2Registers;

    private TransitionFault TakeTransition(in TraceEvent e)
    {
        ushort number = e.Vcpu;
        bool isNew = !_vcpus.TryGetValue(number, out VcpuState? vcpu);
        vcpu ??= _vcpus[number] = new VcpuState();
        TransitionFault fault = Judge(e, vcpu, isNew);
        vcpu.Take(e);
        _arrived.Remove(number);
        Vcpu = number;
        _isOut = false;
        Level = e.Transition switch { TransitionKind.L0ToL1 => 1, TransitionKind.L0ToL2 => 2, _ => 0 };
        return fault;
    }

    private TransitionFault Judge(in TraceEvent e, VcpuState vcpu, bool isNew)
    {
        TransitionKind kind = e.Transition;
        bool isEntry = kind is TransitionKind.L0ToL1 or TransitionKind.L0ToL2 or TransitionKind.L1ToL2;
        if (isEntry != (e.Kind == RecordKind.VmEnter) || kind > TransitionKind.L2ToL1)
        {
            return new TransitionFault($"a transition of a {e.Kind}", $"{kind}");
        }

        int needed = kind switch { TransitionKind.L1ToL0 => 1, TransitionKind.L2ToL0 => 2, _ => 0 };
        if (Level != needed)
        {
            return new TransitionFault($"{kind} while L{needed} runs", $"it while L{Level} runs");
        }

        if (needed != 0 && e.Vcpu != Vcpu)
        {
            return new TransitionFault($"an exit of vCPU {Vcpu}, which was entered", $"one of vCPU {e.Vcpu}");
        }

        if (isNew)
        {
            return kind is TransitionKind.L1ToL2 or TransitionKind.L2ToL1 && !_arrived.Contains(e.Vcpu) ? new TransitionFault($"{kind} after an exit of vCPU {e.Vcpu}", "none before") : default;
        }

        return kind switch
        {
            TransitionKind.L0ToL1 when vcpu.InL2 => new TransitionFault("L0ToL1 after L2ToL1", $"it while vCPU {e.Vcpu} is in L2"),
            TransitionKind.L0ToL2 when !vcpu.InL2 => new TransitionFault("L0ToL2 after L1ToL2", $"it while vCPU {e.Vcpu} is in L1"),
            TransitionKind.L1ToL2 when vcpu.IsInVmxOperation == false => new TransitionFault("L1ToL2 in VMX operation", "it after Vmxoff"),
            TransitionKind.L1ToL2 when vcpu.Last != TransitionKind.L1ToL0 => new TransitionFault("L1ToL2 after L1ToL0", $"it after {vcpu.Last}"),
            TransitionKind.L2ToL1 when vcpu.Last == TransitionKind.L1ToL2 => new TransitionFault("L2ToL1 after L2ToL0", "it after L1ToL2: a nested entry that failed", IsWarning: true),
            TransitionKind.L2ToL1 when vcpu.Last != TransitionKind.L2ToL0 => new TransitionFault("L2ToL1 after L2ToL0", $"it after {vcpu.Last}"),
            _ => default,
        };
    }
}

/// <summary>The last SetCr3 and SetCr4 of one level; null where there was none.</summary>
internal sealed class ControlRegisters
{
    /// <summary>Last SetCr3.</summary>
    public TraceEvent? Cr3 { get; private set; }

    /// <summary>Last SetCr4.</summary>
    public TraceEvent? Cr4 { get; private set; }

    /// <summary>Takes in a SetCr3 or SetCr4.</summary>
    public void Take(in TraceEvent e)
    {
        if (e.Kind == RecordKind.SetCr3)
        {
            Cr3 = e;
        }
        else
        {
            Cr4 = e;
        }
    }
}

/// <summary>Where one vCPU is between its transitions, and the last transition of each kind, from which that place can be reached again.</summary>
internal sealed class VcpuState
{
    private readonly TraceEvent?[] _last = new TraceEvent?[6];

    /// <summary>Its last transition.</summary>
    public TransitionKind Last { get; private set; }

    /// <summary>Its last real transition.</summary>
    public TransitionKind LastReal { get; private set; }

    /// <summary>True between L1ToL2 and L2ToL1.</summary>
    public bool InL2 { get; private set; }

    /// <summary>Between VMXON and VMXOFF; null before the first of them.</summary>
    public bool? IsInVmxOperation { get; private set; }

    /// <summary>The L1ToL0 that came before the last L1ToL2: VMLAUNCH, VMRESUME or VMRUN.</summary>
    public TraceEvent? ExitBeforeNestedEntry { get; private set; }

    /// <summary>Last SetCr3 and SetCr4 of L1.</summary>
    public ControlRegisters L1Registers { get; } = new();

    /// <summary>Last SetCr3 and SetCr4 of L2.</summary>
    public ControlRegisters L2Registers { get; } = new();

    /// <summary>Its last transition of a kind, or null.</summary>
    public TraceEvent? LastOf(TransitionKind kind) => _last[(int)kind];

    /// <summary>Takes in a VMXON or VMXOFF of this vCPU.</summary>
    public TransitionFault TakeVmx(RecordKind kind)
    {
        bool isOn = kind == RecordKind.Vmxon;
        bool isRepeated = IsInVmxOperation == isOn;
        IsInVmxOperation = isOn;
        return isRepeated ? new TransitionFault($"{(isOn ? RecordKind.Vmxoff : RecordKind.Vmxon)} before a further {kind}", "none") : default;
    }

    /// <summary>Takes in a transition of this vCPU.</summary>
    public void Take(in TraceEvent e)
    {
        TransitionKind kind = e.Transition;
        if (kind > TransitionKind.L2ToL1)
        {
            return;
        }

        Last = kind;
        _last[(int)kind] = e;
        switch (kind)
        {
            case TransitionKind.L1ToL2:
                InL2 = true;
                ExitBeforeNestedEntry = LastOf(TransitionKind.L1ToL0);
                break;
            case TransitionKind.L2ToL1:
                InL2 = false;
                break;
            default:
                LastReal = kind;
                InL2 = kind is TransitionKind.L0ToL2 or TransitionKind.L2ToL0;
                break;
        }
    }
}
