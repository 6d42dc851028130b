namespace Sim.Kvm.Interrupts;

/// <summary>
/// When, and into which VMCS, KVM on VMX writes APICv controls that change while L2 is active (seed 2; docs/rules.md#apicv-inhibition). One file each, found by its
/// <see cref="Core.ComponentAttribute"/>; stateless. AVIC writes VMCB01 explicitly and needs no rule.
/// </summary>
public interface IApicvUpdateRule
{
    /// <summary>vmx_refresh_apicv_exec_ctrl: the vCPU's apicv_active just changed.</summary>
    /// <returns>Extra cycles: VMCS switches.</returns>
    int Refresh(ApicvUpdate update);

    /// <summary>A nested VM-exit loaded vmcs01.</summary>
    /// <returns>Extra cycles.</returns>
    int OnNestedExit(ApicvUpdate update);
}

/// <summary>What a rule may do about one vCPU.</summary>
public readonly struct ApicvUpdate
{
    private readonly InterruptSystem _system;
    private readonly Vcpu _vcpu;

    internal ApicvUpdate(InterruptSystem system, Vcpu vcpu)
    {
        _system = system;
        _vcpu = vcpu;
    }

    /// <summary>L2 is active: vmcs02 is the current VMCS.</summary>
    public bool GuestMode => _vcpu.GuestMode;

    /// <summary>Cost of one VMPTRLD.</summary>
    public int VmptrldCycles => _system.Spec.Profile.Costs.Vmptrld;

    /// <summary>Writes APICv controls and SVI into vmcs01.</summary>
    public void WriteVmcs01() => ApicvSteps.WriteControls(_system, _vcpu, _vcpu.Vmcs01);

    /// <summary>Writes APICv controls and SVI into the current VMCS, whichever it is.</summary>
    public void WriteCurrentVmcs() => ApicvSteps.WriteControls(_system, _vcpu, _vcpu.ActiveVmcs);

    /// <summary>Writes vmcs01 if it is the current VMCS; else sets vmx->nested.update_vmcs01_apicv_status.</summary>
    public void WriteVmcs01OrDefer()
    {
        if (GuestMode)
        {
            _vcpu.UpdateVmcs01ApicvStatus = true;
        }
        else
        {
            WriteVmcs01();
        }
    }

    /// <summary>Clears vmx->nested.update_vmcs01_apicv_status; returns what it was.</summary>
    public bool TakeDeferred()
    {
        bool deferred = _vcpu.UpdateVmcs01ApicvStatus;
        _vcpu.UpdateVmcs01ApicvStatus = false;
        return deferred;
    }

    /// <summary>Makes KVM_REQ_APICV_UPDATE.</summary>
    public void Request() => _vcpu.Requests |= VcpuRequests.ApicvUpdate;
}
