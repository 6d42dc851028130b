using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>
/// Every tree of paging structures in the simulated machine, made at first use: L0's own, L1's, each L2's, EPT12s, EPT01, and those that L0 derives from them (EPT02,
/// shadow page tables). An L2 is one VM per EPTP12, or per vmcs12 if it does not use EPT12.
/// </summary>
/// <remarks>
/// A page that L1 gives to an L2 lies above <see cref="L2Memory"/> in L1's physical memory; L1's own pages lie below, in order of first use. A derived tree
/// takes what its sources say when an address is first used; who changes a source must see to it (<see cref="ShadowMmu"/>).
/// </remarks>
internal sealed class AddressSpaces
{
    /// <summary>EP4TAs are given out from here, one page each: they only need to differ.</summary>
    private const ulong FirstEp4ta = 0x10_0000_0000;

    /// <summary>Where the part of L1's physical memory begins that it gives to L2s through EPT12.</summary>
    private const ulong L2Memory = 1UL << 40;

    // Leaves of a derived tree are as large as those of the trees that it is derived from.
    private const PageSize Largest = PageSize.Size1G;

    private const ulong KernelRoot = ulong.MaxValue;
    private const ulong PcidMask = 0xFFF;

    private readonly MachineSpec _spec;
    private readonly FrameAllocator _host = new();
    private readonly FrameAllocator _l1Physical = new();
    private readonly FrameAllocator _l1PhysicalForL2 = new(L2Memory);
    private readonly Dictionary<(Tree Tree, ulong Vm, ulong Root), PageTable> _trees = [];
    private readonly Dictionary<ulong, FrameAllocator> _l2Physical = [];
    private readonly Dictionary<PageTable, Derivation> _derivations = [];
    private readonly Dictionary<PageTable, PageTable> _shadows = [];
    private readonly List<PageTable> _derived = [];
    private readonly List<PageTable> _ept12s = [];
    private readonly Dictionary<ulong, int> _levels = [];
    private ulong _nextEp4ta = FirstEp4ta;

    public AddressSpaces(MachineSpec spec) => _spec = spec;

    /// <summary>Whose entries a tree holds, and for which kind of address.</summary>
    private enum Tree
    {
        L0,
        L1,
        L1Shadow,
        L2,
        L2Shadow,
        Ept12,
        Ept01,
        Ept01ForL2,
        Ept02,
        Recorded,
    }

    /// <summary>The page tables CR3 names in VMX root.</summary>
    public PageTable L0(ulong root) => Process(Tree.L0, 0, root, _host, _spec.L0Pages ?? PageSize.Size4K, _spec.L0Pages ?? PageSize.Size2M);

    /// <summary>EPT01 (NPT01): what L1's physical memory is to L0. Without EPT, what the host's memory slots say.</summary>
    public PageTable Host => Second(Tree.Ept01, 0, _spec.Ept01Pages, _host, null, address => (address < L2Memory ? _l1Physical : _l1PhysicalForL2).MappedBy(address));

    /// <summary>All EPT12s (NPT12s) so far, in order of first use.</summary>
    public IReadOnlyList<PageTable> Ept12s => _ept12s;

    /// <summary>EPT12 (NPT12): what L1 says L2's physical memory is.</summary>
    public PageTable Ept12(ulong eptp12) => Second(Tree.Ept12, eptp12, _spec.Ept12Pages, _l1PhysicalForL2, null, L2Physical(eptp12).MappedBy);

    /// <summary>How many levels an EPT12 has, and with it its EPT02 (nested_ept_init_mmu_context). The first entry that tells decides; without one they have those of all other tables.</summary>
    public void HasLevels(ulong eptp12, int levels) => _levels.TryAdd(eptp12, levels);

    /// <summary>L1's own page tables.</summary>
    public PageTable L1Tables(ulong root) => Process(Tree.L1, 0, root, _l1Physical, _spec.L1Pages, _spec.L1Pages);

    /// <summary>The page tables that CR3 names in L2: L2's own under EPT12, L1's shadow of them without.</summary>
    public PageTable L2Tables(in Vmcs12 vmcs12, ulong root)
    {
        (FrameAllocator frames, PageSize leaf) = vmcs12.UsesEpt ? (L2Physical(vmcs12.Vm), _spec.L2Pages) : (_l1Physical, Smaller(_spec.L2Pages, _spec.Ept12Pages));
        return Process(Tree.L2, vmcs12.Vm, root, frames, leaf, leaf);
    }

