using System.Numerics;
using Sim.Core.Traces;

namespace Sim.Workloads.Importers;

/// <summary>How importers of program traces put an access into a block: one record, or two where it crosses a 4K page.</summary>
internal static class ProgramAccess
{
    /// <summary>Most records of one access.</summary>
    public const int MostRecords = 2;

    /// <summary>Most bytes of one access that an importer takes: beyond lies damage.</summary>
    public const int MostBytes = 4096;

    /// <summary>CPL of a user program.</summary>
    public const int User = 3;

    private const ulong PageMask = 4095;
    private const int LargestLog2 = 6;

    /// <summary>True if bits 63:48 are all equal, or are bits of a five-level address that are: what a linear address of x86-64 and AArch64 looks like.</summary>
    public static bool IsCanonical(ulong address) => (long)address << 7 >> 7 == (long)address;

    /// <summary>CPL of who runs at that instruction: 0 in the upper half, where kernels are, else 3.</summary>
    public static int CplAt(ulong instruction) => (long)instruction < 0 ? 0 : User;

    /// <summary>
    /// Appends an access of 1 to <see cref="MostBytes"/> bytes; the size is rounded up to a power of two and capped at 64. False, and nothing is appended, if it reaches beyond the
    /// last address. The block has room for <see cref="MostRecords"/>.
    /// </summary>
    public static bool TryAdd(TraceBlock block, ulong time, ulong address, int size, AccessType type, int cpl)
    {
        ulong last = address + (ulong)(size - 1);
        if ((address ^ last) <= PageMask)
        {
            block.AddAccess(time, address, AccessFlags.Pack(type, cpl, Log2(size)));
            return true;
        }

        if (last < address)
        {
            return false;
        }

        ulong next = last & ~PageMask;
        int inFirst = (int)(next - address);
        block.AddAccess(time, address, AccessFlags.Pack(type, cpl, Log2(inFirst)));
        block.AddAccess(time, next, AccessFlags.Pack(type, cpl, Log2(size - inFirst)));
        return true;
    }

    private static int Log2(int size) => Math.Min(LargestLog2, BitOperations.Log2(((uint)size * 2) - 1));
}
