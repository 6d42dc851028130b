using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>A VM-entry that hardware (or L0 on its behalf) refused.</summary>
/// <param name="Time">Trace time.</param>
/// <param name="Lane">Physical CPU.</param>
/// <param name="Vcpu">vCPU.</param>
/// <param name="Vmcs12">The vmcs12 it was about.</param>
/// <param name="Check">Which check failed, with the values.</param>
public sealed record FailedVmEntry(ulong Time, int Lane, ushort Vcpu, ulong Vmcs12, string Check);

/// <summary>Lanes, vCPUs and one flush policy, replaying one trace.</summary>
/// <remarks>
/// L0 of the trace stays as it was recorded (its accesses, its own CR3 loads and INVLPGs); only its INVVPID, INVEPT and INVLPGA are dropped
/// and decided anew.
/// </remarks>
public sealed class Machine
{
    private readonly MachineSpec _spec;
    private readonly IFlushPolicy _policy;
    private readonly ReplayKind _kind;
    private readonly KernelRules _rules;
    private readonly AddressSpaces _spaces;
    private readonly FlushFunctions _flush;
    private readonly ShadowEpt _shadow = new();
    private readonly MmuRoots _roots;
    private readonly RequestService _requests;
    private readonly NestedVmx _nested;
    private readonly MapChanges _maps;
    private readonly SafetyOracle? _oracle;
    private readonly Lane[] _lanes;
    private readonly SortedDictionary<ushort, VCpu> _vcpus = [];
    private readonly SortedDictionary<(int Level, ulong Reason), long> _exits = [];
    private ushort _nextTag = 1;
    private long _entries;
    private long _impliedExits;
    private long _dropped;
    private long _skipped;

    /// <summary>
    /// A machine at reset. <paramref name="observer"/>, if given, is told of every invalidation in order, <paramref name="calls"/> of every call of L0's flush functions.
    /// </summary>
    /// <exception cref="ConfigurationException">The policy is for the other vendor's hardware, or an AMD machine lacks ASIDs or nested paging.</exception>
    public Machine(MachineSpec spec, IFlushPolicy policy, ReplayKind kind, int lanes, Action<IssuedInvalidation>? observer = null, Action<FlushCall>? calls = null)
    {
        Vendor vendor = spec.Profile.Vendor;
        if (!policy.Supports(vendor))
        {
            throw new ConfigurationException(
                $"Policy {policy.GetType().Name} does not run on {vendor} hardware, and profile '{spec.Profile.Name}' is {vendor}. "
                + (vendor == Vendor.Amd ? "Try nsvm-5.8, or a yardstick such as always-guest." : "Try kvm-6.12, or a yardstick such as always-guest."));
        }

        if (vendor == Vendor.Amd && !(spec.L0Ept && spec.L0Vpid))
        {
            throw new ConfigurationException(
                $"Profile '{spec.Profile.Name}' is AMD, where guests always have an ASID and this model always uses nested paging. Leave l0_vpid and l0_ept on.");
        }

        _spec = spec;
        _policy = policy;
        _kind = kind;
        _rules = policy.Rules(vendor);
        _spaces = new AddressSpaces(spec);
        _oracle = spec.Safety && kind == ReplayKind.ByPolicy ? new SafetyOracle(spec, _spaces) : null;
        ShadowMmu shadow = new(spec, _rules, _spaces) { FlushRemote = FlushRemote };
        _flush = new FlushFunctions(spec, _rules, _spaces, calls);
        _roots = new MmuRoots(spec, _rules, _flush, _spaces, shadow, _shadow);
        _requests = new RequestService(_rules, _flush, _roots);
        _nested = new NestedVmx(spec, policy, _flush, _roots, _requests, _oracle);
        _maps = new MapChanges(spec, kind, _spaces, shadow, _oracle);
        FlushCauses causes = new();
        _lanes = Enumerable.Range(0, lanes).Select(index => new Lane(index, spec, causes, _oracle is null ? observer : Observed(observer), _oracle)).ToArray();
        _oracle?.Attach(_lanes);
        foreach (Lane lane in _lanes)
        {
            Switch(lane, "reset");
        }
    }

    /// <summary>For tests: every tree.</summary>
    internal AddressSpaces Spaces => _spaces;

    /// <summary>For tests: the translation hardware of a lane.</summary>
    internal Mmu MmuOf(int lane) => _lanes[lane].Mmu;

