using Sim.Core.Stats;
using Sim.Core.Traces;

namespace Sim.Kvm;

/// <summary>L0's MMU roots: which one a vCPU needs, what selecting and loading it costs and flushes (docs/rules.md#tags-of-l1-and-l2, #transition-tables).</summary>
internal sealed class MmuRoots
{
    private const ulong PcidMask = 0xFFF;

    private readonly MachineSpec _spec;
    private readonly KernelRules _rules;
    private readonly FlushFunctions _flush;
    private readonly AddressSpaces _spaces;
    private readonly ShadowMmu _shadowMmu;
    private readonly ShadowEpt _shadow;
    private long _syncs;
    private long _loads;
    private long _hits;

    public MmuRoots(MachineSpec spec, KernelRules rules, FlushFunctions flush, AddressSpaces spaces, ShadowMmu shadowMmu, ShadowEpt shadow)
    {
        _spec = spec;
        _rules = rules;
        _flush = flush;
        _spaces = spaces;
        _shadowMmu = shadowMmu;
        _shadow = shadow;
    }

    /// <summary>The root that the active level needs.</summary>
    public RootKey Needed(Vcpu vcpu) => vcpu.NeededRoot(_spec.L0Ept, _rules.L2HasOwnDirectRoot);

    /// <summary>kvm_mmu_new_pgd after a switch of the level or of CR3.</summary>
    public void Select(Lane lane, Vcpu vcpu, Reason reason)
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
            vcpu.Raise(FlushOfCurrent, reason);
        }
    }

    /// <summary>
    /// kvm_mmu_reload: if there is no current root, looks it up or allocates it, syncs and loads it, and flushes it directly. True if that raised KVM_REQ_TLB_FLUSH on all vCPUs.
    /// </summary>
    public bool Reload(Lane lane, Vcpu vcpu)
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
        if (!Has(KernelDefects.NoSyncOnRootLoad))
        {
            Sync(lane, vcpu, vcpu.RootReason);
        }

        lane.HypervisorCycles += _spec.Profile.Costs.KvmRootLookup;
        Reason reason = vcpu.UnloadedFor ?? vcpu.RootReason with { Rule = "root_load" };
        if (Has(KernelDefects.FlushesCurrentBeforeRootLoad))
        {
            _flush.Current(lane, vcpu, reason);
            LoadPgd(vcpu);
        }
        else
        {
            LoadPgd(vcpu);
            _flush.Current(lane, vcpu, reason);
        }

        vcpu.UnloadedFor = null;
        return flushRemote;
    }

    /// <summary>MMU_SYNC: kvm_mmu_sync_roots. The current root only, not the cached ones.</summary>
    public void SyncRequested(Lane lane, Vcpu vcpu, Reason reason)
    {
        if (!Has(KernelDefects.NoSyncOnRequest))
        {
            Sync(lane, vcpu, reason);
        }
    }

    /// <summary>kvm_mmu_load_pgd: writes the current root into the VMCS.</summary>
    public void LoadPgd(Vcpu vcpu) => vcpu.LoadedRoot = vcpu.ActiveMmu(_spec.L0Ept).Current;

    /// <summary>A nested transition without vpid12 under kernels that sync its destination then (docs/rules.md#transition-tables, policy D).</summary>
    public void SyncWithoutVpid12(Vcpu vcpu, Reason reason)
    {
        if (_rules.SyncsRootWithoutVpid12 && !_spec.L0Ept && !vcpu.Vmcs12.UsesVpid)
        {
            vcpu.Raise(FlushRequest.MmuSync, reason);
        }
    }

    /// <summary>KVM_REQ_TLB_FLUSH_GUEST: the shadow part, then the hardware part unless a root reload will do it.</summary>
    public void FlushGuest(Lane lane, Vcpu vcpu, Reason reason)
    {
        if (!_spec.L0Ept && _rules.ShadowGuestFlush == ShadowGuestFlush.Unload)
        {
            _flush.CountGuest(reason);
            Unload(vcpu, reason);
            vcpu.UnloadedFor = reason;
            return;
        }

        if ((_rules.Primitive == FlushPrimitive.Asid || (!_spec.L0Ept && _rules.ShadowGuestFlush == ShadowGuestFlush.Sync)) && !Has(KernelDefects.NoSyncOnGuestFlush))
        {
            Sync(lane, vcpu, reason);
        }

        if (!_spec.L0Ept && _rules.ShadowGuestFlush == ShadowGuestFlush.Sync && !Has(KernelDefects.KeepsUnsyncRoots))
        {
            // kvm_mmu_sync_prev_roots: a cached root with unsync children goes, so that its next use loads and syncs it.
            vcpu.RootMmu.Free(root => root != vcpu.RootMmu.Current && _shadowMmu.HasUnsync(_spaces.Root(root)));
        }

        _flush.Guest(lane, vcpu, reason);
    }

    /// <summary>A shadow-paged guest flushed everything by INVPCID.</summary>
    public void GuestFlushedAll(Vcpu vcpu, Reason reason)
    {
        if (_rules.UnloadsOnInvpcidAll)
        {
            Unload(vcpu, reason);
        }
        else
        {
            vcpu.Raise(FlushRequest.Guest, reason);
        }
    }

    /// <summary>kvm_post_set_cr4 after a MOV to CR4 that exited.</summary>
    public void Cr4Changed(Vcpu vcpu, Cr4Bits before, Cr4Bits after, Reason reason)
    {
        Cr4Bits changed = before ^ after;
        bool clearsPcide = (changed & before & Cr4Bits.Pcide) != 0;
        if ((changed & _rules.Cr4BitsThatResetMmu) != 0 || (clearsPcide && _rules.ResetsMmuOnPcideCleared))
        {
            Unload(vcpu, reason);
            vcpu.GuestMmu.Free(_ => true);
        }

        if (!_spec.L0Ept && (changed & after & Cr4Bits.Pcide) != 0 && _rules.UnloadsWhenPcidIsEnabled)
        {
            Unload(vcpu, reason);
        }

        if (!_rules.RequestsFlushesOnCr4)
        {
            return;
        }

        if ((changed & Cr4Bits.Pge) != 0 || clearsPcide)
        {
            vcpu.Raise(FlushRequest.Guest, reason);
        }
        else if ((changed & Cr4Bits.Pae) != 0 || (changed & after & Cr4Bits.Smep) != 0)
        {
            vcpu.Raise(FlushRequest.Current, reason);
        }
    }

    /// <summary>The root in use is gone: it is loaded again before the next entry.</summary>
    public void CurrentIsGone(Vcpu vcpu, Reason reason)
    {
        RootCache mmu = vcpu.ActiveMmu(_spec.L0Ept);
        if (mmu.Current is not { } current)
        {
            return;
        }

        mmu.Free(root => root == current);
        if (_rules.ReloadDropsAllRoots)
        {
            vcpu.RootMmu.Free(_ => true);
            vcpu.GuestMmu.Free(_ => true);
        }

        vcpu.UnloadedFor ??= reason;
    }

    /// <summary>
    /// kvm_mmu_invlpg (no <paramref name="pcid"/>: every cached root) or kvm_mmu_invpcid_gva, then flush_gva. A PCID that is neither active nor a cached root's has nothing to flush: its root is flushed
    /// when it is loaded again.
    /// </summary>
    public void InvalidateAddress(Lane lane, Vcpu vcpu, ulong address, ushort? pcid, Reason reason)
    {
        RootKey[] roots = [.. vcpu.RootMmu.Cached.Where(root => pcid is null || (root.Pgd & PcidMask) == pcid)];
        if (pcid is { } named && roots.Length == 0 && vcpu.Active.EffectivePcid != named)
        {
            return;
        }

        if (!Has(KernelDefects.NoSyncOnInvlpg))
        {
            _shadowMmu.SyncAddress(lane, roots.Select(root => _spaces.Root(root)), address, reason);
        }

        _flush.Address(lane, vcpu, address, reason);
    }

    /// <summary>kvm_invalidate_pcid without TDP (docs/rules.md#guest-flushes).</summary>
    public void InvalidatePcid(Vcpu vcpu, ushort pcid, Reason reason)
    {
        if (vcpu.Active.EffectivePcid == pcid)
        {
            vcpu.Raise(FlushRequest.MmuSync, reason);
            vcpu.Raise(FlushOfCurrent, reason);
        }

        // Without PCIDE every MOV to CR3 flushes anyhow, so cached roots may stay although their PCID is 0 too.
        if (((vcpu.Active.Cr4 & Cr4Bits.Pcide) != 0 || _rules.FreesRootsWithoutPcids) && !Has(KernelDefects.KeepsRootsOfPcid))
        {
            RootKey needed = Needed(vcpu);
            vcpu.RootMmu.Free(root => root != needed && (root.Pgd & PcidMask) == pcid);
        }
    }

    /// <summary>Adds the counters.</summary>
    public void Collect(StatSheet sheet)
    {
        _shadowMmu.Collect(sheet);
        sheet.Counter(StatNames.MmuSyncs, "events", "Synchronisations of shadow roots.", _syncs);
        sheet.Counter(StatNames.MmuRootLoads, "events", "Roots that were not cached and had to be loaded.", _loads);
        sheet.Counter(StatNames.MmuShadowPages, "events", "Shadow pages of EPT12 tables made.", _shadow.Made);
        sheet.Counter(StatNames.MmuZappedPages, "events", "Shadow pages of EPT12 tables zapped.", _shadow.Zapped);
        sheet.Counter(StatNames.MmuRootHits, "events", "Cached roots that were selected.", _hits);
    }

    /// <summary>The request that flushes the active context: kernels with one flush primitive have no other.</summary>
    private FlushRequest FlushOfCurrent => _rules.Primitive is FlushPrimitive.ByRequest or FlushPrimitive.Asid ? FlushRequest.Current : FlushRequest.All;

    private bool Has(KernelDefects defect) => (_rules.Defects & defect) != 0;

    private void Sync(Lane lane, Vcpu vcpu, Reason reason)
    {
        _syncs++;
        RootKey root = vcpu.ActiveMmu(_spec.L0Ept).Current ?? Needed(vcpu);
        _shadowMmu.Sync(lane, _spaces.Root(root), root.GuestMode, reason);
    }

    /// <summary>kvm_mmu_unload: no root is left; the reload before the entry syncs and flushes.</summary>
    private static void Unload(Vcpu vcpu, Reason reason)
    {
        vcpu.RootMmu.Free(_ => true);
        vcpu.RootReason = reason;
    }
}
