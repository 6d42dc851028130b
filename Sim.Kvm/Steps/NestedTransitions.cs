using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>L0's emulation of nested VM-entries and VM-exits (docs/rules.md#nested-transition): checks, the policy's decision, the switch of level and root. What hardware and KVM cost for it is its caller's to charge.</summary>
internal sealed class NestedTransitions
{
    private readonly MachineSpec _spec;
    private readonly IFlushPolicy _policy;
    private readonly KernelRules _rules;
    private readonly AddressSpaces _spaces;
    private readonly FlushFunctions _flush;
    private readonly MmuRoots _roots;
    private readonly RequestSteps _requests;
    private readonly FlushDecision _decision = new();
    private readonly List<FailedVmEntry> _failed = [];
    private long _entries;
    private long _exits;

    public NestedTransitions(MachineSpec spec, IFlushPolicy policy, AddressSpaces spaces, FlushFunctions flush, MmuRoots roots, RequestSteps requests)
    {
        _spec = spec;
        _policy = policy;
        _rules = policy.Rules(spec.Profile.Vendor);
        _spaces = spaces;
        _flush = flush;
        _roots = roots;
        _requests = requests;
    }

    /// <summary>Nested VM-entries that failed.</summary>
    public IReadOnlyList<FailedVmEntry> Failed => _failed;

    private bool Amd => _spec.Profile.Vendor == Vendor.Amd;

    /// <summary>
    /// Checks vmcs12 and takes note of it. False if the entry fails: then L1 goes on, and the L2 records that follow did not happen.
    /// </summary>
    public bool Accept(Lane lane, Vcpu vcpu, in TraceEvent e, out Vmcs12 vmcs12)
    {
        vmcs12 = new Vmcs12(e.C, Offered((VmControls)e.F), (uint)e.D, InveptSingle.Ep4taOf(e.E));
        string? fault = !Amd ? NotOffered((VmControls)e.F) ?? VmEntryChecks.Vmx(vmcs12.Controls, vmcs12.Vpid, e.E, TakesFiveLevels) : vmcs12.UsesVpid ? VmEntryChecks.Svm(vmcs12.Vpid) : null;
        if (fault is not null)
        {
            string check = Amd ? $"vmcb12: {fault}: VMRUN fails with exit code -1" : $"vmcs12: {fault}: VM-instruction error {VmEntryChecks.InvalidControlFields}, invalid control field";
            _failed.Add(new FailedVmEntry(e.Time, lane.Index, vcpu.Number, vmcs12.Address, check));
            return false;
        }

        if (!Amd && vmcs12.UsesEpt && VmEntryChecks.LevelsOf(e.E) is { } levels)
        {
            // What L0 does not offer, L1 is taken to have left alone.
            _spaces.HasLevels(vmcs12.Eptp, _spec.Profile.FiveLevelEpt ? levels : 4);
        }

        _entries++;
        return true;
    }

    /// <summary>nested_vmx_enter_non_root_mode. <paramref name="cr3OfL2"/> is that of vmcb12, if it is known.</summary>
    public void Enter(Lane lane, Vcpu vcpu, in Vmcs12 vmcs12, ulong? cr3OfL2)
    {
        _requests.BeforeSwitch(lane, vcpu);
        bool isNew = (vmcs12.UsesVpid || Amd) && !vcpu.Tags.Knows(vmcs12.Vpid);
        if (_rules.FreesRootsAtVmptrld && vmcs12.Address != vcpu.Vmcs12.Address)
        {
            vcpu.GuestMmu.Free(_ => true);
        }

        vcpu.Vmcs12 = vmcs12;
        if (cr3OfL2 is { } cr3)
        {
            vcpu.L2(vmcs12.Address).Root = cr3;
        }

        Cross(lane, vcpu, true, isNew);
    }

    /// <summary>nested_vmx_vmexit.</summary>
    public void Exit(Lane lane, Vcpu vcpu)
    {
        _requests.BeforeSwitch(lane, vcpu);
        Cross(lane, vcpu, false, false);
    }

    /// <summary>vmentry_fail_vmexit_guest_mode: L1 sees a VM-exit, L2 has not run, and what prepare_vmcs02 asked for is still pending.</summary>
    public void FailLate(Lane lane, Vcpu vcpu)
    {
        if (_rules.ServicesRequestsOnFailedEntry)
        {
            _requests.BeforeSwitch(lane, vcpu);
        }

        Cross(lane, vcpu, false, false);
    }

