using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>
/// VM-entries and VM-exits, real and nested, with what L0 does between an exit and the entry that follows, as steps: each is carried out by whoever keeps the clock, and has no price here beyond what the flush
/// policy adds.
/// </summary>
internal sealed class Transitions
{
    private readonly MachineSpec _spec;
    private readonly ReplayKind _kind;
    private readonly Kernel _kernel;
    private readonly AddressSpaces _spaces;
    private readonly Vcpus _vcpus;
    private readonly VirtualCpuView _view;
    private readonly Lane[] _lanes;
    private readonly SortedDictionary<(int Level, ulong Reason), long> _exits = [];
    private long _entries;
    private long _impliedExits;

    /// <summary>Transitions on the lanes of one machine.</summary>
    public Transitions(MachineSpec spec, ReplayKind kind, Kernel kernel, AddressSpaces spaces, Vcpus vcpus, VirtualCpuView view, Lane[] lanes)
    {
        _spec = spec;
        _kind = kind;
        _kernel = kernel;
        _spaces = spaces;
        _vcpus = vcpus;
        _view = view;
        _lanes = lanes;
    }

    /// <summary>Told of each other lane whose guest a remote TLB flush makes exit, and prices that exit; null: it costs what the profile says.</summary>
    public Action<int>? RemoteKick { get; set; }

    /// <summary>The trace begins in the middle: the level is what the entry says, and no policy was asked. Nothing if the vCPU is there.</summary>
    public void BeginAt(Lane lane, Vcpu vcpu, bool guestMode)
    {
        if (guestMode != vcpu.GuestMode)
        {
            vcpu.GuestMode = guestMode;
            _view.Became(vcpu);
            _kernel.Roots.Select(lane, vcpu, new Reason("vm_entry", "trace_start"));
        }
    }

    /// <summary>vcpu_enter_guest, its first part: the requests.</summary>
    public void ServeRequests(Lane lane, Vcpu vcpu) => _kernel.Requests.Service(lane, vcpu);

    /// <summary>vcpu_enter_guest, behind the events: kvm_mmu_reload. What it raises is served before the VM-entry.</summary>
    public void LoadRoot(Lane lane, Vcpu vcpu)
    {
        if (_kernel.Roots.Reload(lane, vcpu))
        {
            FlushRemote(lane, new Reason("shadow_mmu", "new_shadow_root"));
        }
    }

    /// <summary>A real VM-entry to the level that is active, with whatever of vcpu_enter_guest is still to do. One that fails is left by the VM-exit that tells so.</summary>
    public void Enter(Lane lane, Vcpu vcpu, bool fails = false)
    {
        lane.Vcpu = vcpu;
        _entries++;
        BeforeEntry(lane, vcpu, fails);
        EnterGuest(lane, vcpu);
    }

    /// <summary>A real VM-entry of which the trace tells all that L0 did.</summary>
    public void EnterRecorded(Lane lane, Vcpu vcpu)
    {
        _entries++;
        EnterGuest(lane, vcpu);
    }

    /// <summary>A real VM-exit.</summary>
    public void Exit(Lane lane, ulong reason)
    {
        (int, ulong) key = (lane.Level, reason);
        _exits[key] = _exits.GetValueOrDefault(key) + 1;
        _kernel.ShadowEpt.Left(lane.Index);
        if (lane.Vcpu is { } vcpu)
        {
            vcpu.ExitLevel = lane.Level;
        }

        LeaveGuest(lane);
    }

    /// <summary>L1 enters L2, and vmcs12 (of the record <paramref name="e"/>) passed its checks.</summary>
    public void NestedEnter(Lane lane, Vcpu vcpu, in Vmcs12 vmcs12, in TraceEvent e)
    {
        bool tellsCr3 = _spec.Profile.Vendor == Vendor.Amd && ((VmControls)e.F & VmControls.EnableEpt) == 0 && e.E != 0;
        _kernel.Nested.Enter(lane, vcpu, vmcs12, tellsCr3 ? InveptSingle.Ep4taOf(e.E) : null);
        _view.Became(vcpu);
        _view.NestedTransitionFlushed(vcpu, "nested VM-entry");
        vcpu.AwaitsEntryOn = lane.Index;
    }

    /// <summary>L2 exits to L1.</summary>
    public void NestedExit(Lane lane, Vcpu vcpu) => Leave(lane, vcpu, _kernel.Nested.Exit);

    /// <summary>The nested VM-entry that was carried out last fails after all: L1 sees a VM-exit, and L2 has not run.</summary>
    public void NestedEntryFails(Lane lane, Vcpu vcpu) => Leave(lane, vcpu, _kernel.Nested.FailLate);

    /// <summary>L0 takes the vCPU out of L2 by force.</summary>
    public void LeaveByForce(Lane lane, Vcpu vcpu) => Leave(lane, vcpu, _kernel.Nested.LeaveByForce);

    private void Leave(Lane lane, Vcpu vcpu, Action<Lane, Vcpu> leave)
    {
        _kernel.Nested.CountExit();
        vcpu.AwaitsEntryOn = -1;
        leave(lane, vcpu);
        _view.Became(vcpu);
        _view.NestedTransitionFlushed(vcpu, "nested VM-exit");
    }

