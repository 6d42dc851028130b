using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

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
    public override ulong Translate(TraceBlock block, int from, int to)
    {
        ReadOnlySpan<ulong> addresses = block.Address.AsSpan(from, to - from);
        ref byte flags = ref MemoryMarshal.GetReference(block.Flags.AsSpan(from, addresses.Length));
        ref uint repeats = ref MemoryMarshal.GetReference(block.Repeat.AsSpan(from, addresses.Length));
        ref FirstProbe probes = ref MemoryMarshal.GetArrayDataReference(_probes);
        ref ulong latest = ref MemoryMarshal.GetArrayDataReference(_latest);
        ulong stall = 0;
        long all = 0;
        long stores = 0;
        long fetches = 0;
        long misses = 0;
        for (int i = 0; i < addresses.Length; i++)
        {
            ulong address = addresses[i];
            int side = Unsafe.Add(ref flags, i) & AccessFlags.TypeMask;
            long repeat = Unsafe.Add(ref repeats, i);
            all += repeat;
            stores += repeat & -(side & 1);
            fetches += repeat & -(side >> 1);
            ref FirstProbe probe = ref Unsafe.Add(ref probes, (nint)((address >> 63 << 2) | (uint)side));
            ulong page = (address & EntryKey.AddressMask) >> probe.PageShift;
            ulong set = (page ^ (page >> probe.SetShift)) & probe.SetMask;
            ulong key = probe.Key | page;
            if (Unsafe.Add(ref latest, (nint)(probe.LatestStart + set)) != key && !probe.Array.HitIn((int)set, key) && !HitElsewhere(address, side, ref probe))
            {
                misses++;
                stall += Miss(address, side);
                if (repeat > 1)
                {
                    // The rest of the run hits what was filled, and the replacement rule must see it.
                    _ = probe.Array.HitIn((int)set, key) || HitElsewhere(address, side, ref probe);
                }
            }
        }

        Span<long> accesses = Accesses.AsSpan(4 * _level, 4);
        accesses[0] += all - stores - fetches;
        accesses[1] += stores;
        accesses[2] += fetches;
        FirstHits[_level] += all - misses;
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

    /// <summary>Looks for the classes of entries that the probe is not aimed at; a hit aims it at its class.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool HitElsewhere(ulong address, int side, ref FirstProbe probe)
    {
        for (int classes = FirstClasses[side] & ~(1 << probe.Class); classes != 0; classes &= classes - 1)
        {
            int found = BitOperations.TrailingZeroCount(classes);
            if (_serving[(Sizes * side) + (found >> 1)]!.Hit(EntryKey.Pack((found & 1) != 0 ? _global : _tagged, (PageSize)(found >> 1), address)))
            {
                Aim(ref probe, side, found);
                return true;
            }
        }

        return false;
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
