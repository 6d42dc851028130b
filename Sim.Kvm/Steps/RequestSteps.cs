namespace Sim.Kvm;

/// <summary>When pending requests are carried out: before a nested transition changes the level, and in vcpu_enter_guest (docs/rules.md#nested-transition, #request-order).</summary>
internal sealed class RequestSteps
{
    private readonly KernelRules _rules;
    private readonly FlushFunctions _flush;
    private readonly MmuRoots _roots;

    public RequestSteps(KernelRules rules, FlushFunctions flush, MmuRoots roots)
    {
        _rules = rules;
        _flush = flush;
        _roots = roots;
    }

    /// <summary>kvm_service_local_tlb_flush_requests while the level that raised them is still active.</summary>
    public void BeforeSwitch(Lane lane, Vcpu vcpu)
    {
        if (_rules.ServicesCurrentBeforeSwitch && vcpu.Take(FlushRequest.Current, out Reason current))
        {
            _flush.Current(lane, vcpu, current);
        }

        if (_rules.ServicesGuestBeforeSwitch && vcpu.Take(FlushRequest.Guest, out Reason guest))
        {
            _roots.FlushGuest(lane, vcpu, guest);
        }
    }

    /// <summary>
    /// vcpu_load and vcpu_enter_guest, up to the VM-entry itself. True if loading the root raised KVM_REQ_TLB_FLUSH on all vCPUs: the entry is cancelled then, and tried again.
    /// </summary>
    public bool BeforeEntry(Lane lane, Vcpu vcpu)
    {
        do
        {
            Service(lane, vcpu);
            if (_roots.Reload(lane, vcpu))
            {
                return true;
            }
        }
        while (vcpu.IsAnyFlushPending);
        return false;
    }

    /// <summary>vcpu_load and the first part of vcpu_enter_guest: requests that are pending are carried out; events are not injected and the root is not loaded yet.</summary>
    public void Service(Lane lane, Vcpu vcpu)
    {
        Vmcs vmcs = vcpu.ActiveVmcs;
        if (_rules.Tags != TagAllocation.PerCpu && vmcs.LoadedOn != lane.Index)
        {
            // vmx_vcpu_load_vmcs: per VMCS, and a VMCS never loaded counts as loaded elsewhere. nSVM's rework flushes what this VMCB runs with, and leaves the other one to its own VMRUN.
            bool isFirst = vmcs.LoadedOn < 0;
            if (!Has(isFirst ? KernelDefects.NoFlushOnFirstLoad : KernelDefects.NoFlushOnOtherCpu))
            {
                Reason reason = new("vm_entry", isFirst ? "first_load" : "other_cpu");
                if (_rules.Primitive == FlushPrimitive.Asid)
                {
                    _flush.OfVmcb(vcpu, reason);
                }
                else
                {
                    vcpu.Raise(FlushRequest.All, reason);
                }
            }

            vmcs.LoadedOn = lane.Index;
        }

        if (_rules.Tags == TagAllocation.PerVm && lane.TagsHeldFor != vcpu)
        {
            if (!Has(KernelDefects.NoFlushAfterSibling))
            {
                vcpu.Raise(FlushRequest.All, new Reason("vm_entry", "sibling_ran_here"));
            }

            lane.TagsHeldFor = vcpu;
        }

        foreach (FlushRequest request in _rules.ServiceOrder)
        {
            if (vcpu.Take(request, out Reason reason))
            {
                CarryOut(lane, vcpu, request, reason);
            }
        }
    }

    private bool Has(KernelDefects defect) => (_rules.Defects & defect) != 0;

    private void CarryOut(Lane lane, Vcpu vcpu, FlushRequest request, Reason reason)
    {
        switch (request)
        {
            case FlushRequest.MmuSync:
                _roots.SyncRequested(lane, vcpu, reason);
                break;
            case FlushRequest.LoadMmuPgd:
                _roots.LoadPgd(vcpu);
                break;
            case FlushRequest.All:
                vcpu.Take(FlushRequest.Current, out _);
                _flush.All(lane, vcpu, reason);
                break;
            case FlushRequest.Current:
                _flush.Current(lane, vcpu, reason);
                break;
            case FlushRequest.Guest:
                _roots.FlushGuest(lane, vcpu, reason);
                break;
            default:
                break;
        }
    }
}
