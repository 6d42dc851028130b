using Sim.Core.Stats;
using Sim.Core.Traces;

namespace Sim.Kvm;

/// <summary>L0's MMU roots: which one a vCPU needs, what selecting and loading it costs and flushes (kvm-semantics.md 2.1, 2.6 "MMU" rows).</summary>
internal sealed class MmuRoots
{
    private const ulong PcidMask = 0xFFF;

    private readonly MachineSpec _spec;
    private readonly KernelRules _rules;
    private readonly FlushFunctions _flush;
    private readonly ShadowEpt _shadow;
    private long _syncs;
    private long _loads;
    private long _hits;

    public MmuRoots(MachineSpec spec, KernelRules rules, FlushFunctions flush, ShadowEpt shadow)
    {
        _spec = spec;
        _rules = rules;
        _flush = flush;
        _shadow = shadow;
    }

    /// <summary>The root that the active level needs.</summary>
    public RootKey Needed(VCpu vcpu) => vcpu.NeededRoot(_spec.L0Ept, _rules.L2HasOwnDirectRoot);

    /// <summary>kvm_mmu_new_pgd after a switch of the level or of CR3.</summary>
    public void Select(Lane lane, VCpu vcpu, Reason reason)
    {
        vcpu.RootReason = reason;
        RootCache mmu = vcpu.ActiveMmu(_spec.L0Ept);
        if (_rules.RootSwitch == RootSwitch.ReloadAndFlush)
        {
            mmu.DropCurrent();
            return;
        }

        if (!mmu.Select(Needed(vcpu)))
        {
            return;
        }

        _hits++;
        lane.HypervisorCycles += _spec.Profile.Costs.KvmRootLookup;
        vcpu.Raise(FlushRequest.LoadMmuPgd, reason);
        if (_rules.RootSwitch == RootSwitch.CachedAndFlush)
        {
            vcpu.Raise(FlushRequest.MmuSync, reason);
            vcpu.Raise(FlushRequest.All, reason);
        }
    }

    /// <summary>
    /// kvm_mmu_reload: if there is no current root, looks it up or allocates it, syncs and loads it, and flushes it directly. True if that raised KVM_REQ_TLB_FLUSH on all vCPUs.
    /// </summary>
    public bool Reload(Lane lane, VCpu vcpu)
    {
        RootCache mmu = vcpu.ActiveMmu(_spec.L0Ept);
        if (mmu.Current is not null)
        {
            return false;
        }

        RootKey root = Needed(vcpu);
        bool flushRemote = root.Nested && _shadow.Load(root.Pgd);
        mmu.Load(root);
        _loads++;
        Sync();
        lane.HypervisorCycles += _spec.Profile.Costs.KvmRootLookup;
        _flush.Current(lane, vcpu, vcpu.RootReason with { Rule = "root_load" });
        return flushRemote;
    }

    /// <summary>kvm_mmu_sync_roots.</summary>
    public void Sync() => _syncs++;

    /// <summary>KVM_REQ_TLB_FLUSH_GUEST: the shadow part, then the hardware part unless a root reload will do it.</summary>
    public void FlushGuest(Lane lane, VCpu vcpu, Reason reason)
    {
        if (!_spec.L0Ept && _rules.ShadowGuestFlush == ShadowGuestFlush.Unload)
        {
            vcpu.RootMmu.Free(_ => true);
            vcpu.RootReason = reason;
            return;
        }

        if (_rules.Primitive == FlushPrimitive.Asid || (!_spec.L0Ept && _rules.ShadowGuestFlush == ShadowGuestFlush.Sync))
        {
            Sync();
        }

        _flush.Guest(lane, vcpu, reason);
    }

    /// <summary>kvm_invalidate_pcid without TDP (kvm-semantics.md 2.10).</summary>
    public void InvalidatePcid(VCpu vcpu, ushort pcid, Reason reason)
    {
        if (vcpu.Active.EffectivePcid == pcid)
        {
            vcpu.Raise(FlushRequest.MmuSync, reason);
            vcpu.Raise(_rules.Primitive == FlushPrimitive.ByRequest ? FlushRequest.Current : FlushRequest.All, reason);
        }

        // Without PCIDE every MOV to CR3 flushes anyhow, so cached roots stay although their PCID is 0 too.
        if ((vcpu.Active.Cr4 & Cr4Bits.Pcide) != 0)
        {
            RootKey needed = Needed(vcpu);
            vcpu.RootMmu.Free(root => root != needed && (root.Pgd & PcidMask) == pcid);
        }
    }

    /// <summary>Adds the counters.</summary>
    public void Collect(StatSheet sheet)
    {
        sheet.Counter("mmu.syncs", "events", "Synchronisations of shadow roots.", _syncs);
        sheet.Counter("mmu.root_loads", "events", "Roots that were not cached and had to be loaded.", _loads);
        sheet.Counter("mmu.shadow_pages", "events", "Shadow pages of EPT12 tables made.", _shadow.Made);
        sheet.Counter("mmu.zapped_pages", "events", "Shadow pages of EPT12 tables zapped.", _shadow.Zapped);
        sheet.Counter("mmu.root_hits", "events", "Cached roots that were selected.", _hits);
    }
}
