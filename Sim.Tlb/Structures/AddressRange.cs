namespace Sim.Tlb;

/// <summary>Addresses from <paramref name="First"/> to <paramref name="Last"/>, both included.</summary>
public readonly record struct AddressRange(ulong First, ulong Last)
{
    /// <summary>One address.</summary>
    public static AddressRange At(ulong address) => new(address & EntryKey.AddressMask, address & EntryKey.AddressMask);

    /// <summary>True if the two have an address in common.</summary>
    public bool Overlaps(ulong first, ulong last) => first <= Last && First <= last;
}
