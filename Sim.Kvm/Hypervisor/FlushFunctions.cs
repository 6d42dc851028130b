using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>L0's vendor flush functions: what each request becomes on the hardware (docs/rules.md#flush-functions for VMX, #nsvm-today for SVM).</summary>
internal sealed class FlushFunctions
{
    private readonly MachineSpec _spec;
    private readonly KernelRules _rules;
    private readonly AddressSpaces _spaces;
    private readonly Action<FlushCall>? _calls;
    private readonly AsidGenerations _asids;
    private readonly SortedDictionary<(string Request, string Transition, string Rule), long> _requests = [];

    /// <summary>The functions of one kernel; <paramref name="calls"/>, if given, is told of each call.</summary>
    public FlushFunctions(MachineSpec spec, KernelRules rules, AddressSpaces spaces, Action<FlushCall>? calls)
    {
        _spec = spec;
        _rules = rules;
        _spaces = spaces;
        _calls = calls;
        _asids = new AsidGenerations(spec.Profile.AddressSpaceIds, rules);
    }

    private bool Amd => _spec.Profile.Vendor == Vendor.Amd;

    private bool Has(KernelDefects defect) => (_rules.Defects & defect) != 0;

    /// <summary>flush_tlb_all.</summary>
    public void All(Lane lane, Vcpu vcpu, Reason reason)
    {
        Call(lane, vcpu, FlushFunction.All, "all", reason);
        switch (_rules.Primitive)
        {
            case var _ when Has(KernelDefects.FlushAllActiveOnly):
                One(lane, vcpu, HardwareTag(vcpu), vcpu.ActiveMmu(_spec.L0Ept).Current, reason);
                break;
            case var _ when Has(KernelDefects.FlushAllForgetsL2):
                One(lane, vcpu, vcpu.Vpid01, vcpu.RootOf(false, _rules.L2HasOwnDirectRoot), reason);
                break;
            case FlushPrimitive.Asid:
                Asid(vcpu, vcpu.Vpid01, reason);
                foreach (ushort asid in vcpu.Tags.All)
                {
                    Asid(vcpu, asid, reason);
                }

                break;
            case FlushPrimitive.ByRequest when _spec.L0Ept && !Has(KernelDefects.FlushAllByVpid):
                lane.Execute(new InveptGlobal(), reason);
                break;
            case FlushPrimitive.ByRequest when _spec.L0Vpid:
                lane.Execute(new InvvpidAll(), reason);
                break;
            case FlushPrimitive.ByRequest:
                break;
            default:
                OnlyPrimitive(lane, vcpu, reason);
                break;
        }
    }

    /// <summary>The ASIDs that the VMCB in use stands for: L1's own, or those of L2.</summary>
    public void OfVmcb(Vcpu vcpu, Reason reason)
    {
        Count("asid", reason);
        foreach (ushort asid in vcpu.GuestMode && vcpu.Tags.Any ? vcpu.Tags.All : [vcpu.Vpid01])
        {
            Asid(vcpu, asid, reason);
        }
    }

    /// <summary>flush_tlb_current, or the only primitive of kernels that have no other.</summary>
    public void Current(Lane lane, Vcpu vcpu, Reason reason)
    {
        Call(lane, vcpu, FlushFunction.Current, "current", reason);
        switch (_rules.Primitive)
        {
            case FlushPrimitive.Asid:
                Asid(vcpu, HardwareTag(vcpu), reason);
                break;
            case FlushPrimitive.ByRequest when _spec.L0Ept && Has(KernelDefects.FlushesCurrentBeforeRootLoad):
                Eptp(lane, vcpu.LoadedRoot, reason);
                break;
            case FlushPrimitive.ByRequest when _spec.L0Ept:
                ActiveEptp(lane, vcpu, reason);
                break;
            case FlushPrimitive.ByRequest:
                Vpid(lane, CurrentTag(vcpu, _rules.FlushCurrentVpid), reason);
                break;
            default:
                OnlyPrimitive(lane, vcpu, reason);
                break;
        }
    }

