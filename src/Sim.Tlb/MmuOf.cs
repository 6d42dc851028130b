using System.Numerics;
using System.Runtime.CompilerServices;

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

    /// <summary>By side and size; the entry of side 3 exists for the sake of the mask only.</summary>
    private readonly TlbArray<TReplacement>?[] _serving = new TlbArray<TReplacement>?[4 * Sizes];
    private readonly TlbArray<TReplacement>[] _smallest = new TlbArray<TReplacement>[4];
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

            _smallest[side] = _serving[Sizes * side]!;
        }

        _smallest[Sides] = _smallest[0];
    }

    /// <inheritdoc/>
    public override ulong Translate(TraceBlock block, int from, int to)
    {
        ReadOnlySpan<ulong> addresses = block.Address.AsSpan(from, to - from);
        ReadOnlySpan<byte> flags = block.Flags.AsSpan(from, addresses.Length);
        ReadOnlySpan<uint> repeats = block.Repeat.AsSpan(from, addresses.Length);
        Span<long> accesses = Accesses.AsSpan(4 * _level, 4);
        TlbArray<TReplacement>[] smallest = _smallest;
        ulong context = (ulong)(uint)_tagged << EntryKey.ContextShift;
        ulong stall = 0;
        long hits = 0;
        for (int i = 0; i < addresses.Length; i++)
        {
            ulong address = addresses[i];
            int side = flags[i] & AccessFlags.TypeMask;
            uint repeat = repeats[i];
            accesses[side] += repeat;
            hits += repeat;
            if (!smallest[side].Hit(context | ((address >> 12) & EntryKey.PageMask)) && !HitOther(address, side))
            {
                hits--;
                stall += Miss(address, side);
            }
        }

        FirstHits[_level] += hits;
        return stall;
    }

    private protected override void ContextChanged(ActiveContext context)
    {
        _tagged = context.Tagged;
        _global = context.Global;
        _level = context.Context.Level;
    }

    private static TlbArray<TReplacement> CreateArray(TlbStructure structure, MmuOptions options, string name)
    {
        IReplacement rule = TlbArray.CreateRule(structure, Rng.Fork(options.Seed, $"{name}.{structure.Name}"));
        return new TlbArray<TReplacement>(structure, typeof(TReplacement) == typeof(MixedReplacement) ? (TReplacement)(object)new MixedReplacement(rule) : (TReplacement)rule);
    }

    /// <summary>Looks for the classes of entries that the context has besides non-global 4K ones.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool HitOther(ulong address, int side)
    {
        for (int classes = OtherFirstClasses[side]; classes != 0; classes &= classes - 1)
        {
            int bit = BitOperations.TrailingZeroCount(classes);
            int size = bit >> 1;
            if (_serving[(Sizes * side) + size]!.Hit(EntryKey.Pack((bit & 1) != 0 ? _global : _tagged, (PageSize)size, address)))
            {
                return true;
            }
        }

        return false;
    }
}
