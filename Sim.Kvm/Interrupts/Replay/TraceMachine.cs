using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>The translation side of interrupt delivery on the lanes of a trace: real exits and entries of the machine, with what handlers touch.</summary>
internal sealed class TraceMachine : IExitObserver
{
    private readonly Machine _machine;
    private readonly TraceReplay _trace;
    private readonly HandlerFootprints _footprints;
    private readonly TraceBlock _scratch = new();
    private readonly bool _amd;
    private readonly bool _shootsDown;
    private readonly bool[] _reflected;

    public TraceMachine(Machine machine, TraceReplay trace, HandlerFootprints footprints, Vendor vendor, bool shootsDown)
    {
        _machine = machine;
        _trace = trace;
        _footprints = footprints;
        _amd = vendor == Vendor.Amd;
        _shootsDown = shootsDown;
        _reflected = new bool[trace.Lanes.Count];
    }

    /// <inheritdoc/>
    public int OnExit(int lane, int vcpu, int level, ExitCause cause)
    {
        if (!_trace.Follows(lane) || (cause == ExitCause.ExternalInterrupt && TakeKicked(lane)))
        {
            return 0;
        }

        Leave(lane, vcpu, ReasonOf(cause));
        Touch(lane, _footprints.L0Exit);
        return Stall(lane);
    }

    /// <inheritdoc/>
    public int OnEntry(int lane, int vcpu, int level)
    {
        if (!_trace.Follows(lane) || _machine.LevelOn(lane) == level)
        {
            return 0;
        }

        if (!_trace.Host.TryEnter(lane, level))
        {
            _machine.Happen(lane, TraceEvent.VmEnter(Time(lane), level == 2 ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1, _trace.Vcpus.NameOf(vcpu)));
        }

        if (level == 1 && _reflected[lane])
        {
            _reflected[lane] = false;
            Touch(lane, _footprints.L1Exit);
        }

        return Stall(lane);
    }

    /// <inheritdoc/>
    public int OnNestedEntry(int lane, int vcpu)
    {
        if (_trace.Follows(lane) && _trace.Vcpus.NestedEntryOf(vcpu) is { } entry)
        {
            entry.Time = Time(lane);
            _machine.Happen(lane, entry);
            Touch(lane, _footprints.L0Entry);
            return Stall(lane);
        }

        return 0;
    }

    /// <inheritdoc/>
    public int OnNestedExit(int lane, int vcpu, ExitCause cause)
    {
        if (!_trace.Follows(lane))
        {
            return 0;
        }

        Leave(lane, vcpu, ReasonOf(cause));
        _machine.Happen(lane, TraceEvent.VmExit(Time(lane), TransitionKind.L2ToL1, _trace.Vcpus.NameOf(vcpu), ReasonOf(cause)));
        Touch(lane, _footprints.L0Reflection);
        _reflected[lane] = true;
        return Stall(lane);
    }

    /// <inheritdoc/>
    public int OnFailedEntry(int lane, int vcpu)
    {
        if (!_trace.Follows(lane))
        {
            return 0;
        }

        _machine.Happen(lane, TraceEvent.VmExit(Time(lane), TransitionKind.L2ToL1, _trace.Vcpus.NameOf(vcpu), VmxExit.InvalidState));
        return Stall(lane);
    }

    /// <inheritdoc/>
    public int OnHandler(int lane, int vcpu, int level, byte vector)
    {
        if (!_trace.Follows(lane))
        {
            return 0;
        }

        if (_shootsDown && vector == IpiBehaviour.Vector)
        {
            _trace.ShootDown(lane);
        }

        Touch(lane, _footprints.GuestHandler);
        return Stall(lane);
    }

    /// <inheritdoc/>
    public int OnTlbFlush(int lane, int vcpu)
    {
        if (!_trace.Follows(lane))
        {
            return 0;
        }

        Leave(lane, vcpu, ReasonOf(ExitCause.ExternalInterrupt));
        _machine.Happen(lane, TraceEvent.FlushRequest(Time(lane), RequestedFlush.All, _trace.Vcpus.NameOf(vcpu)));
        return Stall(lane);
    }

    /// <summary>True if the exit that happens on a lane is only the kick of a remote flush, which the machine has carried out.</summary>
    private bool TakeKicked(int lane)
    {
        bool kicked = _trace.Lanes[lane].IsKicked;
        _trace.Lanes[lane].IsKicked = false;
        return kicked;
    }

    private ulong Time(int lane) => _trace.Lanes[lane].Cursor;

    private void Leave(int lane, int vcpu, uint reason)
    {
        if (_machine.LevelOn(lane) is > 0 and var level)
        {
            _machine.Happen(lane, TraceEvent.VmExit(Time(lane), level == 2 ? TransitionKind.L2ToL0 : TransitionKind.L1ToL0, _trace.Vcpus.NameOf(vcpu), reason));
        }
    }

    private void Touch(int lane, IReadOnlyList<FootprintPage> pages)
    {
        if (pages.Count == 0)
        {
            return;
        }

        _scratch.Clear();
        _scratch.Lane = lane;
        foreach (FootprintPage page in pages)
        {
            _scratch.AddAccess(Time(lane), page.Address, AccessFlags.Pack(page.Type));
        }

        _machine.Touch(lane, _scratch);
    }

    private int Stall(int lane) => (int)_trace.TakeStall(lane);

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
