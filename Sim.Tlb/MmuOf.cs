using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Tlb;

/// <summary>The hot loop, compiled for the replacement rule of the first level (<see cref="MixedReplacement"/> if its arrays have different ones).</summary>
internal sealed class Mmu<TReplacement> : Mmu
    where TReplacement : struct, IReplacement
{
    private const int Sides = 3;
    private const int Sizes = 3;

    /// <summary>First probes by half of the address space (bit 2) and side (bits 1:0); those of side 3 exist for the sake of the index only.</summary>
    private const int Probes = 8;

    private readonly TlbArray<TReplacement>?[] _serving = new TlbArray<TReplacement>?[4 * Sizes];
    private readonly FirstProbe[] _probes = new FirstProbe[Probes];
    private readonly ulong[] _latest;
    private int _tagged;
    private int _global;
    private int _level;
    private long _missed;
    private bool _seen;

    public Mmu(CpuProfile profile, FlushCauses causes, MmuOptions options, string name)
        : base(profile, causes, options, name, profile.FirstLevel.Select(structure => CreateArray(structure, options, name)).ToArray())
    {
        for (int side = 0; side < Sides; side++)
        {
            for (int size = 0; size < Sizes; size++)
            {
                _serving[(Sizes * side) + size] = (TlbArray<TReplacement>?)FirstServing(side, size);
            }
        }

        TlbArray<TReplacement>[] arrays = [.. _serving.OfType<TlbArray<TReplacement>>().Distinct()];
        _latest = new ulong[arrays.Sum(array => array.Structure.Sets)];
        int start = 0;
        foreach (TlbArray<TReplacement> array in arrays)
        {
            array.ShareLatest(_latest, start);
            start += array.Structure.Sets;
        }
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Most accesses touch the entry that its set saw last, in the class that served the last access of the same side and half: one load and one compare.
    /// Measured on folded traces of real programs (Sim.Benches throughput): a sixth faster than when each access looks through its set. Optimised at once,
    /// because a short run would otherwise spend itself in the slower code that tiering begins with.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private protected override ulong Replay(TraceBlock block, int from, int to)
    {
        if (HasForeign)
        {
            WatchForeign();
        }

        ReadOnlySpan<ulong> addresses = block.Address.AsSpan(from, to - from);
        ref byte flags = ref MemoryMarshal.GetReference(block.Flags.AsSpan(from, addresses.Length));
        ref FirstProbe probes = ref MemoryMarshal.GetArrayDataReference(_probes);
        ref ulong latest = ref MemoryMarshal.GetArrayDataReference(_latest);
        ulong stall = 0;
        for (int i = 0; i < addresses.Length; i++)
        {
            ulong address = addresses[i];
            ref FirstProbe probe = ref Unsafe.Add(ref probes, (nint)((address >> 63 << 2) | (Unsafe.Add(ref flags, i) & (uint)AccessFlags.TypeMask)));
            ulong page = (address & EntryKey.AddressMask) >> probe.PageShift;
            ulong set = (page ^ (page >> probe.SetShift)) & probe.SetMask;
            if (Unsafe.Add(ref latest, (nint)(probe.LatestStart + set)) != (probe.Key | page))
            {
                stall += LookFurther(block, from + i, (int)set, ref probe);
            }
        }

        long misses = _missed;
        _missed = 0;
        FirstHits[_level] += Count(block.Flags.AsSpan(from, addresses.Length), block.Repeat.AsSpan(from, addresses.Length), Accesses.AsSpan(4 * _level, 4)) - misses;
        return stall;
    }

    private protected override void ContextChanged(ActiveContext context)
    {
        _tagged = context.Tagged;
        _global = context.Global;
        _level = context.Context.Level;
        for (int i = 0; i < Probes; i++)
        {
            Aim(ref _probes[i], i & 3, 0);
        }
    }

    private static TlbArray<TReplacement> CreateArray(TlbStructure structure, MmuOptions options, string name)
    {
        IReplacement rule = TlbArray.CreateRule(structure, Rng.Fork(options.Seed, $"{name}.{structure.Name}"));
        return new TlbArray<TReplacement>(structure, typeof(TReplacement) == typeof(MixedReplacement) ? (TReplacement)(object)new MixedReplacement(rule) : (TReplacement)rule);
    }

    /// <summary>An access whose set saw another entry last: the rest of the first level, then the second. Returns its stall cycles.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private ulong LookFurther(TraceBlock block, int access, int set, ref FirstProbe probe)
    {
        ulong address = block.Address[access];
        ulong key = probe.Key | ((address & EntryKey.AddressMask) >> probe.PageShift);
        if (probe.Array.HitIn(set, key) || HitWatched(probe.Array, key, block, access) || HitElsewhere(block, access, ref probe))
        {
            return 0;
        }

        _missed++;
        if (Observed)
        {
            NoteMiss(block, access);
        }

        ulong stall = Miss(block, access);
        if (block.Repeat[access] > 1)
        {
            // The rest of the run hits what was filled, and the replacement rule must see it.
            _seen = true;
            _ = probe.Array.HitIn(set, key) || HitWatched(probe.Array, key, block, access) || HitElsewhere(block, access, ref probe);
            _seen = false;
        }

        return stall;
    }

    /// <summary>Adds the references by side, and returns their number.</summary>
    private static long Count(ReadOnlySpan<byte> flags, ReadOnlySpan<uint> repeats, Span<long> bySide)
    {
        long all = 0;
        long stores = 0;
        long fetches = 0;
        int i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            Vector256<ulong> allOf = default;
            Vector256<ulong> storesOf = default;
            Vector256<ulong> fetchesOf = default;
            for (; i + Vector256<uint>.Count <= repeats.Length; i += Vector256<uint>.Count)
            {
                Vector128<byte> eight = Vector128.CreateScalarUnsafe(MemoryMarshal.Read<ulong>(flags[i..])).AsByte();
                Vector128<ushort> wide = Vector128.WidenLower(eight);
                Vector256<uint> type = Vector256.Create(Vector128.WidenLower(wide), Vector128.WidenUpper(wide)) & Vector256.Create((uint)AccessFlags.TypeMask);
                Vector256<uint> repeat = Vector256.Create(repeats[i..]);
                Vector256<uint> store = repeat & Vector256.Equals(type, Vector256.Create((uint)AccessType.Write));
                Vector256<uint> fetch = repeat & Vector256.Equals(type, Vector256.Create((uint)AccessType.Execute));
                allOf += Vector256.WidenLower(repeat) + Vector256.WidenUpper(repeat);
                storesOf += Vector256.WidenLower(store) + Vector256.WidenUpper(store);
                fetchesOf += Vector256.WidenLower(fetch) + Vector256.WidenUpper(fetch);
            }

            all = (long)Vector256.Sum(allOf);
            stores = (long)Vector256.Sum(storesOf);
            fetches = (long)Vector256.Sum(fetchesOf);
        }

        for (; i < repeats.Length; i++)
        {
            int side = flags[i] & AccessFlags.TypeMask;
            all += repeats[i];
            stores += side == (int)AccessType.Write ? repeats[i] : 0;
            fetches += side == (int)AccessType.Execute ? repeats[i] : 0;
        }

        bySide[(int)AccessType.Read] += all - stores - fetches;
        bySide[(int)AccessType.Write] += stores;
        bySide[(int)AccessType.Execute] += fetches;
        return all;
    }

    /// <summary>Looks for the classes of entries that the probe is not aimed at; a hit aims it at its class.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool HitElsewhere(TraceBlock block, int access, ref FirstProbe probe)
    {
        ulong address = block.Address[access];
        int side = block.Flags[access] & AccessFlags.TypeMask;
        for (int classes = FirstClasses[side] & ~(1 << probe.Class); classes != 0; classes &= classes - 1)
        {
            int found = BitOperations.TrailingZeroCount(classes);
            TlbArray<TReplacement> array = _serving[(Sizes * side) + (found >> 1)]!;
            ulong key = EntryKey.Pack((found & 1) != 0 ? _global : _tagged, (PageSize)(found >> 1), address);
            if (array.Hit(key) || HitWatched(array, key, block, access))
            {
                Aim(ref probe, side, found);
                return true;
            }
        }

        return false;
    }

    /// <summary>Looks for a watched entry, and shows its use unless that was seen already.</summary>
    private bool HitWatched(TlbArray<TReplacement> array, ulong key, TraceBlock block, int access)
    {
        if (array.Watched == 0 || !array.Lookup(key | EntryKey.Watched, out ulong payload))
        {
            return false;
        }

        if (!_seen && IsCurrent(key, payload, block, access))
        {
            array.Unwatch(key);
        }

        return true;
    }

    /// <summary>Makes the hot loop look for one class of entries first.</summary>
    private void Aim(ref FirstProbe probe, int side, int wanted)
    {
        PageSize size = (PageSize)(wanted >> 1);
        TlbArray<TReplacement> array = _serving[(Sizes * Math.Min(side, Sides - 1)) + (int)size]!;
        probe = new FirstProbe
        {
            Array = array,
            Key = EntryKey.Pack((wanted & 1) != 0 ? _global : _tagged, size, 0),
            SetMask = array.SetMask,
            LatestStart = (ulong)array.LatestStart,
            PageShift = EntryKey.Shift(size),
            SetShift = array.SetShift,
            Class = wanted,
        };
    }

    /// <summary>Where the hot loop looks first.</summary>
    private struct FirstProbe
    {
        public TlbArray<TReplacement> Array;

        /// <summary>Context and size bits of the key.</summary>
        public ulong Key;

        public ulong SetMask;

        public ulong LatestStart;

        public int PageShift;

        public int SetShift;

        /// <summary>2 * size + global.</summary>
        public int Class;
    }
}
