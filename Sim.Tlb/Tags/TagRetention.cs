namespace Sim.Tlb;

/// <summary>
/// Which VPIDs, and which PCIDs of each VPID, were current most recently. A structure that keeps k tags keeps the first k of this order
/// (TLB;DR, USENIX Security 2022, finds LRU among the PCIDs of an STLB).
/// </summary>
internal sealed class TagRetention
{
    private readonly int _maxVpids;
    private readonly int _maxPcids;
    private readonly List<ushort> _vpids = [];
    private readonly Dictionary<ushort, List<ushort>> _pcids = [];

    /// <summary>An order that is exact for limits up to these (0 counts as 1).</summary>
    public TagRetention(int maxVpids, int maxPcids)
    {
        _maxVpids = Math.Max(maxVpids, 1);
        _maxPcids = Math.Max(maxPcids, 1);
    }

    /// <summary>Makes the VPID current and reports the order.</summary>
    public Promotion PromoteVpid(ushort vpid) => Promote(_vpids, vpid, _maxVpids);

    /// <summary>Makes the PCID current among those of the VPID and reports the order.</summary>
    public Promotion PromotePcid(ushort vpid, ushort pcid)
    {
        if (!_pcids.TryGetValue(vpid, out List<ushort>? order))
        {
            order = [];
            _pcids.Add(vpid, order);
        }

        return Promote(order, pcid, _maxPcids);
    }

    private static Promotion Promote(List<ushort> order, ushort value, int max)
    {
        int from = order.IndexOf(value);
        if (from >= 0)
        {
            order.RemoveAt(from);
        }

        order.Insert(0, value);
        if (order.Count > max + 1)
        {
            order.RemoveAt(max + 1);
        }

        return new Promotion(order, from < 0 ? int.MaxValue : from);
    }

    /// <summary>The order after a tag became current, and where that tag was before.</summary>
    public readonly record struct Promotion(List<ushort> Order, int From)
    {
        /// <summary>True if this promotion pushed a tag out of the first <paramref name="kept"/> (0 counts as 1: the current one is always kept).</summary>
        public bool PushesOut(int kept, out ushort loser)
        {
            int first = Math.Max(kept, 1);
            bool pushed = From >= first && Order.Count > first;
            loser = pushed ? Order[first] : (ushort)0;
            return pushed;
        }
    }
}
