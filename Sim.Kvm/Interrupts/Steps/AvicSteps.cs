using Sim.Apic;
using Sim.Core.Architecture;

namespace Sim.Kvm.Interrupts;

/// <summary>AVIC: sender, target, IOMMU and scheduler (docs/rules.md#avic; svm/avic.c).</summary>
internal static class AvicSteps
{
    /// <summary>The processor's checks of an ICR write that come first.</summary>
    public static Step CheckIcr { get; } = new("check the ICR write (hardware)", Costs.SharedLine, activity =>
    {
        InterruptSystem system = activity.System;
        if (AvicExits.Check(activity.Icr, system.AvicPhysicalIds, activity.Vcpu!.ApicMode == ApicMode.X2Apic ? null : system.AvicLogicalIds) is not null)
        {
            activity.Jump(ExitSteps.IncompleteIpiInSoftware);
        }
        else if (activity.Multicast.IsMulticast)
        {
            activity.Found = false;
            activity.Jump(MulticastSteps.Avic);
        }

        return Flow.Next;
    });

    /// <summary>The processor's or the IOMMU's, or KVM's, write to IRR in the backing page.</summary>
    public static Step SetIrr { get; } = new("set IRR in the backing page", Costs.SharedLine, activity =>
    {
        if (!activity.Requested())
        {
            return Flow.Return;
        }

        activity.Target.Apic.Irr.TestAndSet(activity.Delivery.Vector);
        activity.System.Conductor.Poke(activity.Target.Cpu);
        return Flow.Next;
    });

    /// <summary>The processor reads the target's entry.</summary>
    public static Step ReadIsRunning { get; } = new("read IsRunning", Costs.SharedLine, activity =>
    {
        activity.ReadEntry = activity.System.AvicPhysicalIds[activity.Delivery.Target];
        return Flow.Next;
    });

    /// <summary>Doorbell, or incomplete IPI.</summary>
    public static Step DoorbellOrExit { get; } = new("doorbell or AVIC_INCOMPLETE_IPI", Costs.None, activity =>
    {
        if (activity.ReadEntry.IsRunning)
        {
            Ring(activity, activity.System.Cpus[activity.ReadEntry.HostApicId]);
        }
        else
        {
            activity.Jump(ExitSteps.IncompleteIpi);
        }

        return Flow.Next;
    });

    /// <summary>Doorbell, or an exit later.</summary>
    public static Step DoorbellOrNote { get; } = new("doorbell, or incomplete", Costs.None, activity =>
    {
        if (activity.ReadEntry.IsRunning)
        {
            Ring(activity, activity.System.Cpus[activity.ReadEntry.HostApicId]);
        }

        activity.Found |= !activity.ReadEntry.IsRunning;
        return Flow.Next;
    });

    /// <summary>svm_complete_interrupt_delivery: the read of vcpu->mode behind the barrier.</summary>
    public static Step ReadMode { get; } = new("read vcpu->mode", Costs.SharedLine, activity =>
    {
        activity.Found = activity.Target.Mode == VcpuMode.InGuestMode;
        return Flow.Next;
    });

    /// <summary>svm_complete_interrupt_delivery: the rest.</summary>
    public static Step Complete { get; } = new("doorbell, wake, or request and kick", Costs.SharedLine, activity =>
    {
        Vcpu target = activity.Target;
        if (!target.ApicvActive)
        {
            activity.System.Request(target, VcpuRequests.Event);
            activity.System.Kick(target, activity.Cpu);
        }
        else if (!activity.Found)
        {
            activity.System.WakeUp(target);
        }
        else if (target.Cpu != activity.Cpu)
        {
            Ring(activity, target.Cpu);
        }

        return Flow.Next;
    });

    /// <summary>svm_complete_interrupt_delivery.</summary>
    public static Program CompleteDelivery { get; } = new("svm_complete_interrupt_delivery", ReadMode, Complete);

    /// <summary>avic_incomplete_ipi_interception for targets that do not run: IRR is set already, so only what follows is left.</summary>
    public static Step HandleIncompleteIpi { get; } = new("kick the target of an incomplete IPI", profile => profile.Costs.KvmExitHandling, activity =>
    {
        activity.Call(activity.Multicast.IsMulticast ? MulticastSteps.Complete : CompleteDelivery);
        return Flow.Next;
    });

