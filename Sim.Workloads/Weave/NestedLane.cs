using Sim.Core.Traces;

namespace Sim.Workloads.Weave;

/// <summary>The one lane of a woven trace: its clock, and its one L1 vCPU's transitions.</summary>
internal sealed class NestedLane(TraceAppender trace)
{
    private const ushort Vcpu = 0;

    /// <summary>Reference cycles since the start.</summary>
    public ulong Time { get; private set; }

    /// <summary>Accesses of each level, folded ones counted each.</summary>
    public ulong[] Accesses { get; } = new ulong[3];

    /// <summary>Time passes.</summary>
    public void Advance(ulong cycles) => Time += cycles;

    /// <summary>One access of the level that runs.</summary>
    public void Access(int level, ulong address, byte flags, uint repeat = 1)
    {
        trace.Access(0, Time, address, flags, repeat);
        Accesses[level] += repeat;
    }

    /// <summary>One event, now.</summary>
    public void Event(TraceEvent e)
    {
        e.Time = Time;
        trace.Event(0, e);
    }

    /// <summary>A real VM-entry.</summary>
    public void Enter(TransitionKind kind) => Event(TraceEvent.VmEnter(Time, kind, Vcpu));

    /// <summary>A real or nested VM-exit.</summary>
    public void Exit(TransitionKind kind, uint reason, ulong qualification = 0) => Event(TraceEvent.VmExit(Time, kind, Vcpu, reason, qualification));

    /// <summary>A nested VM-entry.</summary>
    public void NestedEnter(ulong vmcs12, VmControls controls, uint vpid12, ulong eptp12) =>
        Event(TraceEvent.NestedEnter(Time, Vcpu, vmcs12, controls, vpid12, eptp12));
}
