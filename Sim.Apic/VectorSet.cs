using System.Numerics;
using System.Runtime.CompilerServices;

namespace Sim.Apic;

/// <summary>256 bits, one for each interrupt vector: IRR, ISR, PIR, EOI-exit bitmap.</summary>
public struct VectorSet : IEquatable<VectorSet>
{
    private Words _words;

    /// <summary>True if no bit is set.</summary>
    public readonly bool IsEmpty => (_words[0] | _words[1] | _words[2] | _words[3]) == 0;

    /// <summary>The highest vector that is set; -1 if none is.</summary>
    public readonly int Highest
    {
        get
        {
            for (int word = 3; word >= 0; word--)
            {
                if (_words[word] != 0)
                {
                    return (word * 64) + 63 - BitOperations.LeadingZeroCount(_words[word]);
                }
            }

            return -1;
        }
    }

    /// <summary>Whether a vector is set.</summary>
    public readonly bool this[int vector] => (_words[vector >> 6] >> (vector & 63) & 1) != 0;

    /// <summary>Sets a bit; returns what it was.</summary>
    public bool TestAndSet(int vector)
    {
        bool was = this[vector];
        _words[vector >> 6] |= 1UL << (vector & 63);
        return was;
    }

    /// <summary>Clears a bit; returns what it was.</summary>
    public bool TestAndClear(int vector)
    {
        bool was = this[vector];
        _words[vector >> 6] &= ~(1UL << (vector & 63));
        return was;
    }

    /// <summary>Moves all bits of this set into another one.</summary>
    public void MoveTo(ref VectorSet other)
    {
        for (int word = 0; word < 4; word++)
        {
            other._words[word] |= _words[word];
            _words[word] = 0;
        }
    }

    /// <summary>One of the four 64-bit words, lowest vectors first.</summary>
    public readonly ulong Word(int index) => _words[index];

    /// <inheritdoc/>
    public readonly bool Equals(VectorSet other) =>
        _words[0] == other._words[0] && _words[1] == other._words[1] && _words[2] == other._words[2] && _words[3] == other._words[3];

    /// <inheritdoc/>
    public override readonly bool Equals(object? obj) => obj is VectorSet other && Equals(other);

    /// <inheritdoc/>
    public override readonly int GetHashCode() => HashCode.Combine(_words[0], _words[1], _words[2], _words[3]);

    /// <summary>Equality of all bits.</summary>
    public static bool operator ==(VectorSet left, VectorSet right) => left.Equals(right);

    /// <summary>Inequality of any bit.</summary>
    public static bool operator !=(VectorSet left, VectorSet right) => !left.Equals(right);

    [InlineArray(4)]
    private struct Words
    {
        private ulong _first;
    }
}
