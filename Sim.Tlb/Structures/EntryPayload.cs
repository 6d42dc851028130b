using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>
/// What an entry says, in one word: physical frame number (bits 63:24), read-only (19), space (18:2), size of the page that the guest's tables map (1:0), which
/// is larger than the entry where it was splintered (SDM vol. 3, "Details of TLB Use").
/// </summary>
internal static class EntryPayload
{
    public const int MaxSpace = (1 << 17) - 1;

    private const ulong ReadOnly = 1UL << 19;

    /// <summary>A payload; its physical address is rounded down to 4 KiB.</summary>
    public static ulong Pack(ulong physicalAddress, int space, PageSize linearSize, bool readOnly = false) =>
        (physicalAddress >> 12 << 24) | (readOnly ? ReadOnly : 0) | ((ulong)(uint)space << 2) | (ulong)linearSize;

    /// <summary>The payload of the piece around <paramref name="address"/> when a page of one size is held in pieces of another, not larger.</summary>
    public static ulong Narrow(ulong payload, PageSize from, PageSize to, ulong address)
    {
        ulong whole = (1UL << EntryKey.Shift(from)) - 1;
        ulong piece = (1UL << EntryKey.Shift(to)) - 1;
        ulong physical = (PhysicalAddress(payload) & ~whole) | (address & whole & ~piece);
        return Pack(physical, Space(payload), LinearSize(payload), IsReadOnly(payload));
    }

    public static int Space(ulong payload) => (int)(payload >> 2) & MaxSpace;

    public static bool IsReadOnly(ulong payload) => (payload & ReadOnly) != 0;

    public static PageSize LinearSize(ulong payload) => (PageSize)(payload & 3);

    public static ulong PhysicalAddress(ulong payload) => payload >> 24 << 12;
}
