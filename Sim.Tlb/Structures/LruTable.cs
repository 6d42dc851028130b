using System.Numerics;

using Sim.Core;

namespace Sim.Tlb;

/// <summary>A fully associative LRU table of a fixed number of entries, keyed by a non-zero word: every operation is O(1). Capacity 0 holds nothing.</summary>
internal sealed class LruTable
{
    private readonly ulong[] _keys;
    private readonly ulong[] _values;
    private readonly int[] _older;
    private readonly int[] _newer;
    private readonly int[] _buckets;
    private readonly int _bucketMask;
    private int _newest = -1;
    private int _oldest = -1;
    private int _free;

    /// <summary>An empty table.</summary>
    public LruTable(int capacity)
    {
        Capacity = capacity;
        _keys = new ulong[capacity];
        _values = new ulong[capacity];
        _older = new int[capacity];
        _newer = new int[capacity];
        for (int slot = 0; slot < capacity; slot++)
        {
            _newer[slot] = slot + 1;
        }

        int buckets = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(2 * capacity, 2));
        _buckets = new int[buckets];
        _bucketMask = buckets - 1;
    }

    public int Capacity { get; }

    public int Live { get; private set; }

    public long Fills { get; private set; }

    public long Evictions { get; private set; }

    /// <summary>Keys by slot; 0 is an empty slot.</summary>
    public ReadOnlySpan<ulong> Keys => _keys;

    public ulong Value(int slot) => _values[slot];

    public bool Contains(ulong key) => Find(key) >= 0;

    /// <summary>Makes the entry the most recent one and returns its slot; -1 if there is none.</summary>
    public int Touch(ulong key)
    {
        int slot = Find(key);
        if (slot >= 0 && slot != _newest)
        {
            Unlink(slot);
            LinkNewest(slot);
        }

        return slot;
    }

    /// <summary>Adds an entry as the most recent one, or replaces its value; drops the least recent one if the table is full.</summary>
    public void Insert(ulong key, ulong value)
    {
        if (Capacity == 0)
        {
            return;
        }

        int slot = Touch(key);
        if (slot < 0)
        {
            if (Live == Capacity)
            {
                Evictions++;
                Remove(_oldest);
            }

            slot = _free;
            _free = _newer[slot];
            _keys[slot] = key;
            LinkNewest(slot);
            int bucket = (int)Hash64.Mix(key) & _bucketMask;
            while (_buckets[bucket] != 0)
            {
                bucket = (bucket + 1) & _bucketMask;
            }

            _buckets[bucket] = slot + 1;
            Live++;
            Fills++;
        }

        _values[slot] = value;
    }

    /// <summary>Empties a slot in use.</summary>
    public void Remove(int slot)
    {
        RemoveBucket(slot);
        Unlink(slot);
        _keys[slot] = 0;
        _newer[slot] = _free;
        _free = slot;
        Live--;
    }

    private int Find(ulong key)
    {
        for (int bucket = (int)Hash64.Mix(key) & _bucketMask; _buckets[bucket] != 0; bucket = (bucket + 1) & _bucketMask)
        {
            int slot = _buckets[bucket] - 1;
            if (_keys[slot] == key)
            {
                return slot;
            }
        }

        return -1;
    }

    private void RemoveBucket(int slot)
    {
        int hole = (int)Hash64.Mix(_keys[slot]) & _bucketMask;
        while (_buckets[hole] != slot + 1)
        {
            hole = (hole + 1) & _bucketMask;
        }

        for (int bucket = (hole + 1) & _bucketMask; _buckets[bucket] != 0; bucket = (bucket + 1) & _bucketMask)
        {
            int home = (int)Hash64.Mix(_keys[_buckets[bucket] - 1]) & _bucketMask;
            if (((bucket - home) & _bucketMask) >= ((bucket - hole) & _bucketMask))
            {
                _buckets[hole] = _buckets[bucket];
                hole = bucket;
            }
        }

        _buckets[hole] = 0;
    }

    private void LinkNewest(int slot)
    {
        _newer[slot] = -1;
        _older[slot] = _newest;
        if (_newest >= 0)
        {
            _newer[_newest] = slot;
        }
        else
        {
            _oldest = slot;
        }

        _newest = slot;
    }

    private void Unlink(int slot)
    {
        int older = _older[slot];
        int newer = _newer[slot];
        if (older >= 0)
        {
            _newer[older] = newer;
        }
        else
        {
            _oldest = newer;
        }

        if (newer >= 0)
        {
            _older[newer] = older;
        }
        else
        {
            _newest = older;
        }
    }
}
