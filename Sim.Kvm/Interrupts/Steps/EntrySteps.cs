using Sim.Core.Profiles;

namespace Sim.Kvm.Interrupts;

/// <summary>vcpu_enter_guest, from the requests to the VM-entry (docs/rules.md#request-order and #delivery).</summary>
internal static class EntrySteps
{
    /// <summary>All requests but EVENT. APICV_UPDATE waits for apicv_update_lock.</summary>
    public static Step ServeRequests { get; } = new("serve requests", Costs.None, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        if ((vcpu.Requests & VcpuRequests.ApicvUpdate) != 0 && activity.System.Apicv.Writer is not null)
        {
            activity.Extra += activity.System.Spec.Profile.InterruptCosts.SharedLine;
            return Flow.Stay;
        }

        if (activity.System.Translation is { } translation)
        {
            translation.ServeRequests(activity, vcpu);
        }
        else if (vcpu.Take(VcpuRequests.FlushAll))
        {
            activity.Extra += activity.System.Spec.Profile.Costs.InveptGlobal;
        }

        if (vcpu.Take(VcpuRequests.ApicvUpdate))
        {
            ApicvSteps.Update(activity, vcpu, "apicv_update");
        }

        return Flow.Next;
    });

    /// <summary>EVENT: nested events, injection, interrupt window (kvm_check_and_inject_events).</summary>
    public static Step ServeEvents { get; } = new("check and inject events", Costs.None, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        if (vcpu.Take(VcpuRequests.Event))
        {
            if (vcpu.GuestMode)
            {
                NestedSteps.CheckEvents(activity, vcpu);
            }
            else if (!vcpu.ApicvActive)
            {
                Inject(activity, vcpu, vcpu.Vmcs01);
            }
        }

        return Flow.Next;
    });

    /// <summary>kvm_mmu_reload; then interrupts off, and vcpu->mode with a full barrier behind it.</summary>
    public static Step EnterGuestMode { get; } = new("mode = IN_GUEST_MODE", Costs.SharedLine, activity =>
    {
        activity.System.Translation?.LoadRoot(activity, activity.Vcpu!);
        activity.Cpu!.InterruptsEnabled = false;
        activity.Vcpu!.Mode = VcpuMode.InGuestMode;
        return Flow.Next;
    });

    /// <summary>vmx_sync_pir_to_irr, step 1, up to the barrier.</summary>
    public static Step TestAndClearOn { get; } = new("test and clear ON", Costs.SharedLine, activity =>
    {
        activity.Found = activity.Vcpu!.Pid.TestAndClearOn();
        return Flow.Next;
    });

    /// <summary>vmx_sync_pir_to_irr, the rest: PIR into IRR, and RVI, or a request if what is highest is new.</summary>
    public static Step MovePir { get; } = new("move PIR to IRR", Costs.None, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        bool highestIsNew = false;
        if (activity.Found)
        {
            highestIsNew = vcpu.Pid.Pir.Highest > vcpu.Apic.Irr.Highest;
            vcpu.Pid.Pir.MoveTo(ref vcpu.Apic.Irr);
            activity.Extra += activity.System.Spec.Profile.InterruptCosts.SharedLine;
        }

        if (vcpu is { GuestMode: false, ApicvActive: true })
        {
            vcpu.Vmcs01.Status.Rvi = (byte)Math.Max(vcpu.Apic.Irr.Highest, 0);
        }
        else if (highestIsNew)
        {
            vcpu.Requests |= VcpuRequests.Event;
        }

        return Flow.Next;
    });

    /// <summary>kvm_vcpu_exit_request: back to the start if anything came up since.</summary>
    public static Step Recheck { get; } = new("check for requests again", Costs.SharedLine, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        PhysicalCpu cpu = vcpu.Cpu;
        bool reschedule = cpu is { NeedResched: true, RunQueue.Count: > 0 };
        cpu.NeedResched = reschedule;
        if (!reschedule && vcpu.Mode != VcpuMode.ExitingGuestMode && vcpu.Requests == VcpuRequests.None)
        {
            return Flow.Next;
        }

        vcpu.Mode = VcpuMode.OutsideGuestMode;
        cpu.InterruptsEnabled = true;
        activity.IsRecorded = false;
        activity.Jump(reschedule ? SchedulerSteps.Reschedule : activity.System.Path.Entry);
        return Flow.Next;
    });

    /// <summary>VMLAUNCH, VMRESUME or VMRUN, with the consistency checks of vmcs02's controls.</summary>
    public static Step VmEntry { get; } = new("VM-entry", profile => profile.Costs.VmEntry, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        PhysicalCpu cpu = vcpu.Cpu;
        if (vcpu.GuestMode && ApicvSteps.FailedCheck(activity.System.Spec, vcpu.Vmcs02.Controls) is { } check)
        {
            NestedSteps.FailEntry(activity, vcpu, check);
            return Flow.Next;
        }

        cpu.InGuest = true;
        activity.IsRecorded = false;
        vcpu.NestedRunPending = false;
        vcpu.LookAtIrr();
        if (vcpu.ImmediateExit)
        {
            vcpu.Requests |= VcpuRequests.Event;
        }

        if (vcpu.ActiveVmcs.Injection >= 0)
        {
            GuestContext guest = vcpu.Guest(vcpu.Level);
            guest.Handler = vcpu.ActiveVmcs.Injection;
            guest.HandlerApic = vcpu.ActiveVmcs.InjectionApic;
            vcpu.ActiveVmcs.Injection = -1;
            activity.Extra += activity.System.Spec.Profile.InterruptCosts.Delivery;
            activity.Jump(Guest.StartHandler);
        }

        activity.System.Translation?.Enter(activity, vcpu);
        return Flow.Next;
    });

    /// <summary>With a posted-interrupt descriptor to look into.</summary>
    public static Program WithPir { get; } = new("vcpu_enter_guest", ServeRequests, ServeEvents, EnterGuestMode, TestAndClearOn, MovePir, Recheck, VmEntry);

    /// <summary>Without one.</summary>
    public static Program WithoutPir { get; } = new("vcpu_enter_guest", ServeRequests, ServeEvents, EnterGuestMode, Recheck, VmEntry);

    /// <summary>Injects the highest deliverable vector of L1's APIC into the guest that runs on this VMCS, or waits for its window.</summary>
    public static void Inject(Activity activity, Vcpu vcpu, Vmcs vmcs)
    {
        int vector = vcpu.Apic.Deliverable;
        if (vector < 0)
        {
            return;
        }

        if (!vcpu.Guest(vcpu.Level).InterruptsEnabled || vmcs.Injection >= 0)
        {
            vmcs.WindowExiting = true;
            return;
        }

        activity.Extra += activity.System.Spec.Profile.InterruptCosts.KvmInjection;
        Guest.Accept(activity.System, vcpu, 1, vector);
        vmcs.Injection = vector;
        vmcs.InjectionApic = 1;
        if (vcpu.Apic.Deliverable >= 0)
        {
            vmcs.WindowExiting = true;
        }
    }

    /// <summary>kvm_arch_vcpu_runnable: whether a halted vCPU has something to run for.</summary>
    public static bool HasEvents(InterruptSystem system, Vcpu vcpu)
    {
        if (!vcpu.GuestMode)
        {
            return vcpu.Apic.Deliverable >= 0;
        }

        bool nested = (vcpu.PiPending && vcpu.Pid12.On) || (system.L1PostsToL2 && vcpu.L2Apic.Deliverable >= 0);
        return nested || vcpu.Apic.Deliverable >= 0 || vcpu.Vmcs02.Injection >= 0;
    }

    /// <summary>Whether this is AMD's hardware.</summary>
    public static bool IsSvm(InterruptSystem system) => system.Spec.Profile.Vendor == Vendor.Amd;
}
