using Sim.Core.Architecture;
using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>APICv and AVIC inhibition: the VM-wide change, and each vCPU's update (docs/rules.md#apicv-inhibition).</summary>
internal static class ApicvSteps
{
    private const VmControls ApicvControls = VmControls.VirtualInterruptDelivery | VmControls.PostedInterrupts | VmControls.ApicRegisterVirtualization;

    private static readonly Step TakeLock = new("take apicv_update_lock", Costs.SharedLine, activity =>
    {
        ApicvState state = activity.System.Apicv;
        if (state.Writer is not null)
        {
            return Flow.Stay;
        }

        ulong bit = 1UL << activity.Delivery.Vector;
        state.Writer = activity;
        state.NewReasons = activity.Found ? state.Reasons | bit : state.Reasons & ~bit;
        return Flow.Next;
    });

    private static readonly Step RequestUpdates = new("request APICV_UPDATE of all vCPUs", Costs.SharedLine, activity =>
    {
        InterruptSystem system = activity.System;
        if (system.Apicv.Flips)
        {
            foreach (Vcpu vcpu in system.Vcpus)
            {
                system.Request(vcpu, VcpuRequests.ApicvUpdate);
                KickWithoutWaking(system, vcpu, activity.Cpu);
            }
        }

        return Flow.Next;
    });

    private static readonly Step WaitForAll = new("wait until all left guest mode", Costs.SharedLine, activity =>
    {
        InterruptSystem system = activity.System;
        return system.Apicv.Flips && Array.Exists(system.Vcpus, vcpu => vcpu.Mode != VcpuMode.OutsideGuestMode) ? Flow.Stay : Flow.Next;
    });

    private static readonly Step StoreReasons = new("store the reasons", Costs.SharedLine, activity =>
    {
        ApicvState state = activity.System.Apicv;
        bool zap = state.Flips && state.NewReasons != 0;
        state.Reasons = state.NewReasons;
        if (zap)
        {
            FlushRemoteTlbs(activity);
        }

        return Flow.Next;
    });

    private static readonly Step ReleaseLock = new("release apicv_update_lock", Costs.SharedLine, activity =>
    {
        activity.System.Apicv.Writer = null;
        return Flow.Next;
    });

    /// <summary>kvm_set_or_clear_apicv_inhibit; the reason is the delivery's vector, and it is set if something was "found".</summary>
    public static Program Change { get; } = new("kvm_set_or_clear_apicv_inhibit", TakeLock, RequestUpdates, WaitForAll, StoreReasons, ReleaseLock);

    /// <summary>Calls <see cref="Change"/>.</summary>
    public static Step CallChange { get; } = new("change an inhibit reason", Costs.None, activity =>
    {
        activity.Call(Change);
        return Flow.Next;
    });

    /// <summary>kvm_flush_remote_tlbs: a request to every vCPU, and a kick for those in guest mode: the same IPIs as for interrupts.</summary>
    public static Step FlushTlbs { get; } = new("kvm_flush_remote_tlbs", Costs.SharedLine, activity =>
    {
        FlushRemoteTlbs(activity);
        return Flow.Next;
    });

    /// <summary>__kvm_vcpu_update_apicv: nothing if the vCPU is already as it should be. <paramref name="occasion"/>: the transition that asks for it.</summary>
    public static void Update(Activity activity, Vcpu vcpu, string occasion)
    {
        InterruptSystem system = activity.System;
        bool svm = EntrySteps.IsSvm(system);
        bool active = system.HasApicv && !system.Apicv.IsInhibited && !(svm && vcpu.GuestMode) && vcpu.ApicMode != ApicMode.Disabled;
        if (active == vcpu.ApicvActive)
        {
            return;
        }

        vcpu.ApicvActive = active;
        system.Ledger.ApicvUpdates++;
        system.Observe(activity, active ? "apicv_active = 1" : "apicv_active = 0");
        activity.Extra += system.Spec.Profile.InterruptCosts.KvmApicvUpdate;
        if (svm)
        {
            WriteControls(system, vcpu, vcpu.Vmcs01);
            vcpu.Irte.GuestMode = active;
            if (active)
            {
                AvicSteps.SetRunning(activity, vcpu);
                system.Translation?.AvicActivated(vcpu, system.Spec.X2Apic, occasion);
            }
            else
            {
                AvicSteps.ClearRunning(activity, vcpu, gaLog: false);
            }
        }
        else
        {
            activity.Extra += system.UpdateRule.Refresh(new ApicvUpdate(system, vcpu));
        }

        if (!active)
        {
            vcpu.Requests |= VcpuRequests.Event;
        }
    }

    /// <summary>vmx_refresh_apicv_exec_ctrl on one VMCS, with SVI; the AVIC bit on AMD.</summary>
    public static void WriteControls(InterruptSystem system, Vcpu vcpu, Vmcs vmcs)
    {
        if (EntrySteps.IsSvm(system))
        {
            vmcs.Avic = vcpu.ApicvActive;
            return;
        }

        vmcs.Controls = vcpu.ApicvActive ? vmcs.Controls | ApicvControls : vmcs.Controls & ~ApicvControls;
        vmcs.Status.Svi = vcpu.ApicvActive ? (byte)Math.Max(vcpu.Apic.Isr.Highest, 0) : (byte)0;
    }

    /// <summary>The consistency check of VM-execution controls that fails; null if none does (SDM vol. 3, 28.2.1.1).</summary>
    public static string? FailedCheck(InterruptSpec spec, VmControls controls) =>
        spec.Profile.Vendor == Core.Profiles.Vendor.Amd ? null : VmEntryChecks.Apic(controls);

    private static void FlushRemoteTlbs(Activity activity)
    {
        foreach (Vcpu vcpu in activity.System.Vcpus)
        {
            vcpu.Raise(FlushRequest.All, new Reason("host", "remote_flush"));
            activity.System.Conductor.Poke(vcpu.Cpu);
            KickWithoutWaking(activity.System, vcpu, activity.Cpu);
        }
    }

    /// <summary>kvm_make_all_cpus_request with KVM_REQUEST_NO_WAKEUP.</summary>
    private static void KickWithoutWaking(InterruptSystem system, Vcpu vcpu, PhysicalCpu? self)
    {
        if (vcpu.State == VcpuThreadState.Runnable)
        {
            system.Kick(vcpu, self);
        }
    }
}
