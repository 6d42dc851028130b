using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>
/// The translation side of L0's steps on the lanes of a trace: transitions, requests and roots of the machine, and what handlers touch. A step pays its own price; what it adds to translation, and what the flush
/// policy adds, are cycles on top of that (<see cref="Activity.Extra"/>). CPUs that follow no trace have none.
/// </summary>
internal sealed class Translation
{
    private readonly Machine _machine;
    private readonly TraceReplay _trace;
    private readonly HandlerFootprints _footprints;
    private readonly TraceBlock _scratch = new();
    private readonly bool _amd;
    private readonly bool _shootsDown;
    private readonly bool[] _reflected;

    public Translation(Machine machine, TraceReplay trace, HandlerFootprints footprints, Vendor vendor, bool shootsDown)
    {
        _machine = machine;
        _trace = trace;
        _footprints = footprints;
        _amd = vendor == Vendor.Amd;
        _shootsDown = shootsDown;
        _reflected = new bool[trace.Lanes.Count];
    }

    /// <summary>A VM-exit.</summary>
    public void Exit(Activity activity, ExitCause cause)
    {
        if (LaneOf(activity) is { } lane && !(cause == ExitCause.ExternalInterrupt && TakeKicked(lane)))
        {
            Leave(lane, cause);
            Touch(lane, _footprints.L0Exit);
            Stall(activity, lane);
        }
    }

    /// <summary>vcpu_enter_guest: requests to flush.</summary>
    public void ServeRequests(Activity activity, Vcpu vcpu)
    {
        if (LaneOf(activity) is not { } lane)
        {
            vcpu.Requests &= ~VcpuRequests.Flushes;
            return;
        }

        if (vcpu.IsAnyFlushPending)
        {
            Leave(lane, ExitCause.ExternalInterrupt);
        }

        if (lane.Level == 0)
        {
            long before = lane.SwitchCycles;
            _machine.Steps.ServeRequests(lane, vcpu);
            Stalls(activity, lane, before);
            Stall(activity, lane);
        }
    }

    /// <summary>vcpu_enter_guest: kvm_mmu_reload.</summary>
    public void LoadRoot(Activity activity, Vcpu vcpu)
    {
        if (LaneOf(activity) is { Level: 0, Refused: false } lane)
        {
            long before = lane.SwitchCycles;
            _machine.Steps.LoadRoot(lane, vcpu);
            while (activity.IsRecorded && vcpu.IsAnyFlushPending)
            {
                // The trace tells no second attempt, whose cycles are in its own.
                _machine.Steps.ServeRequests(lane, vcpu);
                _machine.Steps.LoadRoot(lane, vcpu);
            }

            Stalls(activity, lane, before);
            Stall(activity, lane);
        }
    }

    /// <summary>The VM-entry, to the level that is active: the trace's, if it comes next there.</summary>
    public void Enter(Activity activity, Vcpu vcpu)
    {
        if (LaneOf(activity) is not { } lane || lane.Level == vcpu.Level)
        {
            return;
        }

        if (!_trace.Host.TryEnter(lane.Index, vcpu.Level) && !lane.Refused)
        {
            long before = lane.SwitchCycles;
            _machine.Steps.Enter(lane, vcpu);
            lane.ImpliedCycles += lane.SwitchCycles - before;
        }

        if (vcpu.Level == 1 && _reflected[lane.Index])
        {
            _reflected[lane.Index] = false;
            Touch(lane, _footprints.L1Exit);
        }

        Stall(activity, lane);
    }

    /// <summary>L1's VMRESUME (VMRUN) of the vmcs12 that it entered last.</summary>
    public void NestedEnter(Activity activity, Vcpu vcpu)
    {
        if (LaneOf(activity) is not { } lane)
        {
            return;
        }

        if (_trace.Vcpus.NestedEntryOf(vcpu.Id) is not { } entry)
        {
            BeginAt(activity, vcpu, guestMode: true);
            return;
        }

        entry.Time = _trace.Lanes[lane.Index].Cursor;
        if (!lane.Refused)
        {
            long before = lane.SwitchCycles;
            lane.Refused = !_machine.Kernel.Nested.Accept(lane, vcpu, entry, out Vmcs12 vmcs12);
            if (!lane.Refused)
            {
                _machine.Steps.NestedEnter(lane, vcpu, vmcs12, entry);
            }

            lane.ImpliedCycles += lane.SwitchCycles - before;
        }

        Touch(lane, _footprints.L0Entry);
        Stall(activity, lane);
    }

    /// <summary>L0 reflects an exit of L2 to L1.</summary>
    public void NestedExit(Activity activity, Vcpu vcpu)
    {
        if (LaneOf(activity) is { } lane)
        {
            Leave(lane, vcpu.NestedExitCause);
            LeaveL2(lane, vcpu);
            Touch(lane, _footprints.L0Reflection);
            _reflected[lane.Index] = true;
            Stall(activity, lane);
        }
    }