    /// <summary>flush_tlb_guest: hardware only; what it does to shadow roots is <see cref="MmuRoots"/>' part.</summary>
    public void Guest(Lane lane, Vcpu vcpu, Reason reason)
    {
        Call(lane, vcpu, FlushFunction.Guest, "guest", reason);
        if (Amd)
        {
            Asid(vcpu, HardwareTag(vcpu), reason);
        }
        else
        {
            ushort vpid = CurrentTag(vcpu, _rules.FlushGuestVpid);
            if (vpid != 0 && Has(KernelDefects.FlushGuestRetainsGlobals))
            {
                lane.Execute(new InvvpidSingleRetainGlobals(vpid), reason);
            }
            else
            {
                Vpid(lane, vpid, reason);
            }
        }
    }

    /// <summary>KVM_REQ_TLB_FLUSH_GUEST that unloads all roots instead of calling flush_tlb_guest.</summary>
    public void CountGuest(Reason reason) => Count("guest", reason);

    /// <summary>flush_tlb_gva.</summary>
    public void Address(Lane lane, Vcpu vcpu, ulong address, Reason reason)
    {
        ushort tag = CurrentTag(vcpu, _rules.FlushGuestVpid);
        if (Amd)
        {
            AddressOf(lane, vcpu, tag, address, reason);
            return;
        }

        Report(lane, vcpu, FlushFunction.Address, reason);
        if (tag != 0 && !Has(KernelDefects.NoAddressFlush))
        {
            lane.Execute(new InvvpidAddress(tag, address), reason);
        }
    }

    /// <summary>vmx_flush_tlb of kernels up to 5.7, on the VPID and root that are active at this moment.</summary>
    public void OnlyPrimitive(Lane lane, Vcpu vcpu, Reason reason)
    {
        if (_rules.Primitive == FlushPrimitive.Vpid01AndActiveEptp || !_spec.L0Ept)
        {
            Vpid(lane, vcpu.Vpid01, reason);
        }

        ActiveEptp(lane, vcpu, reason);
    }

    /// <summary>ept_sync_context of the current root; nothing if there is no valid one, or no EPT.</summary>
    public void ActiveEptp(Lane lane, Vcpu vcpu, Reason reason) => Eptp(lane, vcpu.ActiveMmu(_spec.L0Ept).Current, reason);

    /// <summary>One context: its ASID, its root with EPT, else its VPID.</summary>
    private void One(Lane lane, Vcpu vcpu, ushort tag, RootKey? root, Reason reason)
    {
        if (Amd)
        {
            Asid(vcpu, tag, reason);
        }
        else if (_spec.L0Ept)
        {
            Eptp(lane, root, reason);
        }
        else
        {
            Vpid(lane, tag, reason);
        }
    }

    private void Eptp(Lane lane, RootKey? root, Reason reason)
    {
        if (root is { } key && _spaces.Tdp(key) is { } table)
        {
            lane.Execute(new InveptSingle(table.Root), reason);
        }
    }

    /// <summary>vpid_sync_context: nothing for VPID 0.</summary>
    public static void Vpid(Lane lane, ushort vpid, Reason reason)
    {
        if (vpid != 0)
        {
            lane.Execute(new InvvpidSingle(vpid), reason);
        }
    }

    /// <summary>The VPID or ASID field of the VMCS or VMCB that the vCPU runs with now.</summary>
    public ushort HardwareTag(Vcpu vcpu) =>
        vcpu.GuestMode && vcpu.Tags.Any && (vcpu.Vmcs12.UsesVpid || Amd) ? vcpu.Tags.TagOf(vcpu.Vmcs12.Vpid) : vcpu.Vpid01;

    /// <summary>Adds the requests that were carried out.</summary>
    public void Collect(StatSheet sheet)
    {
        foreach (((string request, string transition, string rule), long count) in _requests)
        {
            sheet.Counter(StatNames.FlushRequests, "events", "Flush requests carried out.", count, $"request={request},transition={transition},rule={rule}");
        }
    }

