using System.Numerics;
using System.Reflection;

using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>One set-associative array of a TLB level, entries as columns. The base class is what miss paths, invalidations and statistics need.</summary>
internal abstract class TlbArray
{
    /// <summary>Entries of a row, padded to whole vectors; padding stays empty.</summary>
    protected const int VectorEntries = 4;

    private readonly int _xorShift;
    private readonly ulong _setMask;
    private readonly ulong _sets;
    private int[] _liveByContext = new int[16];
    private byte[] _sizesByContext = new byte[16];
    private int _splintered;

    /// <summary>An empty array.</summary>
    /// <exception cref="ConfigurationException">The geometry makes no sense.</exception>
    protected TlbArray(TlbStructure structure)
    {
        if (structure.Sets < 1 || structure.Ways < 1)
        {
            throw new ConfigurationException($"TLB structure {structure.Name} has {structure.Sets} sets of {structure.Ways} ways; both must be at least 1.");
        }

        bool powerOfTwo = BitOperations.IsPow2(structure.Sets);
        if (structure.Index == IndexHash.Xor && !powerOfTwo)
        {
            throw new ConfigurationException($"TLB structure {structure.Name} has {structure.Sets} sets; index hash xor needs a power of two. Use linear.");
        }

        Structure = structure;
        Stride = (structure.Ways + VectorEntries - 1) / VectorEntries * VectorEntries;
        Keys = new ulong[structure.Sets * Stride];
        Payloads = new ulong[structure.Sets * Stride];
        Latest = new ulong[structure.Sets];
        _sets = (ulong)structure.Sets;
        _setMask = powerOfTwo ? _sets - 1 : 0;
        _xorShift = structure.Index == IndexHash.Xor && structure.Sets > 1 ? BitOperations.Log2(_sets) : 63;
    }

    public TlbStructure Structure { get; }

    /// <summary>
    /// The key of each set that was touched last; 0 if that entry has left, or another one was filled since. Touching it again would change no state of any
    /// replacement rule, so that a caller who finds its key here may count a hit and be done; after a fill a first touch may change state (srrip). Shared by the arrays of a level: this one's part begins at <see cref="LatestStart"/>.
    /// </summary>
    public ulong[] Latest { get; private set; }

    /// <summary>Where this array's sets begin in <see cref="Latest"/>.</summary>
    public int LatestStart { get; private set; }

    /// <summary>Mask of the set index; 0 also for a number of sets that is no power of two.</summary>
    public ulong SetMask => _setMask;

    /// <summary>The set is (page ^ page >> shift) and mask, if the number of sets is a power of two.</summary>
    public int SetShift => _xorShift;

    public int Live { get; private set; }

    public long Fills { get; private set; }

    public long Evictions { get; private set; }

    public CauseCounts Invalidated { get; } = new();

    /// <summary>Entries whose key is watched.</summary>
    public int Watched { get; private set; }

    protected int Stride { get; }

    protected ulong[] Keys { get; }

    protected ulong[] Payloads { get; }

    /// <summary>Makes an array whose rule is the type argument of <see cref="TlbArray{TReplacement}"/>.</summary>
    public static TlbArray Create(TlbStructure structure, Rng rng) =>
        (TlbArray)Activator.CreateInstance(
            typeof(TlbArray<>).MakeGenericType(ReplacementRules.TypeOf(structure.Replacement)), BindingFlags.DoNotWrapExceptions, null, [structure, CreateRule(structure, rng)], null)!;

    public static IReplacement CreateRule(TlbStructure structure, Rng rng) => ReplacementRules.Create(structure.Replacement, structure.Sets, structure.Ways, rng);

    /// <summary>Looks up an entry; a hit touches it.</summary>
    public abstract bool Lookup(ulong key, out ulong payload);

    /// <summary>Bit s is set if an entry of page size s was ever filled for the context.</summary>
    public int SizesFilled(int context) => context < _sizesByContext.Length ? _sizesByContext[context] : 0;

    /// <summary>Entries of a context.</summary>
    public int LiveOf(int context) => context < _liveByContext.Length ? _liveByContext[context] : 0;

