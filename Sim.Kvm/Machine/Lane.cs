using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>One physical CPU: its translation hardware, who runs on it, and the cycles it has spent beyond the trace's own.</summary>
internal sealed class Lane
{
    private readonly MachineSpec _spec;
    private readonly FlushCauses _causes;
    private readonly long[] _records = new long[RecordSchema.Kinds.Count];
    private ulong? _start;
    private long _translationCycles;
    private long _invalidationCycles;
    private long _transitionCycles;
    private long _shadowFaults;

    private readonly Action<IssuedInvalidation>? _observer;

    public Lane(int index, MachineSpec spec, FlushCauses causes, Action<IssuedInvalidation>? observer, SafetyOracle? oracle)
    {
        Index = index;
        _spec = spec;
        _causes = causes;
        _observer = observer;
        MmuOptions options = new(spec.Attribution, spec.Seed, RefillCurve: spec.RefillCurve, WalkBreakdown: spec.WalkBreakdown, Witness: oracle?.WitnessOf(() => this));
        Mmu = Mmu.Create(spec.Profile, causes, options, StatNames.Lane(index));
    }

    public int Index { get; }

    public Mmu Mmu { get; }

    /// <summary>Level that runs: 0, 1 or 2.</summary>
    public int Level { get; private set; }

    /// <summary>With tags that all vCPUs share (<see cref="TagAllocation.PerVm"/>): the vCPU whose translations they hold here.</summary>
    public Vcpu? TagsHeldFor { get; set; }

    /// <summary>The vCPU that entered last; null before the first entry.</summary>
    public Vcpu? Vcpu { get; set; }

    /// <summary>L0's own control registers on this CPU.</summary>
    public ControlRegisters L0 { get; } = new();

    /// <summary>A nested VM-entry failed: records are skipped until the nested VM-exit that would have ended it.</summary>
    public bool Refused { get; set; }

    /// <summary>L0 found that another CPU had just made the EPT02 entry whose fault it handles: see <see cref="ShadowEpt.Fetch"/>.</summary>
    public bool LostFaultRace { get; set; }

    /// <summary>VPID and EP4TA of the running guest as the trace recorded them; both 0 if it did not.</summary>
    public (ushort Vpid, ulong Ep4ta) Recorded { get; set; }

    /// <summary>Time of the last record.</summary>
    public ulong Time { get; private set; }

    /// <summary>Cycles of L0's software.</summary>
    public long HypervisorCycles { get; set; }

    /// <summary>Those of <see cref="SwitchCycles"/> that belong to exits which the trace does not have.</summary>
    public long ImpliedCycles { get; set; }

    /// <summary>Cycles of transitions and of L0's software.</summary>
    public long SwitchCycles => _transitionCycles + HypervisorCycles;

    /// <summary>Cycles by which this CPU falls behind the trace: translation, invalidations, exits which the trace does not have.</summary>
    public long StallCycles => _translationCycles + _invalidationCycles + ImpliedCycles;

    /// <summary>Shadow entries made so far in the page tables of who runs; 0 if they are not L0's shadows.</summary>
    private long ShadowLeaves => _spec.L0Ept || Level == 0 ? 0 : Mmu.Context.Guest.LeavesMade + Mmu.Context.Guest.Owner(ulong.MaxValue).LeavesMade;

    /// <summary>Control registers of who runs.</summary>
    public ControlRegisters Registers => Level switch
    {
        0 => L0,
        1 => Vcpu!.L1,
        _ => Vcpu!.L2(Vcpu.Vmcs12.Address),
    };

    /// <summary>Takes note that records of one kind went by.</summary>
    public void Count(RecordKind kind, int records, ulong firstTime, ulong lastTime)
    {
        _start ??= firstTime;
        _records[(int)kind] += records;
        Time = lastTime;
    }