    /// <summary>
    /// The IOMMU reads the remapping entry and delivers by it: into IRR, or to the host if the entry is not in guest mode. One step, because KVM goes on behind a change of
    /// the entry only when the IOMMU has finished with the old one (completion wait).
    /// </summary>
    public static Step DeliverByIrte { get; } = new("read the IRTE, set IRR (IOMMU)", profile => 2 * profile.InterruptCosts.SharedLine, activity =>
    {
        activity.ReadIrte = activity.Target.Irte;
        if (!activity.ReadIrte.GuestMode)
        {
            activity.System.ArriveAtHost(activity.Target.Cpu.Index, activity.Delivery);
            return Flow.Return;
        }

        return SetIrr.Run(activity);
    });

    /// <summary>The IOMMU's doorbell, or its log.</summary>
    public static Step DoorbellOrLog { get; } = new("doorbell or GA log (IOMMU)", Costs.SharedLine, activity =>
    {
        AvicIrte entry = activity.ReadIrte;
        if (entry.IsRun)
        {
            Ring(activity, activity.System.Cpus[entry.Destination]);
        }
        else if (entry.GaLogInterrupt)
        {
            activity.Target.Cpu.GuestApicLog.Enqueue(activity.Target.Id);
            activity.System.Send(activity.Target.Cpu, HostVectors.GuestApicLog);
        }

        return Flow.Next;
    });

    /// <summary>avic_vcpu_load.</summary>
    public static Step Load { get; } = new("set IsRunning", Costs.SharedLine, activity =>
    {
        if (activity.Vcpu!.ApicvActive)
        {
            SetRunning(activity, activity.Vcpu);
        }

        return Flow.Next;
    });

    /// <summary>avic_vcpu_put of a preempted vCPU.</summary>
    public static Step Put { get; } = new("clear IsRunning", Costs.SharedLine, activity =>
    {
        ClearRunning(activity, activity.Vcpu!, gaLog: false);
        return Flow.Next;
    });

    /// <summary>avic_vcpu_blocking: the same, and the IOMMU is asked for log entries.</summary>
    public static Step PutBlocking { get; } = new("clear IsRunning, ask for the GA log", Costs.SharedLine, activity =>
    {
        ClearRunning(activity, activity.Vcpu!, gaLog: true);
        return Flow.Next;
    });

    /// <summary>The processor's ICR write.</summary>
    public static Program HardwareIpi { get; } = new("AVIC IPI", CheckIcr, SetIrr, ReadIsRunning, DoorbellOrExit);

    /// <summary>svm_deliver_interrupt.</summary>
    public static Program Post { get; } = new("svm_deliver_interrupt", SetIrr, ReadMode, Complete);

    /// <summary>A remapping entry in guest mode.</summary>
    public static Program GuestModeIrte { get; } = new("IRTE in guest mode", DeliverByIrte, DoorbellOrLog);

    /// <summary>The vCPU runs on its CPU: in the table (unless IPIs are not to use it) and in the IOMMU.</summary>
    public static void SetRunning(Activity activity, Vcpu vcpu)
    {
        ref AvicPhysicalEntry entry = ref activity.System.AvicPhysicalIds[vcpu.Id];
        entry.HostApicId = (uint)vcpu.Cpu.Index;
        entry.IsRunning = activity.System.Path.EnableIpiv;
        vcpu.Irte.Destination = (uint)vcpu.Cpu.Index;
        vcpu.Irte.IsRun = true;
        vcpu.Irte.GaLogInterrupt = false;
        ChargeIrte(activity);
    }

    /// <summary>The vCPU does not run.</summary>
    public static void ClearRunning(Activity activity, Vcpu vcpu, bool gaLog)
    {
        activity.System.AvicPhysicalIds[vcpu.Id].IsRunning = false;
        vcpu.Irte.IsRun = false;
        vcpu.Irte.GaLogInterrupt = gaLog;
        ChargeIrte(activity);
    }

    private static void ChargeIrte(Activity activity)
    {
        if (activity.System.Path.HardwareDevice is not null)
        {
            activity.Extra += activity.System.Spec.Profile.InterruptCosts.KvmIrteUpdate;
        }
    }

    private static void Ring(Activity activity, PhysicalCpu cpu)
    {
        activity.System.Ledger.Doorbells++;
        activity.System.Conductor.Send(new Message(cpu.Index, HostVectors.None, IsDoorbell: true));
    }
}
