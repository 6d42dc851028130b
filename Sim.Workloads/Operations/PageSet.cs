using Sim.Core;

namespace Sim.Workloads.Operations;

/// <summary>A set of page numbers, exact up to a limit: open addressing over one array, a key being the page number plus one.</summary>
internal sealed class PageSet
{
    /// <summary>Most pages counted; the table then takes 64 MB.</summary>
    public const int Limit = 1 << 22;

    private ulong[] _keys = new ulong[1 << 10];

    /// <summary>Pages in the set.</summary>
    public int Count { get; private set; }

    /// <summary>True if pages were left out because there were more than <see cref="Limit"/>.</summary>
    public bool IsIncomplete { get; private set; }

    /// <summary>Adds a page.</summary>
    public void Add(ulong page)
    {
        ulong key = page + 1;
        int slot = Find(_keys, key);
        if (_keys[slot] == key)
        {
            return;
        }

        if (Count == Limit)
        {
            IsIncomplete = true;
            return;
        }

        _keys[slot] = key;
        if (++Count > _keys.Length / 2)
        {
            Grow();
        }
    }

    private static int Find(ulong[] keys, ulong key)
    {
        int mask = keys.Length - 1;
        int slot = (int)Hash64.Mix(key) & mask;
        while (keys[slot] != 0 && keys[slot] != key)
        {
            slot = (slot + 1) & mask;
        }

        return slot;
    }

    private void Grow()
    {
        ulong[] larger = new ulong[_keys.Length * 2];
        foreach (ulong key in _keys)
        {
            if (key != 0)
            {
                larger[Find(larger, key)] = key;
            }
        }

        _keys = larger;
    }
}
