using Sim.Core.Traces;

namespace Sim.Workloads.Scenarios;

/// <summary>
/// Where the 4 KiB pages of an L2 under EPT12 lie in its guest-physical memory. The machine gives pages out in order of first use, data from 2 GiB on (page tables
/// from 1 GiB on), so a scenario can name "the EPT12 entry behind this page" without an address.
/// </summary>
internal sealed class L2Memory
{
    private const ulong FirstDataPage = 2UL << 30;

    private readonly SortedDictionary<(ulong Ept, ulong Root, ulong Page), ulong> _pages = [];
    private readonly SortedDictionary<ulong, ulong> _next = [];

    /// <summary>An access.</summary>
    public void Use(ScenarioEpt ept, ulong root, ulong address)
    {
        if (!_pages.ContainsKey(Key(ept, root, address)))
        {
            _pages.Add(Key(ept, root, address), Fresh(ept));
        }
    }

    /// <summary>A change of an entry of L2's page tables.</summary>
    public void Change(ScenarioEpt ept, ulong root, ulong address, MapChangeKind change)
    {
        if (change == MapChangeKind.Made)
        {
            Use(ept, root, address);
        }
        else if (change == MapChangeKind.Changed)
        {
            _pages[Key(ept, root, address)] = Fresh(ept);
        }
        else if (change == MapChangeKind.Removed)
        {
            _pages.Remove(Key(ept, root, address));
        }
    }

    /// <summary>Guest-physical address of a page; null if it has none.</summary>
    public ulong? PhysicalOf(ScenarioEpt ept, ulong root, ulong address) => _pages.TryGetValue(Key(ept, root, address), out ulong physical) ? physical : null;

    private static (ulong, ulong, ulong) Key(ScenarioEpt ept, ulong root, ulong address) => (ept.Root, address >> 63 != 0 ? ulong.MaxValue : root, address / ScenarioPages.Bytes);

    private ulong Fresh(ScenarioEpt ept)
    {
        ulong page = _next.GetValueOrDefault(ept.Root, FirstDataPage);
        _next[ept.Root] = page + ScenarioPages.Bytes;
        return page;
    }
}
