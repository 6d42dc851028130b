using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>An array with its replacement rule known to the compiler, so that a hit is one vector compare per four ways and an inlined touch.</summary>
internal sealed class TlbArray<TReplacement> : TlbArray
    where TReplacement : struct, IReplacement
{
    private TReplacement _replacement;

    public TlbArray(TlbStructure structure, TReplacement replacement)
        : base(structure) => _replacement = replacement;

    /// <summary>Looks up an entry without reading its payload; a hit touches it.</summary>
    public bool Hit(ulong key) => HitIn(SetOf(key), key);

    /// <summary>The same for a caller who knows the set already.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool HitIn(int set, ulong key)
    {
        int way = Find(set, key);
        if (way < 0)
        {
            return false;
        }

        Latest[LatestStart + set] = key;
        _replacement.Touch(set, way);
        return true;
    }

    public override bool Lookup(ulong key, out ulong payload)
    {
        int set = SetOf(key);
        int way = Find(set, key);
        if (way < 0)
        {
            payload = 0;
            return false;
        }

        payload = Payloads[(set * Stride) + way];
        Latest[LatestStart + set] = key;
        _replacement.Touch(set, way);
        return true;
    }

    protected override int Victim(int set) => _replacement.Victim(set);

    protected override void Filled(int set, int way) => _replacement.Fill(set, way);

    /// <summary>The way that holds the key, or -1. Rows are whole vectors, so no tail is left over.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Find(int set, ulong key)
    {
        int stride = Stride;
        ref ulong row = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(Keys), (nint)(uint)(set * stride));
        Vector256<ulong> wanted = Vector256.Create(key);
        for (int way = 0; way < stride; way += VectorEntries)
        {
            uint found = Vector256.Equals(Vector256.LoadUnsafe(ref row, (nuint)way), wanted).ExtractMostSignificantBits();
            if (found != 0)
            {
                return way + BitOperations.TrailingZeroCount(found);
            }
        }

        return -1;
    }
}
