namespace Sim.Apic;

/// <summary>How the destination and mode fields of an ICR write read.</summary>
/// <param name="Vector">Vector.</param>
/// <param name="Destination">APIC ID (or logical mask if <paramref name="Logical"/>).</param>
/// <param name="DeliveryMode">Bits 10:8: 0 fixed, 1 lowest priority, 2 SMI, 4 NMI, 5 INIT, 6 SIPI.</param>
/// <param name="Logical">Bit 11.</param>
/// <param name="Level">Bit 15: level-triggered.</param>
/// <param name="Shorthand">Bits 19:18: 0 none, 1 self, 2 all, 3 all but self.</param>
public readonly record struct IcrWrite(byte Vector, uint Destination, int DeliveryMode = 0, bool Logical = false, bool Level = false, int Shorthand = 0)
{
    /// <summary>Shorthand "all excluding self".</summary>
    public const int AllButSelf = 3;

    /// <summary>It may name several CPUs.</summary>
    public bool IsMulticast => Logical || Shorthand == AllButSelf;
}

/// <summary>
/// The PID-pointer table of IPI virtualization (SDM vol. 3, 31.1.6): indexed by guest APIC ID, each entry the address of a posted-interrupt descriptor and
/// a valid bit. One for each VM.
/// </summary>
public sealed class PidPointerTable
{
    private readonly PostedInterruptDescriptor?[] _entries;

    /// <summary>A table for APIC IDs below <paramref name="size"/> (the VMCS field holds the last index).</summary>
    public PidPointerTable(int size) => _entries = new PostedInterruptDescriptor?[size];

    /// <summary>Makes the entry of an APIC ID valid, or invalid with null.</summary>
    public void Set(int apicId, PostedInterruptDescriptor? descriptor) => _entries[apicId] = descriptor;

    /// <summary>
    /// The descriptor the processor posts into for this ICR write; null if it does not virtualize it, and an APIC-write VM-exit follows: not fixed, not edge,
    /// logical, with a shorthand other than self, beyond the table, or an entry that is not valid.
    /// </summary>
    public PostedInterruptDescriptor? Target(in IcrWrite icr) =>
        icr is { DeliveryMode: 0, Logical: false, Level: false, Shorthand: 0, Vector: >= 16 } && icr.Destination < _entries.Length ? _entries[icr.Destination] : null;
}