    /// <summary>The page tables hardware walks for L1: its own, or L0's shadow of them without EPT.</summary>
    public PageTable L1(ulong root) => _spec.L0Ept ? L1Tables(root) : Shadow(Tree.L1Shadow, 0, L1Tables(root));

    /// <summary>The page tables hardware walks for L2: those that CR3 names, or L0's shadow of them without EPT.</summary>
    public PageTable L2(in Vmcs12 vmcs12, ulong root) => _spec.L0Ept ? L2Tables(vmcs12, root) : ShadowOfL2(vmcs12.Vm, L2Tables(vmcs12, root));

    /// <summary>The tree that a root of KVM's MMU stands for: a second-level table, or a shadow of a guest's tables without EPT.</summary>
    public PageTable Root(in RootKey root)
    {
        ulong cr3 = root.Pgd & ~PcidMask;
        return Tdp(root) ?? (root.GuestMode ? L2(new Vmcs12(root.Vm, VmControls.None, 0, 0), cr3) : L1(cr3));
    }

    /// <summary>The second-level table that a root of KVM's MMU stands for; null without EPT.</summary>
    public PageTable? Tdp(in RootKey root)
    {
        if (!_spec.L0Ept)
        {
            return null;
        }

        ulong eptp12 = root.Pgd;
        return root switch
        {
            { Nested: true } => Second(Tree.Ept02, eptp12, Largest, _host, Ept12(eptp12)),
            { GuestMode: true } => Second(Tree.Ept01ForL2, 0, Largest, _host, Host),
            _ => Host,
        };
    }

    /// <summary>The tree that L0 derives from the guest's, if there is one yet: EPT02 of an EPT12, the shadow of page tables.</summary>
    public PageTable? ShadowOf(PageTable guest) => _shadows.GetValueOrDefault(guest);

    /// <summary>The guest's tree that a tree is derived from; null if it is not derived from any.</summary>
    public PageTable? ShadowSource(PageTable tree) => _derivations.GetValueOrDefault(tree)?.Guest;

    /// <summary>What the sources of a derived tree say of an address now; false if they do not map it. Makes no mappings.</summary>
    public bool TryFindSource(PageTable derived, ulong address, out Mapping mapping)
    {
        Derivation derivation = _derivations[derived];
        return derivation.Guest is { } guest ? new AddressChain(guest, null, Host).TryFind(address, out mapping) : Host.TryFind(address, out mapping);
    }

    /// <summary>The trees that L0 derives from EPT01, alone or with a guest's.</summary>
    public IReadOnlyList<PageTable> Derived => _derived;

    /// <summary>
    /// What a pair of trees that hardware walks stands for: the guest's own tables, EPT12 if there is one, then EPT01. For trees that are not L0's own.
    /// </summary>
    public AddressChain ChainOf(PageTable tables, PageTable? nested)
    {
        PageTable guest = _derivations.TryGetValue(tables, out Derivation? shadow) ? shadow.Guest! : tables;
        PageTable? ept12 = nested is not null && _derivations.TryGetValue(nested, out Derivation? second) ? second.Guest : null;
        return new AddressChain(guest, ept12, Host);
    }

    /// <summary>The second-level table that a recorded EPTP names, for as-recorded replay: of an L2 if a vmcs12 with EPT is given, else of L1's memory.</summary>
    public PageTable Recorded(ulong ep4ta, in Vmcs12? vmcs12)
    {
        (Tree, ulong, ulong) key = (Tree.Recorded, 0, ep4ta);
        if (!_trees.TryGetValue(key, out PageTable? tree))
        {
            FrameAllocator guest = vmcs12 is { UsesEpt: true } l2 ? L2Physical(l2.Vm) : _l1Physical;
            tree = new PageTable(ep4ta, _spec.PagingLevels, Smaller(_spec.Ept12Pages, _spec.Ept01Pages), _host, told: guest.MappedBy);
            _trees.Add(key, tree);
        }

        return tree;
    }

    /// <summary>KVM's name of an EP4TA: eptp01, eptp02 (the direct root of an L2 without EPT12) or eptp02:EPTP12.</summary>
    public string NameOf(ulong ep4ta)
    {
        foreach (((Tree tree, _, ulong eptp12), PageTable table) in _trees)
        {
            if (table.Root == ep4ta && tree is (Tree.Ept01 or Tree.Ept01ForL2 or Tree.Ept02))
            {
                return tree switch { Tree.Ept01 => "eptp01", Tree.Ept01ForL2 => "eptp02", _ => $"eptp02:0x{eptp12:x}" };
            }
        }

        return $"eptp-0x{ep4ta:x}";
    }

