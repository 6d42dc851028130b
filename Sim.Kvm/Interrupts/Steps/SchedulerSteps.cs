using Sim.Apic;
using Sim.Core.Architecture;

namespace Sim.Kvm.Interrupts;

/// <summary>The host's scheduler around vCPU threads: halting, waking, preemption, vcpu_load and vcpu_put (docs/rules.md#delivery, #halting).</summary>
internal static class SchedulerSteps
{
    /// <summary>kvm_vcpu_halt polls before it sleeps.</summary>
    public static Step Poll { get; } = new("poll", Costs.SharedLine, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        if (vcpu.PollUntil <= activity.System.Conductor.Now || vcpu.Pid.On || EntrySteps.HasEvents(activity.System, vcpu))
        {
            return Flow.Next;
        }

        activity.WaitUntil = vcpu.PollUntil;
        return Flow.Stay;
    });

    /// <summary>prepare_to_rcuwait, set_current_state: a wake-up from here on counts.</summary>
    public static Step PrepareToSleep { get; } = new("set_current_state(TASK_INTERRUPTIBLE)", Costs.SharedLine, activity =>
    {
        activity.Vcpu!.State = VcpuThreadState.Interruptible;
        return Flow.Next;
    });

    /// <summary>kvm_vcpu_check_block.</summary>
    public static Step CheckRunnable { get; } = new("check whether runnable", Costs.SharedLine, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        bool woken = vcpu.WasWoken;
        vcpu.WasWoken = false;
        if (EntrySteps.HasEvents(activity.System, vcpu))
        {
            vcpu.State = VcpuThreadState.Runnable;
            vcpu.IsHalted = false;
            vcpu.Requests |= VcpuRequests.Event;
            if (!activity.System.Path.UsesAvic)
            {
                return Flow.Return;
            }

            // kvm_arch_vcpu_unblocking.
            activity.Jump(activity.System.Path.Load);
            return Flow.Next;
        }

        activity.System.Ledger.SpuriousWakeUps += woken ? 1 : 0;
        return Flow.Next;
    });

    /// <summary>schedule(): off the run queue, unless somebody woke the thread since <see cref="PrepareToSleep"/>.</summary>
    public static Step Deactivate { get; } = new("schedule()", Costs.SharedLine, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        if (vcpu.State == VcpuThreadState.Interruptible)
        {
            vcpu.State = VcpuThreadState.Asleep;
        }
        else
        {
            activity.Jump(activity.System.Path.Halt);
        }

        return Flow.Next;
    });

    /// <summary>The CPU is free; the thread goes on here when it has one again.</summary>
    public static Step LeaveCpu { get; } = new("leave the CPU", profile => profile.InterruptCosts.KvmContextSwitch / 2, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        vcpu.IsLoaded = false;
        vcpu.Cpu.Current = null;
        vcpu.Cpu.NeedResched = false;
        return Flow.Next;
    });

    /// <summary>Chosen by the scheduler.</summary>
    private static readonly Step SwitchIn = new("switch in", profile => profile.InterruptCosts.KvmContextSwitch / 2, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        vcpu.IsLoaded = true;
        if (vcpu.WasWoken)
        {
            activity.System.Ledger.WakeUps++;
            activity.Extra += activity.System.Spec.Profile.InterruptCosts.KvmWakeUp;
        }

        return Flow.Next;
    });

    /// <summary>vcpu_load.</summary>
    public static Step CallLoad { get; } = new("vcpu_load", Costs.None, activity =>
    {
        activity.Call(activity.System.Path.Load);
        return Flow.Next;
    });

    /// <summary>Behind a wake-up, or a wake-up that came before the sleep: look again.</summary>
    public static Step LookAgain { get; } = new("look again", Costs.None, activity =>
    {
        activity.Jump(activity.System.Path.Halt);
        return Flow.Next;
    });

    /// <summary>vmx_vcpu_pi_load, one compare-and-exchange: NDST, SN and NV; and off the wake-up list.</summary>
    public static Step LoadDescriptor { get; } = new("NDST, SN=0, NV=0xf2", Costs.SharedLine, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        if (vcpu.Pid.Nv == (byte)HostVector.Wakeup)
        {
            activity.System.Cpus[vcpu.Pid.Ndst].WakeupList.Remove(vcpu);
        }

        vcpu.Pid.Load((uint)vcpu.Cpu.Index, (byte)HostVector.PostedInterrupt);
        return Flow.Next;
    });

    /// <summary>vmx_vcpu_pi_load: what was posted while SN was set has no ON yet.</summary>
    public static Step RecheckPir { get; } = new("set ON if PIR is not empty", Costs.SharedLine, activity =>
    {
        if (!activity.Vcpu!.Pid.Pir.IsEmpty)
        {
            activity.Vcpu.Pid.TestAndSetOn();
        }

        return Flow.Next;
    });

    /// <summary>vmx_vcpu_pi_put of a preempted vCPU.</summary>
    public static Step SuppressNotification { get; } = new("SN=1", Costs.SharedLine, activity =>
    {
        activity.Vcpu!.Pid.Sn = true;
        return Flow.Next;
    });

    /// <summary>pi_enable_wakeup_handler (vmx_vcpu_pi_put of a blocking vCPU), with interrupts off: the list that the wake-up vector's handler goes through.</summary>
    public static Step JoinWakeupList { get; } = new("onto the wake-up list", Costs.None, activity =>
    {
        activity.Cpu!.InterruptsEnabled = false;
        activity.Cpu.WakeupList.Add(activity.Vcpu!);
        return Flow.Next;
    });

    /// <summary>From here on hardware that posts uses the wake-up vector.</summary>
    public static Step SetWakeupVector { get; } = new("NV=0xf1", Costs.SharedLine, activity =>
    {
        activity.Vcpu!.Pid.Nv = (byte)HostVector.Wakeup;
        return Flow.Next;
    });

    /// <summary>A notification that went out with the old vector is sent again, to this CPU.</summary>
    public static Step RepeatNotification { get; } = new("self-IPI 0xf1 if ON", Costs.None, activity =>
    {
        activity.Cpu!.InterruptsEnabled = true;
        if (activity.Vcpu!.Pid.On)
        {
            activity.System.Send(activity.Cpu, HostVectors.Wakeup);
        }

        return Flow.Next;
    });

    private static readonly Step Requeue = new("to the end of the run queue", profile => profile.InterruptCosts.KvmContextSwitch / 2, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        PhysicalCpu cpu = vcpu.Cpu;
        activity.System.Ledger.Preemptions++;
        vcpu.IsLoaded = false;
        cpu.Current = null;
        cpu.NeedResched = false;
        cpu.RunQueue.Enqueue(vcpu);
        return Flow.Next;
    });

    private static readonly Step CallPreempt = new("vcpu_put", Costs.None, activity =>
    {
        activity.Call(activity.System.Path.Preempt);
        return Flow.Next;
    });

    private static readonly Step EnterAgain = new("vcpu_enter_guest", Costs.None, activity =>
    {
        activity.Jump(activity.System.Path.Entry);
        return Flow.Next;
    });

    private static readonly Program SwitchInProgram = new("switch in", SwitchIn);

    private static readonly Program FirstRun = new("first run", CallLoad, EnterAgain);

    /// <summary>A time slice ended: out, to the end of the queue, and in again some time.</summary>
    public static Program Reschedule { get; } = new("reschedule", CallPreempt, Requeue, CallLoad, EnterAgain);

    /// <summary>Nothing to do.</summary>
    public static Program Nothing { get; } = new("nothing");

    /// <summary>vmx_vcpu_pi_load.</summary>
    public static Program LoadPosted { get; } = new("vmx_vcpu_pi_load", LoadDescriptor, RecheckPir);

    /// <summary>vmx_vcpu_pi_put, preempted, if hardware may post.</summary>
    public static Program PreemptPosted { get; } = new("vmx_vcpu_pi_put", SuppressNotification);

    /// <summary>kvm_vcpu_halt without a descriptor.</summary>
    public static Program HaltPlain { get; } = new("kvm_vcpu_halt", Poll, PrepareToSleep, CheckRunnable, Deactivate, LeaveCpu, CallLoad, LookAgain);

    /// <summary>kvm_vcpu_halt if only software posts.</summary>
    public static Program HaltPosted { get; } =
        new("kvm_vcpu_halt", Poll, PrepareToSleep, EntrySteps.TestAndClearOn, EntrySteps.MovePir, CheckRunnable, Deactivate, LeaveCpu, CallLoad, LookAgain);

    /// <summary>kvm_vcpu_halt if hardware may post: the wake-up vector.</summary>
    public static Program HaltPostedByHardware { get; } =
        new("kvm_vcpu_halt", Poll, PrepareToSleep, EntrySteps.TestAndClearOn, EntrySteps.MovePir, CheckRunnable, Deactivate, JoinWakeupList, SetWakeupVector, RepeatNotification, LeaveCpu, CallLoad, LookAgain);

    /// <summary>kvm_vcpu_halt with AVIC: IsRunning is cleared before the check.</summary>
    public static Program HaltAvic { get; } = new("kvm_vcpu_halt", Poll, AvicSteps.PutBlocking, PrepareToSleep, CheckRunnable, Deactivate, LeaveCpu, CallLoad, LookAgain);

    /// <summary>avic_vcpu_load.</summary>
    public static Program LoadAvic { get; } = new("avic_vcpu_load", AvicSteps.Load);

    /// <summary>avic_vcpu_put.</summary>
    public static Program PreemptAvic { get; } = new("avic_vcpu_put", AvicSteps.Put);

    /// <summary>Gives an idle CPU to the thread that waits longest.</summary>
    public static void Choose(PhysicalCpu cpu)
    {
        Vcpu vcpu = cpu.RunQueue.Dequeue();
        cpu.Current = vcpu;
        vcpu.Cpu = cpu;
        if (vcpu.Thread.IsIdle)
        {
            vcpu.Thread.Begin(FirstRun);
        }

        vcpu.Thread.Begin(SwitchInProgram);
    }
}