    /// <summary>svm_flush_tlb_gva: a page of an ASID, at once, or all of the ASID at the next VMRUN.</summary>
    public void AddressOf(Lane lane, Vcpu vcpu, ushort asid, ulong address, Reason reason)
    {
        Report(lane, vcpu, FlushFunction.Address, reason);
        if (_rules.AddressFlushTakesAsid && _spec.L0Ept)
        {
            Report(lane, vcpu, FlushFunction.Asid, reason);
            Asid(vcpu, asid, reason);
        }
        else if (!Has(KernelDefects.NoAddressFlush))
        {
            lane.Execute(new Invlpga(asid, address), reason);
        }
    }

    /// <summary>VMRUN, the part before the guest runs: pre_svm_run gives it an ASID, then hardware does what TLB_CONTROL says, unless the VMRUN fails. Nothing on VMX.</summary>
    public void BeforeRun(Lane lane, Vcpu vcpu, bool fails)
    {
        if (!Amd)
        {
            return;
        }

        bool ranOut = _rules.Tags == TagAllocation.PerCpu && _asids.BeforeRun(lane.Index, vcpu, fails);
        int control = TlbControlOf(vcpu, HardwareTag(vcpu));
        bool flushes = vcpu.TlbControl.Remove(control, out Reason reason);
        if (fails)
        {
            if (flushes && _rules.KeepsFlushOfFailedRun)
            {
                vcpu.TlbControl.Add(control, reason);
            }

            return;
        }

        if (ranOut)
        {
            lane.Execute(new TlbControlAll(), new Reason("vm_entry", "asids_ran_out"));
        }
        else if (flushes)
        {
            lane.Execute(_spec.Profile.FlushByAsid ? new TlbControlAsid(HardwareTag(vcpu)) : new TlbControlAll(), reason);
        }
    }

    /// <summary>A CPU comes online.</summary>
    public void ComesOnline(Lane lane) => _asids.ComesOnline(lane.Index);

    /// <summary>nested_vmcb02_prepare_control. A mutant forgets what is pending for the L2 that is entered.</summary>
    public void PrepareVmcb02(Vcpu vcpu)
    {
        if (Has(KernelDefects.ClobbersTlbControl))
        {
            vcpu.TlbControl.Remove(TlbControlOf(vcpu, HardwareTag(vcpu)));
        }
    }

    /// <summary>Which TLB_CONTROL flushes an ASID: that of the VMCB in use where L1 and L2 share one, else that of the VMCB with this ASID.</summary>
    private int TlbControlOf(Vcpu vcpu, ushort asid) => _rules.Tags != TagAllocation.PerCpu ? asid : vcpu.AsidVmcbIndex;

    /// <summary>svm_flush_tlb_asid: TLB_CONTROL of the next VMRUN; without FlushByAsid a new ASID then, or a whole-TLB flush where ASIDs are fixed.</summary>
    private void Asid(Vcpu vcpu, ushort asid, Reason reason)
    {
        if (_rules.Tags == TagAllocation.PerCpu && !_spec.Profile.FlushByAsid)
        {
            vcpu.AsidVmcb.AsidGeneration--;
        }
        else
        {
            vcpu.TlbControl.TryAdd(TlbControlOf(vcpu, asid), reason);
        }
    }

    private ushort CurrentTag(Vcpu vcpu, CurrentVpid rule) => rule switch
    {
        CurrentVpid.Vpid02InGuestMode when vcpu.GuestMode && vcpu.Tags.Any => vcpu.Tags.TagOf(vcpu.Vmcs12.Vpid),
        CurrentVpid.Vpid02IfVpid12 => HardwareTag(vcpu),
        _ => vcpu.Vpid01,
    };

    private void Report(Lane lane, Vcpu vcpu, FlushFunction function, Reason reason) =>
        _calls?.Invoke(new FlushCall(lane.Time, lane.Index, vcpu.Number, function, reason.Transition, reason.Rule));

    private void Call(Lane lane, Vcpu vcpu, FlushFunction function, string request, Reason reason)
    {
        Report(lane, vcpu, function, reason);
        Count(request, reason);
    }

    private void Count(string request, Reason reason)
    {
        (string, string, string) key = (request, reason.Transition, reason.Rule);
        _requests[key] = _requests.GetValueOrDefault(key) + 1;
    }
}
