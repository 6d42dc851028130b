namespace Sim.Kvm.Interrupts;

/// <summary>What L1's own KVM does for L2, inside L1: posting or injecting, and the way to VMRESUME. The same protocol as L0's, one level up.</summary>
internal static class L1Steps
{
    private static readonly Step SetPir12 = new("L1: test and set PIR12", Costs.SharedLine, activity =>
    {
        Vcpu target = activity.Target;
        activity.Requested();
        bool was = target.Pid12.Pir.TestAndSet(activity.Delivery.Vector);
        activity.System.Conductor.Poke(target.Cpu);
        return was ? Flow.Return : Flow.Next;
    });

    private static readonly Step SetOn12 = new("L1: test and set ON12", Costs.SharedLine, activity => activity.Target.Pid12.TestAndSetOn() ? Flow.Return : Flow.Next);

    private static readonly Step SetIrr12 = new("L1: set L2's IRR", Costs.SharedLine, activity =>
    {
        activity.Requested();
        activity.Target.L2Apic.Irr.TestAndSet(activity.Delivery.Vector);
        activity.System.Conductor.Poke(activity.Target.Cpu);
        return Flow.Next;
    });

    /// <summary>L1's notification if L2 runs, its reschedule IPI if the L2 vCPU's thread must run, else nothing.</summary>
    private static readonly Step Notify = new("L1: notify", Costs.SharedLine, activity =>
    {
        Vcpu target = activity.Target;
        if (!target.InL2PerL1 && !target.L2Halted)
        {
            return Flow.Return;
        }

        byte vector = target.InL2PerL1 && activity.System.L1PostsToL2 ? InterruptSpec.PostedIntrNv : InterruptSpec.L1Reschedule;
        activity.Delivery = new Delivery(vector, target.Id, 1, InterruptSource.Ipi);
        return Flow.Next;
    });

    private static readonly Step SendIpi = new("L1: write ICR", profile => profile.InterruptCosts.IcrFence, activity =>
    {
        Vmcs vmcs = activity.Vcpu!.Vmcs01;
        bool virtualizes = activity.System.Path.HardwareIpi is not null && (Guest.AvicTakesWrites(activity.System, activity.Vcpu) || vmcs.Has(Core.Traces.VmControls.VirtualInterruptDelivery));
        activity.Jump(virtualizes ? activity.System.Path.HardwareIpi! : ExitSteps.IcrWrite);
        return Flow.Next;
    });

    /// <summary>L1 disables its interrupts, then sets its own vcpu->mode.</summary>
    public static Step EnterMode { get; } = new("L1: mode = IN_GUEST_MODE", Costs.SharedLine, activity =>
    {
        activity.Vcpu!.Guest(1).InterruptsEnabled = false;
        activity.Vcpu.InL2PerL1 = true;
        return Flow.Next;
    });

    public static Step SyncPir12 { get; } = new("L1: move PIR12 to L2's IRR", Costs.SharedLine, activity =>
    {
        MovePir12(activity.Vcpu!);
        return Flow.Next;
    });

    private static readonly Step Inject12 = new("L1: inject into vmcs12", profile => profile.InterruptCosts.KvmInjection, activity =>
    {
        Inject(activity.System, activity.Vcpu!);
        return Flow.Next;
    });

    /// <summary>A vCPU of L1 that is not simulated sends what <see cref="Notify"/> made: L0 posts it.</summary>
    private static readonly Step SendFromElsewhere = new("L1 elsewhere: write ICR", Costs.None, activity =>
    {
        activity.Jump(activity.System.Path.Post);
        return Flow.Next;
    });

    private static readonly Step Vmresume = new("VMRESUME", Costs.None, activity =>
    {
        activity.Jump(ExitSteps.NestedEntry);
        return Flow.Next;
    });

    private static readonly Program PostToL2 = new("L1 posts to L2", SetPir12, SetOn12, Notify, SendIpi);
    private static readonly Program InjectIntoL2 = new("L1 injects into L2", SetIrr12, Notify, SendIpi);
    private static readonly Program PrepareToEnter = new("L1 prepares to enter L2", EnterMode);
    private static readonly Program EnterPosted = new("L1 enters L2", SyncPir12, Vmresume);
    private static readonly Program EnterInjected = new("L1 enters L2", Inject12, Vmresume);

    private static readonly Program PostToL2FromElsewhere = new("L1 posts to L2", SetPir12, SetOn12, Notify, SendFromElsewhere);
    private static readonly Program InjectIntoL2FromElsewhere = new("L1 injects into L2", SetIrr12, Notify, SendFromElsewhere);

    /// <summary>How L1 delivers an interrupt to L2 from a CPU that is not simulated.</summary>
    public static Program DeliverFromElsewhere(InterruptSystem system) => system.L1PostsToL2 ? PostToL2FromElsewhere : InjectIntoL2FromElsewhere;

    /// <summary>What L1 does before a VMRESUME that a trace tells, all at once.</summary>
    public static void BeforeVmresume(InterruptSystem system, Vcpu vcpu)
    {
        vcpu.InL2PerL1 = true;
        if (system.L1PostsToL2)
        {
            MovePir12(vcpu);
        }
        else
        {
            Inject(system, vcpu);
        }
    }

    /// <summary>How L1 delivers an interrupt to L2.</summary>
    public static Program Deliver(InterruptSystem system) => system.L1PostsToL2 ? PostToL2 : InjectIntoL2;

    /// <summary>How L1 enters L2. Between the two parts hardware still posts into L1's APIC, and L1 does not take it.</summary>
    public static Program Enter(InterruptSystem system, Vcpu vcpu) => !vcpu.InL2PerL1 ? PrepareToEnter : system.L1PostsToL2 ? EnterPosted : EnterInjected;

    private static void MovePir12(Vcpu vcpu)
    {
        if (vcpu.Pid12.TestAndClearOn())
        {
            vcpu.Pid12.Pir.MoveTo(ref vcpu.L2Apic.Irr);
        }
    }

    private static void Inject(InterruptSystem system, Vcpu vcpu)
    {
        int vector = vcpu.L2Apic.Deliverable;
        if (vector >= 0 && vcpu.Guest(2).InterruptsEnabled)
        {
            Guest.Accept(system, vcpu, 2, vector);
            vcpu.Vmcs02.Injection = vector;
            vcpu.Vmcs02.InjectionApic = 2;
            vector = vcpu.L2Apic.Deliverable;
        }

        vcpu.Vmcs02.WindowExiting = vector >= 0;
    }
}