    private static PageSize Smaller(PageSize a, PageSize b) => a < b ? a : b;

    private FrameAllocator L2Physical(ulong vm)
    {
        if (!_l2Physical.TryGetValue(vm, out FrameAllocator? frames))
        {
            frames = new FrameAllocator();
            _l2Physical.Add(vm, frames);
        }

        return frames;
    }

    private PageTable ShadowOfL2(ulong vm, PageTable guest) => Shadow(Tree.L2Shadow, vm, guest);

    private PageTable Process(Tree kind, ulong vm, ulong root, FrameAllocator frames, PageSize programs, PageSize kernels)
    {
        (Tree, ulong, ulong) key = (kind, vm, root);
        if (!_trees.TryGetValue(key, out PageTable? tree))
        {
            (Tree, ulong, ulong) kernelKey = (kind, vm, KernelRoot);
            if (!_trees.TryGetValue(kernelKey, out PageTable? kernel))
            {
                kernel = new PageTable(KernelRoot, _spec.PagingLevels, kernels, frames, null, _spec.GlobalKernelPages);
                _trees.Add(kernelKey, kernel);
            }

            tree = new PageTable(root, _spec.PagingLevels, programs, frames, kernel, _spec.GlobalKernelPages);
            _trees.Add(key, tree);
        }

        return tree;
    }

    /// <summary>L0's shadow of a guest's page tables, with the upper half that all processes of the guest's kernel share.</summary>
    private PageTable Shadow(Tree kind, ulong vm, PageTable guest)
    {
        (Tree, ulong, ulong) key = (kind, vm, guest.Root);
        if (!_trees.TryGetValue(key, out PageTable? tree))
        {
            (Tree, ulong, ulong) kernelKey = (kind, vm, KernelRoot);
            PageTable guestKernel = guest.Owner(ulong.MaxValue);
            if (!_trees.TryGetValue(kernelKey, out PageTable? kernel))
            {
                kernel = Derive(new Derivation(guestKernel, Host), source => new PageTable(KernelRoot, _spec.PagingLevels, Largest, _host, null, _spec.GlobalKernelPages, source));
                _trees.Add(kernelKey, kernel);
            }

            tree = Derive(new Derivation(guest, Host), source => new PageTable(guest.Root, _spec.PagingLevels, Largest, _host, kernel, _spec.GlobalKernelPages, source));
            _trees.Add(key, tree);
        }

        return tree;
    }

    /// <summary>A second-level table: of its own, or derived.</summary>
    private PageTable Second(Tree kind, ulong eptp12, PageSize leaf, FrameAllocator frames, PageTable? from, Func<ulong, PageSize?>? told = null)
    {
        (Tree, ulong, ulong) key = (kind, 0, eptp12);
        if (!_trees.TryGetValue(key, out PageTable? tree))
        {
            ulong ep4ta = kind == Tree.Ept12 ? eptp12 : NextEp4ta();
            int levels = kind is Tree.Ept12 or Tree.Ept02 ? _levels.GetValueOrDefault(eptp12, _spec.PagingLevels) : _spec.PagingLevels;
            tree = from is null
                ? new PageTable(ep4ta, levels, leaf, frames, told: told)
                : Derive(new Derivation(kind == Tree.Ept02 ? from : null, Host), source => new PageTable(ep4ta, levels, leaf, frames, source: source));
            _trees.Add(key, tree);
            if (kind == Tree.Ept12)
            {
                _ept12s.Add(tree);
            }
        }

        return tree;
    }

    private ulong NextEp4ta()
    {
        ulong ep4ta = _nextEp4ta;
        _nextEp4ta += 0x1000;
        return ep4ta;
    }

    private PageTable Derive(Derivation derivation, Func<Func<ulong, Mapping>, PageTable> make)
    {
        PageTable tree = make(derivation.Map);
        _derivations.Add(tree, derivation);
        _derived.Add(tree);
        if (derivation.Guest is { } guest)
        {
            _shadows.Add(guest, tree);
        }

        return tree;
    }

    /// <summary>Where the leaves of a derived tree come from: a guest's tree (null for none) and then EPT01.</summary>
    private sealed record Derivation(PageTable? Guest, PageTable Host)
    {
        public Mapping Map(ulong address) => Guest is null ? Host.Map(address) : Guest.Map(address).Through(address, Host.Map(Guest.Map(address).At(address)));
    }
}
