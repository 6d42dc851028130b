using Sim.Core.Architecture;
using Sim.Core.Traces;

namespace Sim.Captures.Ftrace;

/// <summary>Which vCPU is on which CPU of a recording: scheduling and migration.</summary>
internal sealed class VcpuPlacement(RecordedThreads threads, LiftedRecords records)
{
    /// <summary>sched_switch: the vCPU whose thread leaves the CPU is taken off it, the one whose thread comes is put on it.</summary>
    public void Switch(RecordedCpu lane, ulong time, in KernelEvent e)
    {
        if (threads.TryGetVcpu((int)e[KernelOperand.PrevPid], out RecordedVcpu? leaves) && leaves.Lane == lane)
        {
            TakeOff(lane, leaves, time, e[KernelOperand.Preempted] != 0);
        }

        if (threads.TryGetVcpu((int)e[KernelOperand.NextPid], out RecordedVcpu? comes) && lane.Running is null)
        {
            PutOn(lane, comes, time);
        }
    }

    /// <summary>A vCPU is on a CPU from now on.</summary>
    public void PutOn(RecordedCpu lane, RecordedVcpu vcpu, ulong time)
    {
        if (vcpu.Lane == lane)
        {
            return;
        }

        if (vcpu.Lane is { } elsewhere)
        {
            TakeOff(elsewhere, vcpu, time, isPreempted: false);
        }

        if (lane.Vcpu is { } before)
        {
            TakeOff(lane, before, time, isPreempted: false);
        }

        if (vcpu.LastLane is { } last && last != lane)
        {
            records.Add(last, new TraceEvent { Time = time, Kind = RecordKind.Migrate, A = vcpu.Number, B = (ulong)lane.Number });
        }

        records.Add(lane, new TraceEvent { Time = time, Kind = RecordKind.SchedIn, A = vcpu.Number });
        lane.Vcpu = vcpu;
        vcpu.Lane = lane;
        vcpu.LastLane = lane;
    }

    /// <summary>The running guest of a vCPU left the CPU without an exit in the recording: one is put in.</summary>
    public void Leave(RecordedCpu lane, RecordedVcpu vcpu, ulong time)
    {
        vcpu.Last = vcpu.InL2 ? TransitionKind.L2ToL0 : TransitionKind.L1ToL0;
        records.Add(lane, TraceEvent.VmExit(time, vcpu.Last.Value, vcpu.Number, ExitReasons.Unknown));
        lane.Running = null;
        records.Synthesized++;
    }

    private void TakeOff(RecordedCpu lane, RecordedVcpu vcpu, ulong time, bool isPreempted)
    {
        if (lane.Running == vcpu)
        {
            Leave(lane, vcpu, time);
        }

        records.Add(lane, new TraceEvent { Time = time, Kind = RecordKind.SchedOut, A = vcpu.Number, B = isPreempted ? 1UL : 0 });
        lane.Vcpu = null;
        vcpu.Lane = null;
    }
}
