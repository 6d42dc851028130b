using Sim.Apic;
using Sim.Core.Architecture;

namespace Sim.Kvm.Interrupts;

/// <summary>How L0's software hands an interrupt to a vCPU on VMX (docs/rules.md#delivery: vmx_deliver_interrupt, vmx_deliver_posted_interrupt).</summary>
internal static class PostingSteps
{
    /// <summary>Row 0: L1's notification vector for an L2 that is active goes the nested way. Row 1: no APICv on the target.</summary>
    public static Step ChooseWay { get; } = new("choose the way", Costs.SharedLine, activity =>
    {
        Vcpu target = activity.Target;
        if (target.GuestMode && activity.Delivery.Vector == InterruptSpec.PostedIntrNv && activity.System.L1PostsToL2)
        {
            activity.Jump(NestedSteps.PostNested);
        }
        else if (!target.ApicvActive)
        {
            activity.Jump(KickSteps.Inject);
        }

        return Flow.Next;
    });

    /// <summary>Row 2.</summary>
    public static Step TestAndSetPir { get; } = new("test and set PIR", Costs.SharedLine, activity =>
    {
        if (!activity.Requested())
        {
            return Flow.Return;
        }

        if (activity.Target.Pid.Pir.TestAndSet(activity.Delivery.Vector))
        {
            return Flow.Return;
        }

        activity.System.Conductor.Poke(activity.Target.Cpu);
        return Flow.Next;
    });

    /// <summary>Row 3.</summary>
    public static Step TestAndSetOn { get; } = new("test and set ON", Costs.SharedLine, activity =>
    {
        if (activity.Target.Pid.TestAndSetOn())
        {
            activity.System.Ledger.CoalescedNotifications++;
            return Flow.Return;
        }

        activity.System.Conductor.Poke(activity.Target.Cpu);
        return Flow.Next;
    });

    /// <summary>Rows 4 to 6, the read behind the full barrier.</summary>
    public static Step ReadMode { get; } = new("read vcpu->mode", Costs.SharedLine, activity =>
    {
        activity.Found = activity.Target.Mode == VcpuMode.InGuestMode;
        return Flow.Next;
    });

    /// <summary>Rows 4 to 6, what follows from it.</summary>
    public static Step NotifyOrWake { get; } = new("notify or wake", Costs.SharedLine, activity =>
    {
        Vcpu target = activity.Target;
        if (!activity.Found)
        {
            activity.System.WakeUp(target);
        }
        else if (target.Cpu != activity.Cpu)
        {
            activity.System.Ledger.Notifications++;
            activity.System.Send(target.Cpu, HostVectors.PostedInterrupt);
        }

        return Flow.Next;
    });

    /// <summary>The processor's or the IOMMU's write of PIR: it goes on even if the bit was set.</summary>
    public static Step SetPir { get; } = new("set PIR (hardware)", Costs.SharedLine, activity =>
    {
        if (!activity.Requested())
        {
            return Flow.Return;
        }

        activity.Target.Pid.Pir.TestAndSet(activity.Delivery.Vector);
        activity.System.Conductor.Poke(activity.Target.Cpu);
        return Flow.Next;
    });

    /// <summary>The processor's or the IOMMU's locked test of ON and SN, and the notification that the descriptor names.</summary>
    public static Step RequestNotification { get; } = new("set ON and notify NDST (hardware)", Costs.SharedLine, activity =>
    {
        PostedInterruptDescriptor descriptor = activity.Target.Pid;
        if (descriptor.RequestNotification())
        {
            activity.System.Ledger.Notifications++;
            HostVectors vector = descriptor.Nv == (byte)HostVector.Wakeup ? HostVectors.Wakeup : HostVectors.PostedInterrupt;
            activity.System.Send(activity.System.Cpus[descriptor.Ndst], vector);
        }
        else if (descriptor.On)
        {
            activity.System.Ledger.CoalescedNotifications++;
        }
        else
        {
            activity.System.Ledger.SuppressedNotifications++;
        }

        return Flow.Next;
    });

    /// <summary>IPI virtualization: the processor looks the destination up; what it does not virtualize exits.</summary>
    public static Step LookUpPid { get; } = new("look up the PID pointer", Costs.SharedLine, activity =>
    {
        if (activity.System.PidPointers.Target(activity.Icr) is null)
        {
            activity.Jump(ExitSteps.IcrWrite);
        }

        return Flow.Next;
    });

    /// <summary>The whole of vmx_deliver_interrupt.</summary>
    public static Program Post { get; } = new("vmx_deliver_interrupt", ChooseWay, TestAndSetPir, TestAndSetOn, ReadMode, NotifyOrWake);

    /// <summary>VT-d: a posted interrupt-remapping entry.</summary>
    public static Program PostedIrte { get; } = new("posted IRTE", SetPir, RequestNotification);

    /// <summary>IPI virtualization.</summary>
    public static Program VirtualizedIpi { get; } = new("IPI virtualization", LookUpPid, SetPir, RequestNotification);
}
