using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>L0's emulation of L1's virtualization instructions: nested VM-entry and VM-exit (docs/rules.md#nested-transition), INVVPID, INVEPT (docs/rules.md#invvpid-and-invept), INVLPGA.</summary>
internal sealed class NestedVmx
{
    private readonly MachineSpec _spec;
    private readonly IFlushPolicy _policy;
    private readonly KernelRules _rules;
    private readonly FlushFunctions _flush;
    private readonly MmuRoots _roots;
    private readonly RequestService _requests;
    private readonly SafetyOracle? _oracle;
    private readonly FlushDecision _decision = new();
    private readonly List<FailedVmEntry> _failed = [];
    private long _entries;
    private long _exits;
    private long _vmfails;

    public NestedVmx(MachineSpec spec, IFlushPolicy policy, FlushFunctions flush, MmuRoots roots, RequestService requests, SafetyOracle? oracle)
    {
        _spec = spec;
        _policy = policy;
        _rules = policy.Rules(spec.Profile.Vendor);
        _flush = flush;
        _roots = roots;
        _requests = requests;
        _oracle = oracle;
    }

    /// <summary>Nested VM-entries that failed.</summary>
    public IReadOnlyList<FailedVmEntry> Failed => _failed;

    private bool Amd => _spec.Profile.Vendor == Vendor.Amd;

    /// <summary>
    /// Checks vmcs12 and takes note of it. False if the entry fails: then L1 goes on, and the L2 records that follow did not happen.
    /// </summary>
    public bool Accept(Lane lane, VCpu vcpu, in TraceEvent e, out Vmcs12 vmcs12)
    {
        vmcs12 = new Vmcs12(e.C, Offered((VmControls)e.F), (uint)e.D, InveptSingle.Ep4taOf(e.E));
        lane.HypervisorCycles += _spec.Profile.Costs.KvmNestedEntry;
        string? fault = !Amd ? NotOffered((VmControls)e.F) ?? VmEntryChecks.Vmx(vmcs12.Controls, vmcs12.Vpid, e.E) : vmcs12.UsesVpid ? VmEntryChecks.Svm(vmcs12.Vpid) : null;
        if (fault is not null)
        {
            string check = Amd ? $"vmcb12: {fault}: VMRUN fails with exit code -1" : $"vmcs12: {fault}: VM-instruction error {VmEntryChecks.InvalidControlFields}, invalid control field";
            _failed.Add(new FailedVmEntry(e.Time, lane.Index, vcpu.Id, vmcs12.Address, check));
            return false;
        }

        _entries++;
        return true;
    }

    /// <summary>nested_vmx_enter_non_root_mode. <paramref name="cr3OfL2"/> is that of vmcb12, if it is known.</summary>
    public void Enter(Lane lane, VCpu vcpu, in Vmcs12 vmcs12, ulong? cr3OfL2)
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
    public void Exit(Lane lane, VCpu vcpu)
    {
        _requests.BeforeSwitch(lane, vcpu);
        Cross(lane, vcpu, false, false);
    }

    /// <summary>vmentry_fail_vmexit_guest_mode: L1 sees a VM-exit, L2 has not run, and what prepare_vmcs02 asked for is still pending.</summary>
    public void FailLate(Lane lane, VCpu vcpu)
    {
        if (_rules.ServicesRequestsOnFailedEntry)
        {
            _requests.BeforeSwitch(lane, vcpu);
        }

        Cross(lane, vcpu, false, false);
    }

    /// <summary>L0 takes the vCPU out of L2 by force: vmx_leave_nested is a nested VM-exit, svm_leave_nested only goes back to vmcb01 and L1's MMU.</summary>
    public void LeaveByForce(Lane lane, VCpu vcpu)
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
    public void CountExit(Lane lane)
    {
        _exits++;
        lane.HypervisorCycles += _spec.Profile.Costs.KvmNestedExit;
    }

    /// <summary>handle_invvpid.</summary>
    public void Invvpid(Lane lane, VCpu vcpu, in TraceEvent e)
    {
        (ulong type, ulong vpid) = (e.A, e.B);
        if (_rules.Invvpid == InvvpidEmulation.NotOffered || Offered(VmControls.EnableVpid) == VmControls.None)
        {
            return;
        }

        int linearAddressBits = (vcpu.L1.Cr4 & Cr4Bits.La57) != 0 ? 57 : 48;
        if (InvalidationOperands.Invvpid(type, vpid, e.C, linearAddressBits) is not null)
        {
            _vmfails++;
            return;
        }

        _oracle?.Invalidated(vcpu, Virtual(type, (ushort)vpid, e.C), "L1");
        if ((_rules.Defects & KernelDefects.IgnoresInvvpid) != 0)
        {
            return;
        }

        Reason reason = new("emulation", "invvpid");
        bool elsewhere = _rules.InvvpidOnVmcs02Cpu && vcpu.LastLane[1] != lane.Index;
        if (elsewhere)
        {
            vcpu.Tags.Forget();
        }

        foreach (ushort tag in elsewhere ? [] : EffectiveTags(vcpu, type, (ushort)vpid))
        {
            if (type == 0 && _rules.Invvpid != InvvpidEmulation.FlushVpid02AndEptp)
            {
                lane.Execute(new InvvpidAddress(tag, e.C), reason);
            }
            else
            {
                FlushFunctions.Vpid(lane, tag, reason);
            }
        }

        switch (_rules.Invvpid)
        {
            case InvvpidEmulation.FlushVpid02AndEptp:
                _flush.ActiveEptp(lane, vcpu, reason);
                break;
            case InvvpidEmulation.FlushVpid02FreeRoots when !_spec.L0Ept:
                vcpu.RootMmu.Free(_ => true);
                break;
            case InvvpidEmulation.FlushVpid02FreeGuestRoots when !_spec.L0Ept:
                vcpu.RootMmu.Free(root => root.GuestMode);
                break;
            default:
                break;
        }
    }

    /// <summary>handle_invept.</summary>
    public void Invept(VCpu vcpu, in TraceEvent e)
    {
        if (!_spec.L0Ept)
        {
            return;
        }

        (ulong type, ulong eptp12) = (e.A, InveptSingle.Ep4taOf(e.B));
        if (InvalidationOperands.Invept(type, e.B) is not null)
        {
            _vmfails++;
            return;
        }

        _oracle?.Invalidated(vcpu, type == 1 ? new InveptSingle(eptp12) : new InveptGlobal(), "L1");
        Reason reason = new("emulation", "invept");
        switch (_rules.Invept)
        {
            case InveptEmulation.SyncAndFlush:
                vcpu.Raise(FlushRequest.MmuSync, reason);
                vcpu.Raise(FlushRequest.All, reason);
                break;
            case InveptEmulation.FreeRoots:
                vcpu.GuestMmu.Free(root => type == 2 || root.Pgd == eptp12);
                break;
            default:
                break;
        }
    }

    /// <summary>invlpga_interception: a page of the ASID that stands for the one named, of L1's own for 0, or of the shared one. One that a pool does not know holds nothing.</summary>
    public void Invlpga(Lane lane, VCpu vcpu, in TraceEvent e)
    {
        if (Amd)
        {
            _oracle?.Invalidated(vcpu, new Invlpga((ushort)e.A, e.B), "L1");
            if ((_rules.Defects & KernelDefects.IgnoresInvlpga) != 0)
            {
                return;
            }

            Reason reason = new("emulation", "invlpga");
            if (!_spec.L0Ept)
            {
                // KVM takes it for an INVLPG of L1: the address goes from the roots that are cached.
                _roots.InvalidateAddress(lane, vcpu, e.B, null, reason);
                return;
            }

            uint asid12 = (uint)e.A;
            bool isL2s = vcpu.Tags.Any && asid12 != 0;
            if (isL2s && vcpu.Tags.All.Count > 1 && !vcpu.Tags.Knows(asid12))
            {
                return;
            }

            _flush.AddressOf(lane, vcpu, isL2s ? vcpu.Tags.TagOf(asid12) : vcpu.Vpid01, e.B, reason);
        }
    }

    /// <summary>svm_set_cr4 for the level that is active now, whose CR4 takes the place of <paramref name="before"/>.</summary>
    public void LoadCr4(Lane lane, VCpu vcpu, Cr4Bits before, string transition)
    {
        if (_rules.FlushesOnPgeChange && ((before ^ vcpu.Active.Cr4) & Cr4Bits.Pge) != 0)
        {
            _flush.Current(lane, vcpu, new Reason(transition, "cr4_pge"));
        }
    }

    /// <summary>Adds the counters.</summary>
    public void Collect(StatSheet sheet)
    {
        sheet.Counter("vm.nested_entries", "transitions", "Nested VM-entries that succeeded.", _entries);
        sheet.Counter("vm.nested_exits", "transitions", "Nested VM-exits.", _exits);
        sheet.Counter("vm.failed_entries", "transitions", "VM-entries that failed their consistency checks.", _failed.Count);
        sheet.Counter("vm.vmfails", "events", "INVVPID or INVEPT of L1 that failed with VMfail.", _vmfails);
    }

    /// <summary>
    /// Switches the VMCS, asks the policy, flushes what it wants flushed at once (still with the source's root), raises its requests, then
    /// switches level and root.
    /// </summary>
    private void Cross(Lane lane, VCpu vcpu, bool isEntry, bool isNew)
    {
        lane.HypervisorCycles += _spec.Profile.Costs.Vmptrld;
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

    /// <summary>What L1 asked for, under the VPIDs that it knows.</summary>
    private static Invalidation Virtual(ulong type, ushort vpid12, ulong address) => type switch
    {
        0 => new InvvpidAddress(vpid12, address),
        1 => new InvvpidSingle(vpid12),
        2 => new InvvpidAll(),
        _ => new InvvpidSingleRetainGlobals(vpid12),
    };

    private string? NotOffered(VmControls controls) => _spec.RefusesControlsNotOffered ? VmEntryChecks.Offered(controls, Offered(controls)) : null;

    /// <summary>Controls that this L0 offers to L1; a trace recorded on another one may name more.</summary>
    private VmControls Offered(VmControls controls)
    {
        if (!_spec.L0Ept)
        {
            controls &= ~VmControls.EnableEpt;
        }

        return _spec.L0Vpid && _rules.OffersVpid ? controls : controls & ~VmControls.EnableVpid;
    }

    /// <summary>The real VPIDs that L1's INVVPID reaches: vpid02 whatever the operand (vpid01 if there is none); a pool knows which.</summary>
    private static IEnumerable<ushort> EffectiveTags(VCpu vcpu, ulong type, ushort vpid12)
    {
        if (!vcpu.Tags.Any)
        {
            return [vcpu.Vpid01];
        }

        if (type == 2 || vcpu.Tags.All.Count == 1)
        {
            return vcpu.Tags.All;
        }

        return vcpu.Tags.Knows(vpid12) ? [vcpu.Tags.TagOf(vpid12)] : [];
    }
}