    /// <summary>A VM-entry to L2 failed: L1 is active again.</summary>
    public void FailedEntry(Activity activity, Vcpu vcpu)
    {
        if (LaneOf(activity) is { } lane)
        {
            LeaveL2(lane, vcpu);
            Stall(activity, lane);
        }
    }

    /// <summary>avic_activate_vmcb: by kernel, translations of the level that is active (L1, at a nested VM-exit) go.</summary>
    public void AvicActivated(Vcpu vcpu, bool x2Apic, string occasion)
    {
        if (_trace.Vcpus.Follows(vcpu.Id) && (x2Apic ? _machine.Kernel.Rules.FlushesOnX2Avic : _machine.Kernel.Rules.FlushesOnXAvic))
        {
            vcpu.Raise(FlushRequest.Current, new Reason(occasion, "avic_activated"));
        }
    }

    /// <summary>A guest's handler starts.</summary>
    public void Handler(Activity activity, byte vector)
    {
        if (LaneOf(activity) is { } lane)
        {
            if (_shootsDown && vector == IpiBehaviour.Vector)
            {
                _trace.ShootDown(lane.Index);
            }

            Touch(lane, _footprints.GuestHandler);
            Stall(activity, lane);
        }
    }

    /// <summary>The trace begins in the middle: the vCPU is at this level, and no policy was asked.</summary>
    public void BeginAt(Activity activity, Vcpu vcpu, bool guestMode)
    {
        if (LaneOf(activity) is { } lane)
        {
            _machine.Steps.BeginAt(lane, vcpu, guestMode);
        }
    }

    private Lane? LaneOf(Activity activity) => activity.Cpu is { } cpu && _trace.Follows(cpu.Index) ? _machine.LaneOf(cpu.Index) : null;

    /// <summary>True if the exit that happens on a lane is only the kick of a remote flush, which the machine has carried out.</summary>
    private bool TakeKicked(Lane lane)
    {
        bool kicked = _trace.Lanes[lane.Index].IsKicked;
        _trace.Lanes[lane.Index].IsKicked = false;
        return kicked;
    }

    private void Leave(Lane lane, ExitCause cause)
    {
        if (lane is { Level: > 0, Refused: false })
        {
            _machine.Steps.Exit(lane, ReasonOf(cause));
        }
    }

    private void LeaveL2(Lane lane, Vcpu vcpu)
    {
        if (!lane.Refused)
        {
            long before = lane.SwitchCycles;
            _machine.Steps.NestedExit(lane, vcpu);
            lane.ImpliedCycles += lane.SwitchCycles - before;
        }
    }

    /// <summary>What the policy added to a step stalls, unless the trace tells the step: then its cycles hold that too.</summary>
    private static void Stalls(Activity activity, Lane lane, long before) => lane.ImpliedCycles += activity.IsRecorded ? 0 : lane.SwitchCycles - before;

    private void Touch(Lane lane, IReadOnlyList<FootprintPage> pages)
    {
        if (pages.Count == 0)
        {
            return;
        }

        _scratch.Clear();
        _scratch.Lane = lane.Index;
        foreach (FootprintPage page in pages)
        {
            _scratch.AddAccess(_trace.Lanes[lane.Index].Cursor, page.Address, AccessFlags.Pack(page.Type));
        }

        lane.Translate(_scratch, 0, _scratch.AccessCount);
    }

    private void Stall(Activity activity, Lane lane) => activity.Extra += (int)_trace.TakeStall(lane.Index);

    /// <summary>The SDM's basic exit reason (appendix C), or the APM's exit code (vol. 2, appendix C).</summary>
    private uint ReasonOf(ExitCause cause) => cause switch
    {
        ExitCause.ExternalInterrupt => _amd ? (uint)SvmExit.Interrupt : (uint)VmxExit.ExternalInterrupt,
        ExitCause.InterruptWindow => _amd ? (uint)SvmExit.VirtualInterrupt : (uint)VmxExit.InterruptWindow,
        ExitCause.Eoi or ExitCause.IcrWrite => _amd ? (uint)SvmExit.Msr : (uint)VmxExit.MsrWrite,
        ExitCause.EoiInduced => (uint)VmxExit.EoiInduced,
        ExitCause.IncompleteIpi => (uint)SvmExit.AvicIncompleteIpi,
        ExitCause.Hlt => _amd ? (uint)SvmExit.Hlt : (uint)VmxExit.Hlt,
        ExitCause.NestedEntry => _amd ? (uint)SvmExit.Vmrun : (uint)VmxExit.Vmresume,
        ExitCause.ImmediateExit => _amd ? (uint)SvmExit.Interrupt : (uint)VmxExit.PreemptionTimer,
        _ => _amd ? (uint)SvmExit.Cpuid : (uint)VmxExit.Cpuid,
    };
}
