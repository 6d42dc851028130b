using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>VM-entries and VM-exits, real and nested, with what L0 does between an exit and the entry that follows.</summary>
internal sealed class WorldSwitches
{
    /// <summary>Bit 31 of an exit reason: the VM-entry failed (SDM vol. 3, "Basic VM-exit information").</summary>
    private const ulong EntryFailed = 1UL << 31;

    private readonly MachineSpec _spec;
    private readonly ReplayKind _kind;
    private readonly Kernel _kernel;
    private readonly AddressSpaces _spaces;
    private readonly VCpus _vcpus;
    private readonly VirtualCpuView _view;
    private readonly Lane[] _lanes;
    private readonly SortedDictionary<(int Level, ulong Reason), long> _exits = [];
    private long _entries;
    private long _impliedExits;

    /// <summary>Switches of the lanes of one machine.</summary>
    public WorldSwitches(MachineSpec spec, ReplayKind kind, Kernel kernel, AddressSpaces spaces, VCpus vcpus, VirtualCpuView view, Lane[] lanes)
    {
        _spec = spec;
        _kind = kind;
        _kernel = kernel;
        _spaces = spaces;
        _vcpus = vcpus;
        _view = view;
        _lanes = lanes;
    }

    /// <summary>See <see cref="Machine.RemoteKick"/>.</summary>
    public Action<int>? RemoteKick { get; set; }

    /// <summary>A real VM-entry.</summary>
    public void Enter(Lane lane, in TraceEvent e)
    {
        VCpu vcpu = _vcpus.Of(e.Vcpu);
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
                _view.Became(vcpu);
                _kernel.Roots.Select(lane, vcpu, new Reason("vm_entry", "trace_start"));
            }

            BeforeEntry(lane, vcpu, fails: ((VmControls)e.F & VmControls.EntryFails) != 0);
        }

        EnterGuest(lane, vcpu);
    }

    /// <summary>A real VM-exit.</summary>
    public void Exit(Lane lane, in TraceEvent e)
    {
        (int, ulong) key = (lane.Level, e.C);
        _exits[key] = _exits.GetValueOrDefault(key) + 1;
        _kernel.ShadowEpt.Left(lane.Index);
        if (lane.Vcpu is { } vcpu)
        {
            vcpu.ExitLevel = lane.Level;
        }

        LeaveGuest(lane);
    }

    /// <summary>L1 enters L2, as L1 sees it.</summary>
    public void NestedEnter(Lane lane, in TraceEvent e)
    {
        VCpu vcpu = _vcpus.Of(e.Vcpu);
        if (!_kernel.Nested.Accept(lane, vcpu, e, out Vmcs12 vmcs12))
        {
            lane.Refused = true;
        }
        else if (_kind == ReplayKind.AsRecorded)
        {
            vcpu.Vmcs12 = vmcs12;
        }
        else
        {
            bool tellsCr3 = _spec.Profile.Vendor == Vendor.Amd && ((VmControls)e.F & VmControls.EnableEpt) == 0 && e.E != 0;
            _kernel.Nested.Enter(lane, vcpu, vmcs12, tellsCr3 ? InveptSingle.Ep4taOf(e.E) : null);
            _view.Became(vcpu);
            _view.NestedTransitionFlushed(vcpu, "nested VM-entry");
            vcpu.AwaitsEntryOn = lane.Index;
        }
    }

    /// <summary>L2 exits to L1, as L1 sees it.</summary>
    public void NestedExit(Lane lane, in TraceEvent e)
    {
        _kernel.Nested.CountExit(lane);
        if (_kind == ReplayKind.ByPolicy)
        {
            VCpu vcpu = _vcpus.Of(e.Vcpu);
            bool neverRan = vcpu.AwaitsEntryOn >= 0;
            vcpu.AwaitsEntryOn = -1;
            if (e.Level == 0)
            {
                _kernel.Nested.LeaveByForce(lane, vcpu);
            }
            else if (neverRan && (e.C & EntryFailed) != 0 && _spec.Profile.Vendor == Vendor.Intel)
            {
                _kernel.Nested.FailLate(lane, vcpu);
            }
            else
            {
                if (IsInjected((uint)e.C))
                {
                    _kernel.Requests.Service(lane, vcpu);
                }

                _kernel.Nested.Exit(lane, vcpu);
            }

            _view.Became(vcpu);
            _view.NestedTransitionFlushed(vcpu, "nested VM-exit");
        }
    }

    /// <summary>An exit that this machine takes and the recorded one did not: work in L0, requests, entry.</summary>
    public void InL0(Lane lane, Action<VCpu> work)
    {
        VCpu vcpu = lane.Vcpu!;
        _impliedExits++;
        long before = lane.SwitchCycles;
        LeaveGuest(lane);
        work(vcpu);
        BeforeEntry(lane, vcpu);
        EnterGuest(lane, vcpu);
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

        foreach (VCpu vcpu in _vcpus.All)
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
            if (other.Level > 0)
            {
                long implied = other.ImpliedCycles;
                InL0(other, _ => { });
                if (other != lane && RemoteKick is { } kick)
                {
                    // Whoever kicks has a price and a time for this exit.
                    OperationCosts costs = _spec.Profile.Costs;
                    other.LeaveToOthers(costs.VmExit + costs.VmEntry, costs.KvmExitHandling);
                    other.ImpliedCycles = implied;
                    kick(other.Index);
                }
            }
        }
    }

    /// <summary>The lane translates in the context of who runs from now on.</summary>
    public void Switch(Lane lane, string transition) => lane.Switch(ContextOf(lane), transition);

    /// <summary>Adds the statistics of transitions.</summary>
    public void Collect(StatSheet sheet)
    {
        sheet.Counter("vm.entries", "transitions", "Real VM-entries.", _entries);
        sheet.Counter("vm.implied_exits", "transitions", "Exits for instructions that this machine intercepts and the recorded one did not.", _impliedExits);
        foreach (((int level, ulong reason), long count) in _exits)
        {
            sheet.Counter("vm.exits", "transitions", "Real VM-exits.", count, $"level={level},reason={reason}");
        }
    }

    /// <summary>
    /// True if a nested VM-exit for this reason comes out of vcpu_enter_guest's event injection (vmx_check_nested_events, svm_check_nested_events), hence after its requests were
    /// serviced, and not out of the exit handler: external interrupt, INIT and preemption timer; INTR, NMI, SMI and INIT. VMX's NMI shares its number with exceptions and is left out.
    /// </summary>
    private bool IsInjected(uint reason) => _spec.Profile.Vendor == Vendor.Intel ? reason is 1 or 3 or 52 : reason is >= 0x60 and <= 0x63;

    private void BeforeEntry(Lane lane, VCpu vcpu, bool fails = false)
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
            ? (lane.Recorded.Vpid, lane.Recorded.Ep4ta == 0 ? null : _spaces.Recorded(lane.Recorded.Ep4ta, lane.Level == 2 ? vcpu.Vmcs12 : null))
            : (_kernel.Flush.HardwareTag(vcpu), _spaces.Tdp(_kernel.Roots.Needed(vcpu)));
        return new TranslationContext(vpid, registers.EffectivePcid, registers.GlobalPages, guest, nested, lane.Level);
    }
}
