using Sim.Apic;
using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>Nested transitions and events as far as interrupts go (docs/rules.md#nested-interrupts, #nested-avic).</summary>
internal static class NestedSteps
{
    /// <summary>The step of an acknowledged nested VM-exit that says which vector.</summary>
    public const string AcknowledgeName = "acknowledge for L1";

    private const VmControls Vmcs12Controls = VmControls.TprShadow | VmControls.VirtualInterruptDelivery | VmControls.PostedInterrupts
        | VmControls.ApicRegisterVirtualization | VmControls.VirtualizeX2ApicMode | VmControls.VirtualizeApicAccesses;

    /// <summary>nested_vmx_run, nested_svm_vmrun.</summary>
    public static Step EnterL2 { get; } = new("nested VM-entry", profile => profile.Costs.KvmNestedEntry + profile.Costs.Vmptrld, activity =>
    {
        activity.System.Translation?.NestedEnter(activity, activity.Vcpu!);
        if (Enter(activity, activity.Vcpu!) is { } check)
        {
            FailEntry(activity, activity.Vcpu!, check);
        }

        return Flow.Next;
    });

    /// <summary>nested_vmx_vmexit, nested_svm_vmexit: L1 is active again, and has the exit to handle.</summary>
    public static Step LeaveL2 { get; } = new("nested VM-exit", profile => profile.Costs.KvmNestedExit + profile.Costs.Vmptrld, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        InterruptSystem system = activity.System;
        system.Translation?.NestedExit(activity, vcpu);
        Leave(activity, vcpu);
        vcpu.Guest(1).Work += system.Spec.Profile.Costs.KvmExitHandling;
        system.Trace?.Delivered(activity.Cpu!.Index, system.Spec.Profile.Costs.KvmExitHandling);
        return Flow.Next;
    });

    /// <summary>The nested VM-exit for an external interrupt whose vector L1 is to be told: L0 acknowledges it in L1's APIC.</summary>
    private static readonly Step Acknowledge = new(AcknowledgeName, profile => profile.InterruptCosts.KvmInjection, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        int vector = vcpu.Apic.Deliverable;
        if (vector >= 0)
        {
            Guest.Accept(activity.System, vcpu, 1, vector);
            vcpu.Vmcs01.Injection = vector;
            vcpu.Vmcs01.InjectionApic = 1;
            if (vcpu.ApicvActive)
            {
                vcpu.Vmcs01.Status.Svi = (byte)Math.Max(vcpu.Apic.Isr.Highest, 0);
            }
        }

        return Flow.Next;
    });

    /// <summary>pi_pending and the request of vmx_deliver_nested_posted_interrupt.</summary>
    public static Step SetPiPending { get; } = new("set pi_pending", Costs.SharedLine, activity =>
    {
        activity.Target.PiPending = true;
        activity.System.Request(activity.Target, VcpuRequests.Event);
        return Flow.Next;
    });

    public static Step NotifyNested { get; } = new("notify with 0xf0 or wake", Costs.SharedLine, activity =>
    {
        Vcpu target = activity.Target;
        if (!activity.Found)
        {
            activity.System.WakeUp(target);
        }
        else if (target.Cpu != activity.Cpu)
        {
            activity.System.Ledger.Notifications++;
            activity.System.Send(target.Cpu, HostVectors.NestedPostedInterrupt);
        }

        return Flow.Next;
    });

    /// <summary>A nested VM-exit for another reason than an acknowledged interrupt.</summary>
    public static Program NestedExit { get; } = new("nested VM-exit", LeaveL2);

    /// <summary>A nested VM-exit with ack-on-exit.</summary>
    public static Program NestedExitWithVector { get; } = new("nested VM-exit with vector", LeaveL2, Acknowledge);

    /// <summary>vmx_deliver_nested_posted_interrupt.</summary>
    public static Program PostNested { get; } = new("vmx_deliver_nested_posted_interrupt", SetPiPending, PostingSteps.ReadMode, NotifyNested);

    /// <summary>L1 gave its APIC to L2: vmcs12 has no external-interrupt exiting.</summary>
    public static bool PassesThrough(InterruptSystem system) => (system.Controls12 & VmControls.ExternalInterruptExiting) == 0;

    /// <summary>vmx_check_nested_events, svm_check_nested_events: what becomes of an interrupt for L1 while L2 is active.</summary>
    public static void CheckEvents(Activity activity, Vcpu vcpu)
    {
        InterruptSystem system = activity.System;
        int vector = vcpu.Apic.Deliverable;
        if (vector >= 0 && PassesThrough(system))
        {
            EntrySteps.Inject(activity, vcpu, vcpu.Vmcs02);
            return;
        }

        bool svm = EntrySteps.IsSvm(system);
        bool acknowledges = !svm && (system.Controls12 & VmControls.AckInterruptOnExit) != 0;
        if (vector == InterruptSpec.PostedIntrNv && acknowledges && system.Spec.ConsumesNestedNotification && system.L1PostsToL2)
        {
            vcpu.Apic.Irr.TestAndClear(vector);
            vcpu.PiPending = true;
            vector = vcpu.Apic.Deliverable;
        }

        if (vcpu.PiPending)
        {
            CompletePosted(vcpu);
        }

        if (vector >= 0)
        {
            if (vcpu.NestedRunPending)
            {
                vcpu.ImmediateExit = true;
            }
            else
            {
                activity.IsRecorded = false;
                vcpu.NestedExitCause = ExitCause.ExternalInterrupt;
                activity.Call(acknowledges ? NestedExitWithVector : NestedExit);
            }
        }
    }

    /// <summary>The VM-entry to L2 failed: L1 sees its VMLAUNCH or VMRESUME fail.</summary>
    public static void FailEntry(Activity activity, Vcpu vcpu, string check)
    {
        string blame = activity.System.Spec.NestedEarlyCheck ? "L0 warns of itself (nested_early_check)" : "blamed on L1 (VMfail)";
        activity.System.Ledger.FailedEntry(vcpu.Id, $"{check}; {blame}", activity.System.Conductor.Now);
        activity.System.Observe(activity, $"VM-entry to L2 failed: {check}; {blame}");
        activity.System.Translation?.FailedEntry(activity, vcpu);
        vcpu.GuestMode = false;
        vcpu.NestedRunPending = false;
        vcpu.InL2PerL1 = false;
        vcpu.Guest(1).InterruptsEnabled = true;
        vcpu.L2Failed = true;
        vcpu.Mode = VcpuMode.OutsideGuestMode;
        vcpu.Cpu.InterruptsEnabled = true;
        vcpu.Requests |= VcpuRequests.Event;
        activity.IsRecorded = false;
        activity.Jump(activity.System.Path.Entry);
    }

    /// <summary>vmcs02 from vmcs12, and from here on L2 is active. Returns the consistency check that nested_early_check finds failed; null if there is none.</summary>
    public static string? Enter(Activity activity, Vcpu vcpu)
    {
        InterruptSystem system = activity.System;
        system.Ledger.NestedEntries += activity.IsRecorded ? 0 : 1;
        vcpu.GuestMode = true;
        vcpu.NestedRunPending = true;
        Vmcs vmcs02 = vcpu.Vmcs02;
        if (EntrySteps.IsSvm(system))
        {
            vmcs02.Avic = false;
            vcpu.Requests |= VcpuRequests.ApicvUpdate;
        }
        else
        {
            // L0 needs both; all else about interrupts only if vmcs12 has it.
            vmcs02.Controls = VmControls.ExternalInterruptExiting | VmControls.AckInterruptOnExit | (system.Controls12 & Vmcs12Controls);
            vmcs02.Descriptor = system.L1PostsToL2 ? vcpu.Pid12 : null;

            // A notification for what was set up before counts no more: L1 looked into its descriptor on the way here (prepare_vmcs02_early).
            vcpu.PiPending = false;
            vmcs02.Status = default;
            if (vmcs02.Has(VmControls.VirtualInterruptDelivery))
            {
                vmcs02.Status.Rvi = (byte)Math.Max(vcpu.L2Apic.Irr.Highest, 0);
                vmcs02.Status.Svi = (byte)Math.Max(vcpu.L2Apic.Isr.Highest, 0);
            }

            if (system.Spec.NestedEarlyCheck)
            {
                activity.Extra += system.Spec.Profile.Costs.VmEntry;
                if (ApicvSteps.FailedCheck(system.Spec, vmcs02.Controls) is { } check)
                {
                    return check;
                }
            }
        }

        if (vcpu.Apic.Deliverable >= 0)
        {
            vcpu.Requests |= VcpuRequests.Event;
        }

        return null;
    }

    /// <summary>L1 is active again.</summary>
    public static void Leave(Activity activity, Vcpu vcpu)
    {
        InterruptSystem system = activity.System;
        system.Ledger.NestedExits += activity.IsRecorded ? 0 : 1;
        vcpu.GuestMode = false;
        vcpu.InL2PerL1 = false;
        vcpu.Guest(1).InterruptsEnabled = true;
        if (EntrySteps.IsSvm(system))
        {
            // At once, not by request: VMRUN then evaluates IRR.
            vcpu.Requests &= ~VcpuRequests.ApicvUpdate;
            ApicvSteps.Update(activity, vcpu, "nested_exit");
        }
        else
        {
            activity.Extra += system.UpdateRule.OnNestedExit(new ApicvUpdate(system, vcpu));
        }

        vcpu.Requests |= VcpuRequests.Event;
    }

    /// <summary>vmx_complete_nested_posted_interrupt.</summary>
    private static void CompletePosted(Vcpu vcpu)
    {
        vcpu.PiPending = false;
        if (vcpu.Pid12.TestAndClearOn())
        {
            vcpu.Vmcs02.Status.Process(ref vcpu.Pid12.Pir, vcpu.L2Apic);
        }
    }
}