    /// <summary>VM-entries that failed their consistency checks, in order.</summary>
    public IReadOnlyList<FailedVmEntry> FailedVmEntries => _nested.Failed;

    /// <summary>
    /// Name of an invalidation that a hypervisor or a transition without VPID carried out, with KVM's names for tags: INVVPID(vpid02), INVEPT(eptp02:0x7000). Those of a
    /// vCPU n other than 0 are vpid02(vn); a pool's further VPIDs are vpid02.1, vpid02.2. Null for what any kernel does about its own paging.
    /// </summary>
    public string? NameOf(Invalidation invalidation) => InvalidationNames.Of(invalidation, NameOfTag, _spaces.NameOf);

    /// <summary>
    /// What an invalidation's operand stands for, seen from a vCPU: <c>all</c>, <c>vpid01</c>, <c>vpid02</c>, <c>eptp01</c>, <c>eptp02</c>, or <c>other</c> if it is
    /// another vCPU's or another L2's.
    /// </summary>
    public string TargetOf(ushort vcpu, Invalidation invalidation)
    {
        VCpu seen = VcpuOf(vcpu);
        return invalidation switch
        {
            InveptGlobal or InvvpidAll => "all",
            InveptSingle(var eptp) => eptp == _spaces.Tdp(seen.RootOf(true, _rules.L2HasOwnDirectRoot))?.Root ? "eptp02"
                : eptp == _spaces.Tdp(seen.RootOf(false, _rules.L2HasOwnDirectRoot))?.Root ? "eptp01" : "other",
            InvvpidAddress(var vpid, _) => TargetOf(seen, vpid),
            InvvpidSingle(var vpid) => TargetOf(seen, vpid),
            InvvpidSingleRetainGlobals(var vpid) => TargetOf(seen, vpid),
            _ => "other",
        };
    }

    /// <summary>Replays <paramref name="count"/> records of the block from record <paramref name="first"/> on (accesses and events in their common order).</summary>
    public void Replay(TraceBlock block, int first, int count)
    {
        Lane lane = _lanes[block.Lane];
        int end = first + count;
        int e = EventsBefore(block, first);
        int access = first - e;
        while (access + e < end)
        {
            int next = e < block.EventCount ? block.EventPosition[e] : block.AccessCount;
            if (access < next)
            {
                int to = Math.Min(next, end - e);
                Run(lane, block, access, to);
                access = to;
            }
            else
            {
                _oracle?.At(block.FirstRecord + (ulong)(access + e), block.Events[e].Time, block.Lane);
                Handle(lane, block.Events[e]);
                e++;
            }
        }
    }

    /// <summary>What the safety oracle saw since the beginning, or since <see cref="RestartSafety"/>; null if it does not watch.</summary>
    public SafetyReport? Safety => _oracle?.Report();

    /// <summary>The measured window begins: what the oracle saw before it is forgotten, what it knows of tables and virtual TLBs is not.</summary>
    public void RestartSafety() => _oracle?.Restart();

    /// <summary>All statistics now. Changes nothing.</summary>
    public StatSheet Snapshot()
    {
        StatSheet sheet = new();
        foreach (Lane lane in _lanes)
        {
            lane.Collect(sheet);
        }

        _nested.Collect(sheet);
        _roots.Collect(sheet);
        _flush.Collect(sheet);
        sheet.Counter("vm.entries", "transitions", "Real VM-entries.", _entries);
        sheet.Counter("vm.implied_exits", "transitions", "Exits for instructions that this machine intercepts and the recorded one did not.", _impliedExits);
        sheet.Counter("trace.skipped", "records", "Records of an L2 whose VM-entry failed.", _skipped);
        sheet.Counter("trace.l0_flushes_dropped", "records", "L0's own recorded invalidations that by-policy replay drops.", _dropped);
        foreach (((int level, ulong reason), long count) in _exits)
        {
            sheet.Counter("vm.exits", "transitions", "Real VM-exits.", count, $"level={level},reason={reason}");
        }

        return sheet;
    }

    /// <summary>Who holds the TLBs now: a gauge for every array and tag that has entries in it. Changes nothing.</summary>
    public StatSheet Occupancy()
    {
        StatSheet sheet = new();
        foreach (Lane lane in _lanes)
        {
            lane.Mmu.CollectOccupancy(sheet);
        }

        return sheet;
    }