    /// <summary>Puts an entry that is not there yet into its set: into the lowest empty way, else in the victim's place.</summary>
    /// <returns>The key of the entry that was evicted; 0 if none was.</returns>
    public ulong Fill(ulong key, ulong payload, out ulong evictedPayload)
    {
        int set = SetOf(key);
        int row = set * Stride;
        int way = Keys.AsSpan(row, Structure.Ways).IndexOf(0UL);
        ulong evicted = 0;
        evictedPayload = 0;
        if (way < 0)
        {
            way = Victim(set);
            evicted = Keys[row + way] & ~EntryKey.Watched;
            evictedPayload = Payloads[row + way];
            Evictions++;
            Leave(row + way);
        }

        Keys[row + way] = key;
        Payloads[row + way] = payload;
        Latest[LatestStart + set] = 0;
        Filled(set, way);
        Fills++;
        Enter(key, payload);
        return evicted;
    }

    /// <summary>Drops the entries of the contexts marked in <paramref name="kills"/>, of the pages in <paramref name="range"/> (all if null), and tells <paramref name="attribution"/>.</summary>
    /// <returns>Entries dropped.</returns>
    public int Invalidate(ReadOnlySpan<bool> kills, AddressRange? range, int cause, MissAttribution? attribution)
    {
        if (!HoldsAny(kills))
        {
            return 0;
        }

        int before = Live;
        if (range is { } page && page.First >> 12 == page.Last >> 12 && _splintered == 0)
        {
            InvalidatePage(kills, page.First, cause, attribution);
        }
        else
        {
            for (int slot = 0; slot < Keys.Length; slot++)
            {
                ulong key = Keys[slot];
                if (key != 0 && kills[EntryKey.Context(key)] && (range is null || Covers(key, Payloads[slot], range.Value)))
                {
                    Drop(slot, cause, attribution);
                }
            }
        }

        int dropped = before - Live;
        Invalidated.Add(cause, dropped);
        return dropped;
    }

    /// <summary>Drops, as evicted, the entries of one context on the page of another entry: what an inclusive outer level does to an inner one.</summary>
    public void EvictCovered(ulong outerKey)
    {
        int context = EntryKey.Context(outerKey);
        if (context >= _liveByContext.Length || _liveByContext[context] == 0)
        {
            return;
        }

        ulong first = EntryKey.Address(outerKey);
        AddressRange page = new(first, first + (1UL << EntryKey.Shift(EntryKey.Size(outerKey))) - 1);
        for (int slot = 0; slot < Keys.Length; slot++)
        {
            ulong key = Keys[slot];
            if (key != 0 && EntryKey.Context(key) == context && page.Overlaps(EntryKey.Address(key), EntryKey.Address(key) + (1UL << EntryKey.Shift(EntryKey.Size(key))) - 1))
            {
                Evictions++;
                Leave(slot);
            }
        }
    }

    /// <summary>Watches the entries of some spaces that translate an address of the range (all if null).</summary>
    public void Watch(ReadOnlySpan<bool> spaces, AddressRange? range)
    {
        for (int slot = 0; slot < Keys.Length; slot++)
        {
            ulong key = Keys[slot];
            if (key != 0 && (key & EntryKey.Watched) == 0 && spaces[EntryPayload.Space(Payloads[slot])] && (range is null || Covers(key, Payloads[slot], range.Value)))
            {
                Keys[slot] = key | EntryKey.Watched;
                Latest[LatestStart + (slot / Stride)] = 0;
                Watched++;
            }
        }
    }

    /// <summary>Watches the entries of two contexts that came from other spaces than these two.</summary>
    public void WatchForeign(int context, int otherContext, int space, int otherSpace)
    {
        if (LiveOf(context) + LiveOf(otherContext) == 0)
        {
            return;
        }

        for (int slot = 0; slot < Keys.Length; slot++)
        {
            ulong key = Keys[slot];
            int of = EntryKey.Context(key);
            int from = EntryPayload.Space(Payloads[slot]);
            if (key != 0 && (key & EntryKey.Watched) == 0 && (of == context || of == otherContext) && from != space && from != otherSpace)
            {
                Keys[slot] = key | EntryKey.Watched;
                Latest[LatestStart + (slot / Stride)] = 0;
                Watched++;
            }
        }
    }

    /// <summary>The payload of an entry, watched or not, without touching it; 0 if there is none.</summary>
    public ulong Peek(ulong key)
    {
        int row = SetOf(key) * Stride;
        Span<ulong> ways = Keys.AsSpan(row, Stride);
        int way = ways.IndexOf(key);
        way = way < 0 ? ways.IndexOf(key | EntryKey.Watched) : way;
        return way < 0 ? 0 : Payloads[row + way];
    }