    /// <summary>L0 takes the vCPU out of L2 by force: vmx_leave_nested is a nested VM-exit, svm_leave_nested only goes back to vmcb01 and L1's MMU.</summary>
    public void LeaveByForce(Lane lane, Vcpu vcpu)
    {
        if (!Amd)
        {
            Exit(lane, vcpu);
            return;
        }

        _requests.BeforeSwitch(lane, vcpu);
        vcpu.GuestMode = false;
        Reason reason = new("nested_exit", "forced_leave");
        if (!_spec.L0Ept)
        {
            _roots.Select(lane, vcpu, reason);
        }

        if (_rules.FlushesOnForcedLeave)
        {
            vcpu.Raise(FlushRequest.MmuSync, reason);
            vcpu.Raise(FlushRequest.Current, reason);
        }
    }

    /// <summary>Takes note of a nested VM-exit, whatever the replay.</summary>
    public void CountExit() => _exits++;

    /// <summary>svm_set_cr4 for the level that is active now, whose CR4 takes the place of <paramref name="before"/>.</summary>
    public void LoadCr4(Lane lane, Vcpu vcpu, Cr4Bits before, string transition)
    {
        if (_rules.FlushesOnPgeChange && ((before ^ vcpu.Active.Cr4) & Cr4Bits.Pge) != 0)
        {
            _flush.Current(lane, vcpu, new Reason(transition, "cr4_pge"));
        }
    }

    /// <summary>nested_vmx_check_eptp: L0 offers five levels if its CPU has them (cpu_has_vmx_ept_5levels). Elsewhere a trace of another machine may name them.</summary>
    public bool TakesFiveLevels => _spec.Profile.FiveLevelEpt || !_spec.RefusesLevelsNotOffered;

    /// <summary>Controls that this L0 offers to L1; a trace recorded on another one may name more.</summary>
    public VmControls Offered(VmControls controls)
    {
        if (!_spec.L0Ept)
        {
            controls &= ~VmControls.EnableEpt;
        }

        return _spec.L0Vpid && _rules.OffersVpid ? controls : controls & ~VmControls.EnableVpid;
    }

    /// <summary>Adds the counters.</summary>
    public void Collect(StatSheet sheet)
    {
        sheet.Counter(StatNames.VmNestedEntries, "transitions", "Nested VM-entries that succeeded.", _entries);
        sheet.Counter(StatNames.VmNestedExits, "transitions", "Nested VM-exits.", _exits);
        sheet.Counter(StatNames.VmFailedEntries, "transitions", "VM-entries that failed their consistency checks.", _failed.Count);
    }

    /// <summary>
    /// Switches the VMCS, asks the policy, flushes what it wants flushed at once (still with the source's root), raises its requests, then
    /// switches level and root.
    /// </summary>
    private void Cross(Lane lane, Vcpu vcpu, bool isEntry, bool isNew)
    {
        Vmcs12 vmcs12 = vcpu.Vmcs12;
        NestedTransition transition = new(isEntry, _spec.L0Vpid, _spec.L0Ept, vmcs12.UsesVpid, vmcs12.UsesEpt, vcpu.Tags.Any, isNew)
        {
            TlbControl12 = isEntry && Amd ? vmcs12.Controls.TlbControl() : TlbControl.None,
        };
        _decision.Clear();
        _policy.OnTransition(transition, _decision);
        if (_decision.Vpid12Remembered)
        {
            vcpu.Tags.Remember(vmcs12.Vpid);
        }

        foreach (FlushStep step in _decision.Steps)
        {
            Reason reason = new(transition.Name, step.Rule);
            switch (step.Immediate)
            {
                case ImmediateFlush.Active:
                    _flush.OnlyPrimitive(lane, vcpu, reason);
                    break;
                case ImmediateFlush.Vpid02:
                    FlushFunctions.Vpid(lane, vcpu.Tags.Any ? vcpu.Tags.TagOf(vmcs12.Vpid) : vcpu.Vpid01, reason);
                    break;
                case ImmediateFlush.ActiveEptp:
                    _flush.ActiveEptp(lane, vcpu, reason);
                    break;
                default:
                    vcpu.Raise(step.Request!.Value, reason);
                    break;
            }
        }

        Cr4Bits before = vcpu.Active.Cr4;
        vcpu.GuestMode = isEntry;
        if (isEntry)
        {
            _flush.PrepareVmcb02(vcpu);
        }

        LoadCr4(lane, vcpu, before, transition.Name);
        _roots.Select(lane, vcpu, new Reason(transition.Name, "root_switch"));
        _roots.SyncWithoutVpid12(vcpu, new Reason(transition.Name, "no_vpid12"));
    }

    private string? NotOffered(VmControls controls) => _spec.RefusesControlsNotOffered ? VmEntryChecks.Offered(controls, Offered(controls)) : null;
}
