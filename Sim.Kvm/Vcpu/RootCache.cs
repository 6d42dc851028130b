namespace Sim.Kvm;

/// <summary>What names an MMU root: kvm_mmu_root_info plus the role bits that matter here.</summary>
/// <param name="Vm">Which L2 it shadows (without EPT); 0 for L1 and for second-level tables.</param>
/// <param name="Pgd">CR3 with its PCID (shadow paging), EPTP12 (nested EPT), or 0 for a direct root.</param>
/// <param name="GuestMode">role.guest_mode: made for L2.</param>
/// <param name="Nested">True for a shadow of EPT12 or NPT12 (guest_mmu).</param>
public readonly record struct RootKey(ulong Vm, ulong Pgd, bool GuestMode, bool Nested);

/// <summary>The current and up to three previous roots of one kvm_mmu (KVM_MMU_NUM_PREV_ROOTS), most recent first.</summary>
public sealed class RootCache
{
    private const int Roots = 4;

    private readonly List<RootKey> _recent = new(Roots);

    /// <summary>The current root; null if it must be loaded before the next entry.</summary>
    public RootKey? Current { get; private set; }

    /// <summary>The current root, if there is one, and the previous ones, most recent first.</summary>
    public IReadOnlyList<RootKey> Cached => _recent;

    /// <summary>kvm_mmu_new_pgd: makes <paramref name="key"/> current if it is cached (true), else leaves no current root (false).</summary>
    public bool Select(RootKey key)
    {
        bool hit = _recent.Remove(key);
        if (hit)
        {
            _recent.Insert(0, key);
            Current = key;
        }
        else
        {
            Current = null;
        }

        return hit;
    }

    /// <summary>kvm_mmu_load: makes a root current that was not cached; the least recently used one is forgotten.</summary>
    public void Load(RootKey key)
    {
        _recent.Remove(key);
        _recent.Insert(0, key);
        if (_recent.Count > Roots)
        {
            _recent.RemoveAt(Roots);
        }

        Current = key;
    }

    /// <summary>Forgets the roots that <paramref name="match"/> names, the current one included.</summary>
    public void Free(Func<RootKey, bool> match)
    {
        _recent.RemoveAll(key => match(key));
        if (Current is { } current && match(current))
        {
            Current = null;
        }
    }

    /// <summary>Leaves no current root; cached ones stay.</summary>
    public void DropCurrent() => Current = null;
}
