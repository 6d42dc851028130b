using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>
/// What an entry is found by, in one word: watched (bit 63), context id (62:47), page size (46:45), page number in units of that size (44:0, so
/// that 57-bit addresses fit). 0 is no entry, because context ids start at 1. A watched entry is one that an <see cref="ITranslationWitness"/> wants to see
/// used: the hot loop looks for unwatched keys only.
/// </summary>
internal static class EntryKey
{
    public const int SizeShift = 45;
    public const int ContextShift = 47;
    public const int MaxContext = (1 << 16) - 1;
    public const ulong Watched = 1UL << 63;
    public const ulong PageMask = (1UL << SizeShift) - 1;

    /// <summary>Address bits that a key can tell apart.</summary>
    public const ulong AddressMask = (1UL << 57) - 1;

    public static ulong Pack(int context, PageSize size, ulong address) =>
        ((ulong)(uint)context << ContextShift) | ((ulong)size << SizeShift) | (((address >> 12) & PageMask) >> (9 * (int)size));

    public static int Context(ulong key) => (int)(key >> ContextShift) & MaxContext;

    public static PageSize Size(ulong key) => (PageSize)((key >> SizeShift) & 3);

    public static ulong Page(ulong key) => key & PageMask;

    /// <summary>First address of the page.</summary>
    public static ulong Address(ulong key) => Page(key) << Shift(Size(key));

    /// <summary>log2 of the page size in bytes.</summary>
    public static int Shift(PageSize size) => 12 + (9 * (int)size);
}
