using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>L0's emulation of the invalidations that L1 executes for its L2: INVVPID, INVEPT (docs/rules.md#invvpid-and-invept), INVLPGA.</summary>
internal sealed class EmulatedInvalidations
{
    private readonly MachineSpec _spec;
    private readonly KernelRules _rules;
    private readonly FlushFunctions _flush;
    private readonly MmuRoots _roots;
    private readonly NestedTransitions _nested;
    private readonly SafetyOracle? _oracle;
    private long _vmfails;

    public EmulatedInvalidations(MachineSpec spec, KernelRules rules, FlushFunctions flush, MmuRoots roots, NestedTransitions nested, SafetyOracle? oracle)
    {
        _spec = spec;
        _rules = rules;
        _flush = flush;
        _roots = roots;
        _nested = nested;
        _oracle = oracle;
    }

    private bool Amd => _spec.Profile.Vendor == Vendor.Amd;

    /// <summary>handle_invvpid.</summary>
    public void Invvpid(Lane lane, Vcpu vcpu, in TraceEvent e)
    {
        (ulong type, ulong vpid) = (e.A, e.B);
        if (_rules.Invvpid == InvvpidEmulation.NotOffered || _nested.Offered(VmControls.EnableVpid) == VmControls.None)
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
        bool elsewhere = _rules.InvvpidOnVmcs02Cpu && vcpu.Vmcs02.LoadedOn != lane.Index;
        if (elsewhere)
        {
            vcpu.Tags.Forget();
        }

        foreach (ushort tag in elsewhere ? [] : EffectiveTags(vcpu, type, (ushort)vpid))
        {
            if (tag != 0 && type == 0 && _rules.Invvpid != InvvpidEmulation.FlushVpid02AndEptp)
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
    public void Invept(Vcpu vcpu, in TraceEvent e)
    {
        if (!_spec.L0Ept)
        {
            return;
        }

        (ulong type, ulong eptp12) = (e.A, InveptSingle.Ep4taOf(e.B));
        if (InvalidationOperands.Invept(type, e.B, _nested.TakesFiveLevels) is not null)
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
    public void Invlpga(Lane lane, Vcpu vcpu, in TraceEvent e)
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

    /// <summary>Adds the counters.</summary>
    public void Collect(StatSheet sheet) => sheet.Counter(StatNames.Vmfails, "events", "INVVPID or INVEPT of L1 that failed with VMfail.", _vmfails);

    /// <summary>What L1 asked for, under the VPIDs that it knows.</summary>
    private static Invalidation Virtual(ulong type, ushort vpid12, ulong address) => type switch
    {
        0 => new InvvpidAddress(vpid12, address),
        1 => new InvvpidSingle(vpid12),
        2 => new InvvpidAll(),
        _ => new InvvpidSingleRetainGlobals(vpid12),
    };

    /// <summary>The real VPIDs that L1's INVVPID reaches: vpid02 whatever the operand (vpid01 if there is none); a pool knows which.</summary>
    private static IEnumerable<ushort> EffectiveTags(Vcpu vcpu, ulong type, ushort vpid12)
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
