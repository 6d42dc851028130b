using Sim.Core.Profiles;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>
/// Every tree of paging structures in the simulated machine, made at first use: L0's own, L1's, each L2's, and the second-level tables.
/// An L2 is one VM per EPTP12, or per vmcs12 if it does not use EPT12.
/// </summary>
internal sealed class AddressSpaces
{
    /// <summary>EP4TAs are given out from here, one page each: they only need to differ.</summary>
    private const ulong FirstEp4ta = 0x10_0000_0000;

    private readonly MachineSpec _spec;
    private readonly FrameAllocator _host = new();
    private readonly FrameAllocator _l1Physical = new();
    private readonly Dictionary<(Tree Tree, ulong Vm, ulong Root), PageTable> _trees = [];
    private readonly Dictionary<ulong, FrameAllocator> _l2Physical = [];
    private ulong _nextEp4ta = FirstEp4ta;

    public AddressSpaces(MachineSpec spec) => _spec = spec;

    /// <summary>Whose entries a tree holds, and for which kind of address.</summary>
    private enum Tree
    {
        L0,
        L1,
        L1Shadow,
        L2,
        L2ShadowByL1,
        L2Shadow,
        Ept01,
        Ept01ForL2,
        Ept02,
        Recorded,
    }

    /// <summary>The page tables CR3 names in VMX root.</summary>
    public PageTable L0(ulong root) => Process(Tree.L0, 0, root, _host, _spec.L0Pages);

    /// <summary>The page tables hardware walks for L1: its own, or L0's shadow of them without EPT.</summary>
    public PageTable L1(ulong root) => _spec.L0Ept
        ? Process(Tree.L1, 0, root, _l1Physical, _spec.L1Pages)
        : Process(Tree.L1Shadow, 0, root, _host, Smaller(_spec.L1Pages, _spec.Ept01Pages));

    /// <summary>The page tables hardware walks for L2: its own under EPT12, L1's shadow of them under EPT01, or L0's shadow of either.</summary>
    public PageTable L2(in Vmcs12 vmcs12, ulong root)
    {
        PageSize underEpt12 = Smaller(_spec.L2Pages, _spec.Ept12Pages);
        return (_spec.L0Ept, vmcs12.UsesEpt) switch
        {
            (true, true) => Process(Tree.L2, vmcs12.Vm, root, L2Physical(vmcs12.Vm), _spec.L2Pages),
            (true, false) => Process(Tree.L2ShadowByL1, vmcs12.Vm, root, _l1Physical, underEpt12),
            _ => Process(Tree.L2Shadow, vmcs12.Vm, root, _host, Smaller(underEpt12, _spec.Ept01Pages)),
        };
    }

    /// <summary>The second-level table that a root of KVM's MMU stands for; null without EPT.</summary>
    public PageTable? Tdp(in RootKey root)
    {
        if (!_spec.L0Ept)
        {
            return null;
        }

        return root switch
        {
            { Nested: true } => Ept(Tree.Ept02, root.Pgd, Smaller(_spec.Ept12Pages, _spec.Ept01Pages)),
            { GuestMode: true } => Ept(Tree.Ept01ForL2, 0, _spec.Ept01Pages),
            _ => Ept(Tree.Ept01, 0, _spec.Ept01Pages),
        };
    }

    /// <summary>The second-level table that a recorded EPTP names, for as-recorded replay.</summary>
    public PageTable Recorded(ulong ep4ta)
    {
        (Tree, ulong, ulong) key = (Tree.Recorded, 0, ep4ta);
        if (!_trees.TryGetValue(key, out PageTable? tree))
        {
            tree = new PageTable(ep4ta, _spec.PagingLevels, Smaller(_spec.Ept12Pages, _spec.Ept01Pages), _host);
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

    private PageTable Process(Tree kind, ulong vm, ulong root, FrameAllocator frames, PageSize leaf)
    {
        (Tree, ulong, ulong) key = (kind, vm, root);
        if (!_trees.TryGetValue(key, out PageTable? tree))
        {
            tree = new PageTable(root, _spec.PagingLevels, leaf, frames, Kernel(kind, vm, frames, leaf), _spec.GlobalKernelPages);
            _trees.Add(key, tree);
        }

        return tree;
    }

    /// <summary>The upper half that all processes of one kernel share.</summary>
    private PageTable Kernel(Tree kind, ulong vm, FrameAllocator frames, PageSize leaf)
    {
        (Tree, ulong, ulong) key = (kind, vm, ulong.MaxValue);
        if (!_trees.TryGetValue(key, out PageTable? tree))
        {
            tree = new PageTable(ulong.MaxValue, _spec.PagingLevels, leaf, frames, null, _spec.GlobalKernelPages);
            _trees.Add(key, tree);
        }

        return tree;
    }

    private PageTable Ept(Tree kind, ulong eptp12, PageSize leaf)
    {
        (Tree, ulong, ulong) key = (kind, 0, eptp12);
        if (!_trees.TryGetValue(key, out PageTable? tree))
        {
            tree = new PageTable(_nextEp4ta, _spec.PagingLevels, leaf, _host);
            _nextEp4ta += 0x1000;
            _trees.Add(key, tree);
        }

        return tree;
    }
}