    /// <summary>An exit that this machine takes and the recorded one did not: work in L0, requests, entry. It costs what the profile says, and stalls.</summary>
    public void InL0(Lane lane, Action<Vcpu> work)
    {
        long before = lane.SwitchCycles;
        OperationCosts costs = _spec.Profile.Costs;
        lane.Charge(costs.VmExit + costs.VmEntry, costs.KvmExitHandling);
        Detour(lane, work);
        lane.ImpliedCycles += lane.SwitchCycles - before;
    }

    /// <summary>
    /// kvm_flush_remote_tlbs: raises TLB_FLUSH on every vCPU and kicks those in guest mode on other lanes. Where the trace records it, the other vCPUs and their exits are the trace's.
    /// </summary>
    public void FlushRemote(Lane lane, Reason reason)
    {
        if (_spec.RemoteFlushesRecorded)
        {
            _vcpus.RunningOn(lane).Raise(FlushRequest.All, reason);
            return;
        }

        foreach (Vcpu vcpu in _vcpus.All)
        {
            if (vcpu.AwaitsEntryOn >= 0)
            {
                // Between its nested entry and its real one another vCPU is past vcpu_enter_guest's first look at its requests.
                _kernel.Requests.Service(_lanes[vcpu.AwaitsEntryOn], vcpu);
            }

            vcpu.Raise(FlushRequest.All, reason);
        }

        foreach (Lane other in _lanes)
        {
            if (other.Level > 0 && other != lane && RemoteKick is { } kick)
            {
                Detour(other, _ => { });
                kick(other.Index);
            }
            else if (other.Level > 0)
            {
                InL0(other, _ => { });
            }
        }
    }

    /// <summary>The lane translates in the context of who runs from now on.</summary>
    public void Switch(Lane lane, string transition) => lane.Switch(ContextOf(lane), transition);

    /// <summary>Adds the statistics of transitions.</summary>
    public void Collect(StatSheet sheet)
    {
        sheet.Counter(StatNames.VmEntries, "transitions", "Real VM-entries.", _entries);
        sheet.Counter(StatNames.VmImpliedExits, "transitions", "Exits for instructions that this machine intercepts and the recorded one did not.", _impliedExits);
        foreach (((int level, ulong reason), long count) in _exits)
        {
            sheet.Counter(StatNames.VmExits, "transitions", "Real VM-exits.", count, $"level={level},reason={reason}");
        }
    }

    private void Detour(Lane lane, Action<Vcpu> work)
    {
        Vcpu vcpu = lane.Vcpu!;
        _impliedExits++;
        LeaveGuest(lane);
        work(vcpu);
        BeforeEntry(lane, vcpu);
        EnterGuest(lane, vcpu);
    }

    private void BeforeEntry(Lane lane, Vcpu vcpu, bool fails = false)
    {
        vcpu.AwaitsEntryOn = -1;
        _kernel.ShadowEpt.Handled(lane.Index);
        if (lane.LostFaultRace)
        {
            lane.LostFaultRace = false;
            FlushRemote(lane, new Reason("shadow_mmu", "lost_fault_race"));
        }

        while (_kernel.Requests.BeforeEntry(lane, vcpu))
        {
            FlushRemote(lane, new Reason("shadow_mmu", "new_shadow_root"));
        }

        _kernel.Flush.BeforeRun(lane, vcpu, fails);
    }

    private void EnterGuest(Lane lane, Vcpu vcpu)
    {
        lane.Cross(entry: true, vcpu.Level, HasVpid(vcpu));
        Switch(lane, "vm_entry");
    }

    private void LeaveGuest(Lane lane)
    {
        lane.Cross(entry: false, 0, lane.Vcpu is { } vcpu ? HasVpid(vcpu) : _spec.L0Vpid);
        Switch(lane, "vm_exit");
    }

    /// <summary>Whether the VMCS that runs has VPID enabled. What a recording does not tell of a vCPU is taken from the whole machine.</summary>
    private bool HasVpid(Vcpu vcpu) =>
        _spec.Profile.Vendor == Vendor.Amd || (_spec.L0Vpid && (_kind == ReplayKind.AsRecorded || _kernel.Flush.HardwareTag(vcpu) != 0));

    private TranslationContext ContextOf(Lane lane)
    {
        ControlRegisters registers = lane.Registers;
        if (lane.Level == 0)
        {
            return new TranslationContext(0, registers.EffectivePcid, registers.GlobalPages, _spaces.L0(registers.Root), null, 0);
        }

        Vcpu vcpu = lane.Vcpu!;
        PageTable guest = lane.Level == 1 ? _spaces.L1(registers.Root) : _spaces.L2(vcpu.Vmcs12, registers.Root);
        (ushort vpid, PageTable? nested) = _kind == ReplayKind.AsRecorded
            ? (lane.Recorded.Vpid, lane.Recorded.Ep4ta == 0 ? null : _spaces.Recorded(lane.Recorded.Ep4ta, lane.Level == 2 ? vcpu.Vmcs12 : null))
            : (_kernel.Flush.HardwareTag(vcpu), _spaces.Tdp(_kernel.Roots.Needed(vcpu)));
        return new TranslationContext(vpid, registers.EffectivePcid, registers.GlobalPages, guest, nested, lane.Level);
    }
}