    /// <summary>Checks the conservation laws; throws <see cref="InvalidOperationException"/> (our bug, exit code 4) with both sides of the one that fails.</summary>
    public void CheckConservation()
    {
        foreach (Lane lane in _lanes)
        {
            lane.Mmu.CheckConservation();
        }
    }

    private static int EventsBefore(TraceBlock block, int record)
    {
        (int low, int high) = (0, block.EventCount);
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = block.EventPosition[middle] + middle < record ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    private static string TargetOf(VCpu vcpu, ushort vpid) => vcpu.Tags.All.Contains(vpid) ? "vpid02" : vpid == vcpu.Vpid01 ? "vpid01" : "other";

    private void Run(Lane lane, TraceBlock block, int from, int to)
    {
        lane.Count(RecordKind.Access, to - from, block.Time[from], block.Time[to - 1]);
        if (lane.Refused)
        {
            _skipped += to - from;
        }
        else
        {
            lane.Translate(block, from, to);
        }
    }

    private void Handle(Lane lane, in TraceEvent e)
    {
        lane.Count(e.Kind, 1, e.Time, e.Time);
        if (lane.Refused)
        {
            // The nested VM-exit that ends what never began.
            lane.Refused = !(e.Kind == RecordKind.VmExit && e.Transition == TransitionKind.L2ToL1);
            _skipped++;
            return;
        }

        switch (e.Kind)
        {
            case RecordKind.VmEnter when e.Transition == TransitionKind.L1ToL2:
                NestedEnter(lane, e);
                break;
            case RecordKind.VmEnter:
                Enter(lane, e);
                break;
            case RecordKind.VmExit when e.Transition == TransitionKind.L2ToL1:
                NestedExit(lane, e);
                break;
            case RecordKind.VmExit:
                Exit(lane, e);
                break;
            case RecordKind.SetCr3:
                SetCr3(lane, e);
                break;
            case RecordKind.SetCr4 when lane.Level == 0 && e.Level > 0:
                EmulateSetCr4(lane, e);
                break;
            case RecordKind.SetCr4:
                SetCr4(lane, (Cr4Bits)e.A);
                break;
            case RecordKind.Invlpg:
                InvalidateAddress(lane, new Invlpg(e.A), e.A, "invlpg");
                break;
            case RecordKind.Invpcid:
                Invpcid(lane, e);
                break;
            case RecordKind.Invvpid when e.Level == 0:
                Recorded(lane, (e.A, (ushort)e.B) switch
                {
                    (0, var vpid) => new InvvpidAddress(vpid, e.C),
                    (1, var vpid) => new InvvpidSingle(vpid),
                    (2, _) => new InvvpidAll(),
                    (_, var vpid) => new InvvpidSingleRetainGlobals(vpid),
                });
                break;
            case RecordKind.Invvpid when _kind == ReplayKind.ByPolicy:
                _nested.Invvpid(lane, RunningVcpu(lane), e);
                break;
            case RecordKind.Invept when e.Level == 0:
                Recorded(lane, e.A == 1 ? new InveptSingle(e.B) : new InveptGlobal());
                break;
            case RecordKind.Invept when _kind == ReplayKind.ByPolicy:
                _nested.Invept(RunningVcpu(lane), e);
                break;
            case RecordKind.Invlpga when e.Level == 0:
                Recorded(lane, new Invlpga((ushort)e.A, e.B));
                break;
            case RecordKind.Invlpga when _kind == ReplayKind.ByPolicy:
                _nested.Invlpga(lane, RunningVcpu(lane), e);
                break;
            case RecordKind.MapChange when (MapTable)e.A == MapTable.Tdp12 && e.D == 0:
                WriteEpt12(lane, e);
                break;
            case RecordKind.MapChange:
                MapChange(lane, e);
                break;
            case RecordKind.FlushRequest when _kind == ReplayKind.ByPolicy:
                RaiseRecorded(lane, e);
                break;
            case RecordKind.Tdp12Walk when _kind == ReplayKind.ByPolicy && _spec.L0Ept:
                WalkEpt12(lane, e);
                break;
            case RecordKind.Reset when _kind == ReplayKind.ByPolicy:
                Reset(lane, VcpuOf(e.Vcpu));
                break;
            default:
                break;
        }
    }

    private void Enter(Lane lane, in TraceEvent e)
    {
        VCpu vcpu = VcpuOf(e.Vcpu);
        bool guestMode = e.Transition == TransitionKind.L0ToL2;
        lane.Vcpu = vcpu;
        _entries++;
        if (_kind == ReplayKind.AsRecorded)
        {
            vcpu.GuestMode = guestMode;
            lane.Recorded = ((ushort)e.D, InveptSingle.Ep4taOf(e.E));
        }
        else
        {
            if (guestMode != vcpu.GuestMode)
            {
                // The trace begins in the middle: the level is what the entry says, and no policy was asked.
                vcpu.GuestMode = guestMode;
                Became(vcpu);
                _roots.Select(lane, vcpu, new Reason("vm_entry", "trace_start"));
            }

            BeforeEntry(lane, vcpu);
        }

        EnterGuest(lane, vcpu);
    }

    private void Exit(Lane lane, in TraceEvent e)
    {
        (int, ulong) key = (lane.Level, e.C);
        _exits[key] = _exits.GetValueOrDefault(key) + 1;
        _shadow.Left(lane.Index);
        LeaveGuest(lane);
    }

    private void NestedEnter(Lane lane, in TraceEvent e)
    {
        VCpu vcpu = VcpuOf(e.Vcpu);
        if (!_nested.Accept(lane, vcpu, e, out Vmcs12 vmcs12))
        {
            lane.Refused = true;
        }
        else if (_kind == ReplayKind.AsRecorded)
        {
            vcpu.Vmcs12 = vmcs12;
        }
        else
        {
            _nested.Enter(lane, vcpu, vmcs12);
            Became(vcpu);
            NestedTransitionFlushed(vcpu, "nested VM-entry");
            vcpu.AwaitsEntryOn = lane.Index;
        }
    }

    private void NestedExit(Lane lane, in TraceEvent e)
    {
        _nested.CountExit(lane);
        if (_kind == ReplayKind.ByPolicy)
        {
            VCpu vcpu = VcpuOf(e.Vcpu);
            vcpu.AwaitsEntryOn = -1;
            if (IsInjected((uint)e.C))
            {
                _requests.Service(lane, vcpu);
            }

            _nested.Exit(lane, vcpu);
            Became(vcpu);
            NestedTransitionFlushed(vcpu, "nested VM-exit");
        }
    }

    /// <summary>The virtual CPU is in another context: another level, other page tables, other tags. Its tables exist from now on.</summary>
    private void Became(VCpu vcpu)
    {
        ulong root = vcpu.Active.Root;
        PageTable tables = vcpu.GuestMode ? _spaces.L2Tables(vcpu.Vmcs12, root) : _spaces.L1Tables(root);
        _oracle?.Runs(vcpu, tables, vcpu.GuestMode && vcpu.Vmcs12.UsesEpt ? _spaces.Ept12(vcpu.Vmcs12.Eptp) : null);
    }

    /// <summary>Who runs executed an instruction that drops translations of its virtual CPU, and <paramref name="becomes"/> another context by it.</summary>
    private void Flushed(Lane lane, Invalidation? invalidation, bool becomes = false)
    {
        if (lane.Level == 0 || _kind == ReplayKind.AsRecorded)
        {
            return;
        }

        VCpu vcpu = lane.Vcpu!;
        if (becomes)
        {
            Became(vcpu);
        }

        if (invalidation is not null)
        {
            _oracle?.Invalidated(vcpu, invalidation, $"L{lane.Level}");
        }
    }

    /// <summary>What L1 knows a nested transition to flush: without VPID the mappings of VPID 0; on AMD, at an entry, what vmcb12.TLB_CONTROL says.</summary>
    private void NestedTransitionFlushed(VCpu vcpu, string what)
    {
        Vmcs12 vmcs12 = vcpu.Vmcs12;
        ushort asid12 = (ushort)vmcs12.Vpid;
        Invalidation? flushed = (_spec.Profile.Vendor, vcpu.GuestMode ? vmcs12.Controls.TlbControl() : TlbControl.None) switch
        {
            (Vendor.Intel, _) => vmcs12.UsesVpid ? null : new VmTransitionWithoutVpid(),
            (_, TlbControl.FlushAll) => new TlbControlAll(),
            (_, TlbControl.FlushAsid) => new TlbControlAsid(asid12),
            (_, TlbControl.FlushAsidNonGlobal) => new TlbControlAsidNonGlobal(asid12),
            _ => null,
        };
        if (flushed is not null)
        {
            _oracle?.Invalidated(vcpu, flushed, what);
        }
    }

    private Action<IssuedInvalidation> Observed(Action<IssuedInvalidation>? observer) => issued =>
    {
        _oracle!.Executed(issued);
        observer?.Invoke(issued);
    };

    /// <summary>
    /// True if a nested VM-exit for this reason comes out of vcpu_enter_guest's event injection (vmx_check_nested_events, svm_check_nested_events), hence after its requests were
    /// serviced, and not out of the exit handler: external interrupt, INIT and preemption timer; INTR, NMI, SMI and INIT. VMX's NMI shares its number with exceptions and is left out.
    /// </summary>
    private bool IsInjected(uint reason) => _spec.Profile.Vendor == Vendor.Intel ? reason is 1 or 3 or 52 : reason is >= 0x60 and <= 0x63;

    private void BeforeEntry(Lane lane, VCpu vcpu)
    {
        vcpu.AwaitsEntryOn = -1;
        _shadow.Handled(lane.Index);
        if (lane.LostFaultRace)
        {
            lane.LostFaultRace = false;
            FlushRemote(lane, new Reason("shadow_mmu", "lost_fault_race"));
        }

        while (_requests.BeforeEntry(lane, vcpu))
        {
            FlushRemote(lane, new Reason("shadow_mmu", "new_shadow_root"));
        }

        _flush.BeforeRun(lane, vcpu);
    }

    private void EnterGuest(Lane lane, VCpu vcpu)
    {
        lane.Cross(entry: true, vcpu.GuestMode ? 2 : 1);
        Switch(lane, "vm_entry");
    }

    private void LeaveGuest(Lane lane)
    {
        lane.HypervisorCycles += _spec.Profile.Costs.KvmExitHandling;
        lane.Cross(entry: false, 0);
        Switch(lane, "vm_exit");
    }

    /// <summary>An exit that this machine takes and the recorded one did not: work in L0, requests, entry.</summary>
    private void InL0(Lane lane, Action<VCpu> work)
    {
        VCpu vcpu = lane.Vcpu!;
        _impliedExits++;
        LeaveGuest(lane);
        work(vcpu);
        BeforeEntry(lane, vcpu);
        EnterGuest(lane, vcpu);
    }

    /// <summary>True if L0 intercepts the paging instructions of who runs: a guest under shadow paging.</summary>
    private bool Intercepts(Lane lane) => lane.Level > 0 && !_spec.L0Ept && _kind == ReplayKind.ByPolicy;

    /// <summary>An invalidation that whoever runs executes on the hardware directly.</summary>
    private static void Direct(Lane lane, Invalidation invalidation, string rule) =>
        lane.Execute(invalidation, new Reason(lane.Level == 0 ? "host" : "guest", rule));

    /// <summary>An INVVPID, INVEPT or INVLPGA that L0 itself executed when the trace was made.</summary>
    private void Recorded(Lane lane, Invalidation invalidation)
    {
        if (_kind == ReplayKind.AsRecorded)
        {
            lane.Execute(invalidation, new Reason("recorded", "as_recorded"));
        }
        else
        {
            _dropped++;
        }
    }

    private void SetCr3(Lane lane, in TraceEvent e)
    {
        ControlRegisters registers = lane.Registers;
        bool pcide = (registers.Cr4 & Cr4Bits.Pcide) != 0;
        bool noFlush = e.C != 0 && pcide;
        registers.Root = e.A;
        registers.Pcid = (ushort)e.B;
        Flushed(lane, new MovToCr3(registers.EffectivePcid, noFlush), becomes: true);
        if (Intercepts(lane))
        {
            Reason reason = new("guest", "mov_to_cr3");
            InL0(lane, vcpu =>
            {
                _roots.Select(lane, vcpu, reason);
                if (!noFlush)
                {
                    _roots.InvalidatePcid(vcpu, registers.EffectivePcid, reason);
                }
            });
        }
        else
        {
            Switch(lane, lane.Level == 0 ? "host" : "guest");
            Direct(lane, new MovToCr3(registers.EffectivePcid, noFlush), "mov_to_cr3");
        }
    }

    private void SetCr4(Lane lane, Cr4Bits value)
    {
        ControlRegisters registers = lane.Registers;
        Cr4Bits changed = registers.Cr4 ^ value;
        bool everything = (changed & Cr4Bits.Pge) != 0 || (changed & registers.Cr4 & Cr4Bits.Pcide) != 0;
        bool context = (changed & Cr4Bits.Pae) != 0 || (changed & value & Cr4Bits.Smep) != 0;
        registers.Cr4 = value;
        Flushed(lane, everything ? new MovToCr4Pge() : context ? new MovToCr4Context() : null, becomes: true);
        if (Intercepts(lane))
        {
            Reason reason = new("guest", "mov_to_cr4");
            InL0(lane, vcpu =>
            {
                _roots.Select(lane, vcpu, reason);
                if (everything)
                {
                    _roots.GuestFlushedAll(vcpu, reason);
                }
                else if (context)
                {
                    _roots.InvalidatePcid(vcpu, registers.EffectivePcid, reason);
                }

                if ((changed & value & Cr4Bits.Pcide) != 0)
                {
                    _roots.PcidEnabled(vcpu, reason);
                }
            });
            return;
        }

        Switch(lane, lane.Level == 0 ? "host" : "guest");
        if (everything)
        {
            Direct(lane, new MovToCr4Pge(), "mov_to_cr4");
        }
        else if (context)
        {
            Direct(lane, new MovToCr4Context(), "mov_to_cr4");
        }
    }

    /// <summary>
    /// A CR4 that L0 sets for a guest: a MOV to CR4 that exited (kvm_post_set_cr4), or the CR4 of the vmcb12 that is being entered. Only taken note of if that level is not active.
    /// </summary>
    private void EmulateSetCr4(Lane lane, in TraceEvent e)
    {
        VCpu vcpu = RunningVcpu(lane);
        ControlRegisters registers = e.Level == 1 ? vcpu.L1 : vcpu.L2(vcpu.Vmcs12.Address);
        Cr4Bits before = registers.Cr4;
        registers.Cr4 = (Cr4Bits)e.A;
        if (vcpu.GuestMode != (e.Level == 2) || _kind == ReplayKind.AsRecorded)
        {
            return;
        }

        bool isMove = lane.LastGuestLevel == e.Level;
        _nested.LoadCr4(lane, vcpu, before, isMove ? "emulation" : "recorded");
        if (!isMove)
        {
            return;
        }

        Cr4Bits changed = before ^ registers.Cr4;
        Reason reason = new("emulation", "mov_to_cr4");
        if ((changed & Cr4Bits.Pge) != 0 || (changed & before & Cr4Bits.Pcide) != 0)
        {
            vcpu.Raise(FlushRequest.Guest, reason);
        }
        else if ((changed & Cr4Bits.Pae) != 0 || (changed & registers.Cr4 & Cr4Bits.Smep) != 0)
        {
            vcpu.Raise(FlushRequest.Current, reason);
        }
    }

    /// <summary>A request that L0 raised when the trace was made, for a reason that no other record tells.</summary>
    private void RaiseRecorded(Lane lane, in TraceEvent e)
    {
        if (e.C != TraceEvent.AnyVcpu)
        {
            VCpu serviced = VcpuOf((ushort)e.C);
            if (_requests.BeforeEntry(lane, serviced))
            {
                serviced.Raise(FlushRequest.All, new Reason("shadow_mmu", "new_shadow_root"));
            }
        }

        FlushRequest request = (RequestedFlush)e.A switch
        {
            RequestedFlush.Current => FlushRequest.Current,
            RequestedFlush.Guest => FlushRequest.Guest,
            _ => FlushRequest.All,
        };
        IEnumerable<VCpu> vcpus = e.B == TraceEvent.AnyVcpu ? _vcpus.Values : [VcpuOf((ushort)e.B)];
        foreach (VCpu vcpu in vcpus)
        {
            vcpu.Raise(request, new Reason("host", "recorded_request"));
            if (request == FlushRequest.Guest)
            {
                _oracle?.Invalidated(vcpu, new MovToCr4Pge(), "a guest flush that L0 was asked for");
            }
        }
    }

    private void Invpcid(Lane lane, in TraceEvent e)
    {
        ushort pcid = (ushort)e.B;
        Reason reason = new("guest", "invpcid");
        if (e.A > 0)
        {
            Flushed(lane, e.A == 1 ? new InvpcidContext(pcid) : e.A == 2 ? new InvpcidAll() : new InvpcidAllNonGlobal());
        }

        switch (e.A)
        {
            case 0:
                InvalidateAddress(lane, new InvpcidAddress(pcid, e.C), e.C, "invpcid");
                break;
            case 1 when Intercepts(lane):
                InL0(lane, vcpu => _roots.InvalidatePcid(vcpu, pcid, reason));
                break;
            case 1:
                Direct(lane, new InvpcidContext(pcid), "invpcid");
                break;
            case var _ when Intercepts(lane):
                // KVM does not track globals under shadow paging: type 3 is treated as type 2.
                InL0(lane, vcpu => _roots.GuestFlushedAll(vcpu, reason));
                break;
            case 2:
                Direct(lane, new InvpcidAll(), "invpcid");
                break;
            default:
                Direct(lane, new InvpcidAllNonGlobal(), "invpcid");
                break;
        }
    }

    /// <summary>INVLPG or INVPCID type 0: executed by hardware, or emulated as kvm_mmu_invlpg with flush_gva under shadow paging.</summary>
    private void InvalidateAddress(Lane lane, Invalidation direct, ulong address, string rule)
    {
        Flushed(lane, direct);
        if (Intercepts(lane))
        {
            InL0(lane, vcpu => _roots.InvalidateAddress(lane, vcpu, address, (direct as InvpcidAddress)?.Pcid, new Reason("guest", rule)));
        }
        else
        {
            Direct(lane, direct, rule);
        }
    }

    private void MapChange(Lane lane, TraceEvent e)
    {
        VCpu vcpu = RunningVcpu(lane);
        if (Intercepts(lane) && _maps.Exits(vcpu, e))
        {
            InL0(lane, _ => _maps.Apply(lane, vcpu, e));
        }
        else if (_maps.Apply(lane, vcpu, e) && _kind == ReplayKind.ByPolicy && !_spec.RemoteFlushesRecorded && (_rules.Defects & KernelDefects.NoRemoteFlush) == 0)
        {
            FlushRemote(lane, new Reason("host", "remote_flush"));
        }
    }

    /// <summary>L0 handles a fault of L2 that EPT12 allows.</summary>
    private void WalkEpt12(Lane lane, in TraceEvent e)
    {
        int leafLevel = MapChanges.SizeOf(e.C) switch { PageSize.Size1G => 3, PageSize.Size2M => 2, _ => 1 };
        if (_shadow.Fetch(lane.Index, e.A, e.B, leafLevel, [e.D, e.E, e.F], out bool lostRace))
        {
            FlushRemote(lane, new Reason("shadow_mmu", "new_shadow_page"));
        }

        lane.LostFaultRace |= lostRace;
    }

    /// <summary>L1 writes to a page that L0 keeps read-only because it is, or was, a table of EPT12; the write is emulated, or run again.</summary>
    private void WriteEpt12(Lane lane, in TraceEvent e)
    {
        if (_kind != ReplayKind.ByPolicy || !_spec.L0Ept)
        {
            return;
        }

        ulong address = e.C;
        if ((MapChangeKind)e.E == MapChangeKind.Widened)
        {
            _shadow.Permit(address);
            return;
        }

        if (!_shadow.Write(address, out bool zappedRoot))
        {
            return;
        }

        if (zappedRoot)
        {
            foreach (VCpu vcpu in _vcpus.Values)
            {
                vcpu.GuestMmu.Free(root => root.Pgd == InveptSingle.Ep4taOf(address));
            }
        }

        FlushRemote(lane, new Reason("shadow_mmu", "tracked_write"));
    }

    /// <summary>kvm_vcpu_reset at creation or INIT: vmx_vcpu_reset flushes vpid01 at once, and the guest's TLB is flushed before the first entry.</summary>
    private void Reset(Lane lane, VCpu vcpu)
    {
        Reason reason = new("host", "vcpu_reset");
        if (_spec.Profile.Vendor == Vendor.Intel)
        {
            FlushFunctions.Vpid(lane, vcpu.Vpid01, reason);
        }

        vcpu.Raise(FlushRequest.Guest, reason);
        _oracle?.Invalidated(vcpu, new Reset(), "INIT");
    }

    /// <summary>
    /// kvm_flush_remote_tlbs: raises TLB_FLUSH on every vCPU and kicks those in guest mode on other lanes. Where the trace records it, the other vCPUs and their exits are the trace's.
    /// </summary>
    private void FlushRemote(Lane lane, Reason reason)
    {
        if (_spec.RemoteFlushesRecorded)
        {
            RunningVcpu(lane).Raise(FlushRequest.All, reason);
            return;
        }

        foreach (VCpu vcpu in _vcpus.Values)
        {
            if (vcpu.AwaitsEntryOn >= 0)
            {
                // Between its nested entry and its real one another vCPU is past vcpu_enter_guest's first look at its requests.
                _requests.Service(_lanes[vcpu.AwaitsEntryOn], vcpu);
            }

            vcpu.Raise(FlushRequest.All, reason);
        }

        foreach (Lane other in _lanes)
        {
            if (other.Level > 0)
            {
                InL0(other, _ => { });
            }
        }
    }

    private void Switch(Lane lane, string transition) => lane.Switch(ContextOf(lane), transition);

    private TranslationContext ContextOf(Lane lane)
    {
        ControlRegisters registers = lane.Registers;
        if (lane.Level == 0)
        {
            return new TranslationContext(0, registers.EffectivePcid, registers.GlobalPages, _spaces.L0(registers.Root), null, 0);
        }

        VCpu vcpu = lane.Vcpu!;
        PageTable guest = lane.Level == 1 ? _spaces.L1(registers.Root) : _spaces.L2(vcpu.Vmcs12, registers.Root);
        (ushort vpid, PageTable? nested) = _kind == ReplayKind.AsRecorded
            ? (lane.Recorded.Vpid, lane.Recorded.Ep4ta == 0 ? null : _spaces.Recorded(lane.Recorded.Ep4ta))
            : (_flush.HardwareTag(vcpu), _spaces.Tdp(_roots.Needed(vcpu)));
        return new TranslationContext(vpid, registers.EffectivePcid, registers.GlobalPages, guest, nested, lane.Level);
    }

    /// <summary>VPIDs or ASIDs that nobody has; 0 is the host's. An L2 that gets none shares L1's (vpid02 = 0).</summary>
    private int TagsLeft => _spec.Profile.AddressSpaceIds - _nextTag;

    private VCpu VcpuOf(ushort id)
    {
        if (!_vcpus.TryGetValue(id, out VCpu? vcpu))
        {
            vcpu = _rules.Tags switch
            {
                TagAllocation.PerCpu => new VCpu(id, 0, new L2Tags()),
                TagAllocation.PerVm when _vcpus.Count > 0 => new VCpu(id, _vcpus.Values.First().Vpid01, new L2Tags(_vcpus.Values.First().Tags.All)),
                _ => WithTagsOfItsOwn(id),
            };
            _vcpus.Add(id, vcpu);
            Became(vcpu);
        }

        return vcpu;
    }

    private VCpu WithTagsOfItsOwn(ushort id)
    {
        if (_spec.L0Vpid && TagsLeft == 0)
        {
            throw new ConfigurationException(
                $"The trace's vCPU {id} finds no VPID or ASID left of the profile's {_spec.Profile.AddressSpaceIds} (address_space_ids). Give the profile more.");
        }

        ushort vpid01 = _spec.L0Vpid ? _nextTag++ : (ushort)0;
        int wanted = _spec.L0Vpid && _rules.OffersVpid ? _policy.L2Tags(_spec.Vpid02Pool) : 0;
        return new VCpu(id, vpid01, new L2Tags(Enumerable.Range(0, Math.Min(wanted, TagsLeft)).Select(_ => _nextTag++).ToArray()));
    }

    private string NameOfTag(ushort tag)
    {
        foreach (VCpu vcpu in _vcpus.Values)
        {
            string owner = vcpu.Id == 0 ? "" : $"(v{vcpu.Id})";
            int slot = vcpu.Tags.All.TakeWhile(other => other != tag).Count();
            if (tag == vcpu.Vpid01 || slot < vcpu.Tags.All.Count)
            {
                return (tag == vcpu.Vpid01 ? "01" : slot == 0 ? "02" : $"02.{slot}") + owner;
            }
        }

        return $"-{tag}";
    }

    private VCpu RunningVcpu(Lane lane) => lane.Vcpu ?? VcpuOf(0);
}
