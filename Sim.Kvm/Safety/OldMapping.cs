using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>Which record did something.</summary>
/// <param name="Record">Index of the record in the trace.</param>
/// <param name="Time">Its time.</param>
/// <param name="Lane">Its physical CPU.</param>
internal readonly record struct RecordPlace(ulong Record, ulong Time, int Lane)
{
    public override string ToString() => $"record {Record}, time {Time}, lane {Lane}";
}

/// <summary>A mapping that a guest's or the host's table had until a record changed it, and the virtual TLBs that may have kept it.</summary>
internal sealed class OldMapping
{
    private readonly Dictionary<Holding, (string What, bool ByL0)?> _holders = [];

    public OldMapping(PageTable tables, ulong address, in Mapping mapping, string made, string gone, long goneAt)
    {
        Tables = tables;
        Address = address;
        Mapping = mapping;
        Made = made;
        Gone = gone;
        GoneAt = goneAt;
        ulong first = AddressRange.At(address).First;
        Range = new AddressRange(first, first + mapping.Bytes - 1);
    }

    public PageTable Tables { get; }

    /// <summary>First address of the page.</summary>
    public ulong Address { get; }

    public Mapping Mapping { get; }

    /// <summary>The page, as invalidations name addresses.</summary>
    public AddressRange Range { get; }

    /// <summary>Who mapped it, in words.</summary>
    public string Made { get; }

    /// <summary>Who changed it, in words.</summary>
    public string Gone { get; }

    /// <summary>The oracle's time of the change.</summary>
    public long GoneAt { get; }

    /// <summary>A virtual TLB context had run with the mapping and may have cached it.</summary>
    public void MayBeHeldBy(Holding holding) => _holders[holding] = null;

    /// <summary>An event took it from a context. <paramref name="byL0"/>: hardware does not carry that out by itself.</summary>
    public void DroppedBy(Holding holding, string what, bool byL0) => _holders[holding] = (what, byL0);

    /// <summary>True if the context may still hold it; else <paramref name="because"/> says what ended that, or is null if it never could.</summary>
    public bool IsPermitted(Holding? holding, out string? because)
    {
        because = null;
        if (holding is null || !_holders.TryGetValue(holding, out (string What, bool ByL0)? dropped))
        {
            return false;
        }

        because = dropped?.What;
        return dropped is null;
    }

    /// <summary>True if it is L0's doing that the context may not hold it: L0 had to carry out the event that took it, or only other virtual tags of the vCPU's, which L0 maps to its own, ever held it.</summary>
    public bool IsOwed(Holding? holding)
    {
        if (holding is not null && _holders.TryGetValue(holding, out (string What, bool ByL0)? dropped))
        {
            return dropped is { ByL0: true };
        }

        return holding is not null && _holders.Keys.Any(other => other.Tag.Pcid == holding.Tag.Pcid && (other.Tag.Vpid != holding.Tag.Vpid || other.Tag.Ep4ta != holding.Tag.Ep4ta));
    }
}
