using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>
/// How each page last left the TLBs: open addressing, keyed by (space, size, page). A space is a pair of page tables, not a tag: a process that is given
/// the PCID of another starts cold.
/// </summary>
internal sealed class GhostTable
{
    /// <summary>No page of that key ever left: the miss is cold.</summary>
    public const int Never = 0;

    /// <summary>Left because everything of its reach was full.</summary>
    public const int Capacity = 1;

    /// <summary>Left although a fully associative LRU array of the same size would have kept it.</summary>
    public const int Conflict = 2;

    /// <summary>Left by the invalidation with cause (value - FirstFlush).</summary>
    public const int FirstFlush = 3;

    private ulong[] _keys = new ulong[1 << 12];
    private int[] _causes = new int[1 << 12];
    private int _count;

    /// <summary>How the page left last, as one of the constants above.</summary>
    public int Find(int space, PageSize size, ulong address) => _causes[Bucket(EntryKey.Pack(space, size, address))];

    /// <summary>Notes that the entry left.</summary>
    public void Record(ulong key, ulong payload, int cause)
    {
        ulong ghost = (key & ((1UL << EntryKey.ContextShift) - 1)) | ((ulong)EntryPayload.Space(payload) << EntryKey.ContextShift);
        int bucket = Bucket(ghost);
        if (_keys[bucket] == 0)
        {
            if (2 * _count >= _keys.Length)
            {
                Grow();
                bucket = Bucket(ghost);
            }

            _keys[bucket] = ghost;
            _count++;
        }

        _causes[bucket] = cause;
    }

    private int Bucket(ulong ghost)
    {
        int mask = _keys.Length - 1;
        int bucket = (int)Hash64.Mix(ghost) & mask;
        while (_keys[bucket] != 0 && _keys[bucket] != ghost)
        {
            bucket = (bucket + 1) & mask;
        }

        return bucket;
    }

    private void Grow()
    {
        ulong[] keys = _keys;
        int[] causes = _causes;
        _keys = new ulong[2 * keys.Length];
        _causes = new int[2 * keys.Length];
        for (int i = 0; i < keys.Length; i++)
        {
            if (keys[i] != 0)
            {
                int bucket = Bucket(keys[i]);
                _keys[bucket] = keys[i];
                _causes[bucket] = causes[i];
            }
        }
    }
}
