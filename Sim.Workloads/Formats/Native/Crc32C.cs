using System.Buffers.Binary;
using System.Numerics;

namespace Sim.Workloads.Formats.Native;

/// <summary>
/// CRC-32C (Castagnoli, as in iSCSI, RFC 3720): reflected polynomial 0x82F63B78, initial value and final XOR 0xFFFFFFFF. Finds every flipped bit and every
/// burst up to 32 bits; x86 and Arm compute it in hardware. The check value of "123456789" is 0xE3069283.
/// </summary>
internal static class Crc32C
{
    /// <summary>The checksum of some bytes.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes) => Continue(0, bytes);

    /// <summary>The checksum of what <paramref name="crc"/> covers followed by <paramref name="bytes"/>.</summary>
    public static uint Continue(uint crc, ReadOnlySpan<byte> bytes)
    {
        crc = ~crc;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (byte b in bytes)
        {
            crc = BitOperations.Crc32C(crc, b);
        }

        return ~crc;
    }
}
