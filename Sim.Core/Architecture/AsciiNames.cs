using System.Text;

namespace Sim.Core.Architecture;

/// <summary>A table from ASCII names to values that is asked with bytes, without making strings.</summary>
/// <typeparam name="T">What a name stands for.</typeparam>
public sealed class AsciiNames<T>
{
    private readonly (byte[] Name, T Value)?[] _slots;

    /// <summary>A table of these names. Names must differ.</summary>
    public AsciiNames(IReadOnlyCollection<(string Name, T Value)> names)
    {
        int size = 16;
        while (size < 4 * names.Count)
        {
            size *= 2;
        }

        _slots = new (byte[], T)?[size];
        foreach ((string name, T value) in names)
        {
            byte[] bytes = Encoding.ASCII.GetBytes(name);
            int slot = Find(bytes);
            if (_slots[slot] is not null)
            {
                throw new ArgumentException($"'{name}' is in the table twice.", nameof(names));
            }

            _slots[slot] = (bytes, value);
        }
    }

    /// <summary>The value of a name; false if it is not in the table.</summary>
    public bool TryGet(ReadOnlySpan<byte> name, out T value)
    {
        (byte[] Name, T Value)? slot = _slots[Find(name)];
        value = slot is { } found ? found.Value : default!;
        return slot is not null;
    }

    private int Find(ReadOnlySpan<byte> name)
    {
        int slot = (int)(AsciiHash.Of(name) & (uint)(_slots.Length - 1));
        while (_slots[slot] is { } used && !name.SequenceEqual(used.Name))
        {
            slot = (slot + 1) & (_slots.Length - 1);
        }

        return slot;
    }
}

internal static class AsciiHash
{
    /// <summary>FNV-1a, 32 bits, with the high bits folded in.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        uint hash = 2166136261;
        foreach (byte b in bytes)
        {
            hash = (hash ^ b) * 16777619;
        }

        return hash ^ (hash >> 15);
    }
}
