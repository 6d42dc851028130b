namespace Sim.Kvm;

/// <summary>
/// The real VPIDs (ASIDs) of one vCPU's L2 contexts and the vpid12 that each stands for. KVM has one, so "the one vpid12 it stands for" is
/// vmx->nested.last_vpid; a pool keeps several, least recently used replaced first. Without any real tag (vpid02 = 0) last_vpid is kept all the same.
/// </summary>
public sealed class L2Tags
{
    private ushort[] _tags;
    private readonly List<(uint Vpid12, int Slot)> _recent = [];

    /// <summary>A pool of these real tags; empty if none could be allocated (vpid02 = 0).</summary>
    public L2Tags(params IEnumerable<ushort> tags) => _tags = tags.ToArray();

    /// <summary>True if there is at least one (vpid02 != 0).</summary>
    public bool Any => _tags.Length > 0;

    /// <summary>The real tags.</summary>
    public IReadOnlyList<ushort> All => _tags;

    /// <summary>True if this vpid12 is one that was taken note of, and not replaced since.</summary>
    public bool Knows(uint vpid12) => _recent.Exists(entry => entry.Vpid12 == vpid12);

    /// <summary>The real tag that L2 runs under with this vpid12, without taking note of it: the known one, else the one that would be given up. There must be one.</summary>
    public ushort TagOf(uint vpid12)
    {
        int known = _recent.FindIndex(entry => entry.Vpid12 == vpid12);
        return _tags[known >= 0 ? _recent[known].Slot : VictimSlot];
    }

    /// <summary>Takes note of this vpid12: from now on a real tag, if there is any, stands for it.</summary>
    public void Remember(uint vpid12)
    {
        int known = _recent.FindIndex(entry => entry.Vpid12 == vpid12);
        int slot = known >= 0 ? _recent[known].Slot : VictimSlot;
        if (known >= 0)
        {
            _recent.RemoveAt(known);
        }
        else if (_recent.Count == Capacity)
        {
            _recent.RemoveAt(_recent.Count - 1);
        }

        _recent.Insert(0, (vpid12, slot));
    }

    /// <summary>VMXOFF: the real tags are given back. What stood for which vpid12 stays in memory, as vmx->nested.last_vpid does.</summary>
    public void Release() => _tags = [];

    /// <summary>VMXON: other real tags take the place of those that were given back.</summary>
    public void Take(params IEnumerable<ushort> tags)
    {
        _tags = tags.ToArray();
        _recent.RemoveAll(entry => entry.Slot >= Capacity);
    }

    /// <summary>Forgets every vpid12: last_vpid = 0, so that the next one counts as new whatever it is.</summary>
    public void Forget() => _recent.Clear();

    private int Capacity => Math.Max(1, _tags.Length);

    private int VictimSlot => _recent.Count < Capacity ? _recent.Count : _recent[^1].Slot;
}