    /// <summary>Accesses of a block, all by who runs now.</summary>
    public void Translate(TraceBlock block, int from, int to)
    {
        long before = ShadowLeaves;
        _translationCycles += (long)Mmu.Translate(block, from, to);
        if (ShadowLeaves - before is > 0 and var faults)
        {
            // A shadow entry is made by a #PF exit, which a trace recorded with EPT does not have.
            _shadowFaults += faults;
            HypervisorCycles += faults * _spec.Profile.Costs.KvmExitHandling;
            _transitionCycles += faults * (_spec.Profile.Costs.VmEntry + _spec.Profile.Costs.VmExit);
            ImpliedCycles += faults * (_spec.Profile.Costs.KvmExitHandling + _spec.Profile.Costs.VmEntry + _spec.Profile.Costs.VmExit);
        }
    }

    /// <summary>Executes an invalidation on this CPU's hardware, and pays for it.</summary>
    public void Execute(Invalidation invalidation, Reason reason)
    {
        _invalidationCycles += invalidation.Cycles(_spec.Profile.Costs) ?? throw new InvalidOperationException($"{invalidation.Name} has no price: override Cycles.");
        int dropped = Mmu.Apply(invalidation, Cause(invalidation.Name, reason));
        _observer?.Invoke(new IssuedInvalidation(Time, Index, invalidation, reason.Transition, reason.Rule, dropped));
    }

    /// <summary>Hardware's part of a VM-entry to, or VM-exit from, a guest. The context is switched, and the price charged (<see cref="Charge"/>), by the caller.</summary>
    /// <param name="entry">True for an entry.</param>
    /// <param name="level">Level of the guest.</param>
    /// <param name="hasVpid">The guest's VMCS has VPID enabled.</param>
    public void Cross(bool entry, int level, bool hasVpid)
    {
        Level = entry ? level : 0;
        if (!hasVpid)
        {
            // SDM (docs/rules.md#intel-invalidations): without VPID every transition drops the linear and combined mappings of VPID 0.
            Execute(new VmTransitionWithoutVpid(), new Reason(entry ? "vm_entry" : "vm_exit", "no_vpid"));
        }
    }

    /// <summary>Takes note of what hardware's transitions and L0's software cost.</summary>
    public void Charge(int transition, int hypervisor)
    {
        _transitionCycles += transition;
        HypervisorCycles += hypervisor;
    }

    /// <summary>Translates in this context from now on.</summary>
    public void Switch(TranslationContext context, string transition) => Mmu.SwitchTo(context, Cause("tag_retention", new Reason(transition, "kept_tags")));

    /// <summary>Adds this CPU's statistics.</summary>
    public void Collect(StatSheet sheet)
    {
        Mmu.Collect(sheet);
        sheet.Counter(StatNames.CyclesTrace, "cycles", "Cycles of the trace itself, from each lane's first record to its last.", (long)(Time - (_start ?? Time)));
        sheet.Counter(StatNames.CyclesTranslation, "cycles", "Stall cycles of address translation beyond a first-level TLB hit.", _translationCycles);
        sheet.Counter(StatNames.CyclesInvalidation, "cycles", "Cycles of invalidation instructions, whoever executed them.", _invalidationCycles);
        sheet.Counter(StatNames.CyclesTransition, "cycles", "Hardware cycles of VM-entries and VM-exits.", _transitionCycles);
        sheet.Counter(StatNames.CyclesHypervisor, "cycles", "Cycles of L0's software that the exits and the policy cost.", HypervisorCycles);
        sheet.Counter(StatNames.MmuShadowFaults, "events", "Exits that made a shadow page-table entry.", _shadowFaults);
        for (int kind = 0; kind < _records.Length; kind++)
        {
            // How many records accesses are depends on how runs are folded.
            if ((RecordKind)kind != RecordKind.Access)
            {
                sheet.Counter(StatNames.TraceRecords, "records", "Records replayed, by kind, but for accesses.", _records[kind], $"kind={(RecordKind)kind}");
            }
        }
    }

    private int Cause(string invalidation, Reason reason) => _causes.Intern(new FlushCause(invalidation, reason.Transition, reason.Rule));
}