    /// <summary>Stops watching an entry; nothing if it is not there.</summary>
    public void Unwatch(ulong key)
    {
        int set = SetOf(key);
        int way = Keys.AsSpan(set * Stride, Stride).IndexOf(key | EntryKey.Watched);
        if (way >= 0)
        {
            Keys[(set * Stride) + way] = key & ~EntryKey.Watched;
            Latest[LatestStart + set] = 0;
            Watched--;
        }
    }

    /// <summary>Keeps <see cref="Latest"/> in an array that several structures share, from <paramref name="start"/> on. Before the first entry.</summary>
    public void ShareLatest(ulong[] latest, int start)
    {
        Latest = latest;
        LatestStart = start;
    }

    /// <summary>Entries found by looking at every slot.</summary>
    public int CountLive() => Keys.Length - Keys.AsSpan().Count(0UL);

    protected abstract int Victim(int set);

    protected abstract void Filled(int set, int way);

    protected int SetOf(ulong key)
    {
        ulong page = key & EntryKey.PageMask;
        return (int)(_setMask != 0 || _sets == 1 ? (page ^ (page >> _xorShift)) & _setMask : page % _sets);
    }

    private static bool Covers(ulong key, ulong payload, AddressRange range)
    {
        PageSize size = EntryPayload.LinearSize(payload);
        if (size < EntryKey.Size(key))
        {
            size = EntryKey.Size(key);
        }

        int shift = EntryKey.Shift(size);
        ulong first = EntryKey.Address(key) >> shift << shift;
        return range.Overlaps(first, first + (1UL << shift) - 1);
    }

    private bool HoldsAny(ReadOnlySpan<bool> kills)
    {
        int contexts = Math.Min(kills.Length, _liveByContext.Length);
        for (int context = 1; context < contexts; context++)
        {
            if (kills[context] && _liveByContext[context] != 0)
            {
                return true;
            }
        }

        return false;
    }

    private void InvalidatePage(ReadOnlySpan<bool> kills, ulong address, int cause, MissAttribution? attribution)
    {
        int contexts = Math.Min(kills.Length, _liveByContext.Length);
        for (int context = 1; context < contexts; context++)
        {
            if (!kills[context] || _liveByContext[context] == 0)
            {
                continue;
            }

            for (int sizes = _sizesByContext[context]; sizes != 0; sizes &= sizes - 1)
            {
                ulong key = EntryKey.Pack(context, (PageSize)BitOperations.TrailingZeroCount(sizes), address);
                int row = SetOf(key) * Stride;
                int way = Keys.AsSpan(row, Stride).IndexOf(key);
                if (way < 0 && Watched > 0)
                {
                    way = Keys.AsSpan(row, Stride).IndexOf(key | EntryKey.Watched);
                }

                if (way >= 0)
                {
                    Drop(row + way, cause, attribution);
                }
            }
        }
    }

    private void Drop(int slot, int cause, MissAttribution? attribution)
    {
        attribution?.Dropped(this, Keys[slot] & ~EntryKey.Watched, Payloads[slot], cause);
        Leave(slot);
    }

    private void Enter(ulong key, ulong payload)
    {
        int context = EntryKey.Context(key);
        if (context >= _liveByContext.Length)
        {
            int length = Math.Max(2 * _liveByContext.Length, context + 1);
            Array.Resize(ref _liveByContext, length);
            Array.Resize(ref _sizesByContext, length);
        }

        _liveByContext[context]++;
        _sizesByContext[context] |= (byte)(1 << (int)EntryKey.Size(key));
        _splintered += EntryPayload.LinearSize(payload) > EntryKey.Size(key) ? 1 : 0;
        Watched += (key & EntryKey.Watched) != 0 ? 1 : 0;
        Live++;
    }

    private void Leave(int slot)
    {
        ulong key = Keys[slot];
        _liveByContext[EntryKey.Context(key)]--;
        _splintered -= EntryPayload.LinearSize(Payloads[slot]) > EntryKey.Size(key) ? 1 : 0;
        Watched -= (key & EntryKey.Watched) != 0 ? 1 : 0;
        Live--;
        Keys[slot] = 0;
        Latest[LatestStart + (slot / Stride)] = 0;
    }
}
