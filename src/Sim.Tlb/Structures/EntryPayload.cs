using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>
/// What an entry says, in one word: physical frame number (bits 63:24), space (18:2), size of the page that the guest's tables map (1:0), which
/// is larger than the entry where it was splintered (SDM vol. 3, "Details of TLB Use").
/// </summary>
internal static class EntryPayload
{
    public const int MaxSpace = (1 << 17) - 1;

    public static ulong Pack(ulong physicalAddress, int space, PageSize linearSize) => (physicalAddress >> 12 << 24) | ((ulong)(uint)space << 2) | (ulong)linearSize;

    /// <summary>The payload of the piece around <paramref name="address"/> when a page of one size is held in pieces of another, not larger.</summary>
    public static ulong Narrow(ulong payload, PageSize from, PageSize to, ulong address)
    {
        ulong whole = (1UL << EntryKey.Shift(from)) - 1;
        ulong piece = (1UL << EntryKey.Shift(to)) - 1;
        ulong physical = (PhysicalAddress(payload) & ~whole) | (address & whole & ~piece);
        return Pack(physical, Space(payload), LinearSize(payload));
    }

    public static int Space(ulong payload) => (int)(payload >> 2) & MaxSpace;

    public static PageSize LinearSize(ulong payload) => (PageSize)(payload & 3);

    public static ulong PhysicalAddress(ulong payload) => payload >> 24 << 12;
}
