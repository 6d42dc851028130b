using System.Text;

namespace Sim.Core.Architecture;

/// <summary>Strings for byte spans that come again and again (task names, functions), made once.</summary>
public sealed class StringPool
{
    private const int Slots = 4096;

    private readonly (byte[] Bytes, string Text)?[] _slots = new (byte[], string)?[Slots];

    /// <summary>The string of these bytes (UTF-8). A slot keeps the last string that fell on it, so memory is bounded.</summary>
    public string Get(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
        {
            return "";
        }

        ref (byte[] Bytes, string Text)? slot = ref _slots[AsciiHash.Of(bytes) & (Slots - 1)];
        if (slot is not { } kept || !bytes.SequenceEqual(kept.Bytes))
        {
            slot = kept = (bytes.ToArray(), Encoding.UTF8.GetString(bytes));
        }

        return kept.Text;
    }
}
