namespace Sim.Apic;

/// <summary>
/// One entry of AVIC's physical APIC ID table, 64 bits (APM vol. 2, 15.29.4): bit 63 valid, bit 62 IsRunning, bits 51:12 the backing page, bits 11:0 the
/// host's APIC ID.
/// </summary>
public struct AvicPhysicalEntry
{
    private const ulong ValidBit = 1UL << 63;
    private const ulong IsRunningBit = 1UL << 62;
    private const ulong PageMask = 0x000F_FFFF_FFFF_F000;
    private const ulong HostIdMask = 0xFFF;

    /// <summary>The entry as memory holds it.</summary>
    public ulong Value { get; private set; }

    /// <summary>The entry is valid.</summary>
    public readonly bool IsValid => (Value & ValidBit) != 0;

    /// <summary>The vCPU runs: a doorbell to <see cref="HostApicId"/> reaches it.</summary>
    public bool IsRunning
    {
        readonly get => (Value & IsRunningBit) != 0;
        set => Value = value ? Value | IsRunningBit : Value & ~IsRunningBit;
    }

    /// <summary>Physical CPU it ran on last.</summary>
    public uint HostApicId
    {
        readonly get => (uint)(Value & HostIdMask);
        set => Value = (Value & ~HostIdMask) | (value & HostIdMask);
    }

    /// <summary>Host-physical address of the backing page.</summary>
    public readonly ulong BackingPage => Value & PageMask;

    /// <summary>A valid entry that is not running.</summary>
    public static AvicPhysicalEntry For(ulong backingPage) => new() { Value = ValidBit | (backingPage & PageMask) };
}

/// <summary>AVIC's physical APIC ID table: one entry for each guest APIC ID.</summary>
public sealed class AvicPhysicalIdTable
{
    private readonly AvicPhysicalEntry[] _entries;

    /// <summary>A table of invalid entries. xAVIC has 255, x2AVIC 512 or more.</summary>
    public AvicPhysicalIdTable(int size) => _entries = new AvicPhysicalEntry[size];

    /// <summary>Entries, valid or not.</summary>
    public int Size => _entries.Length;

    /// <summary>The entry of a guest APIC ID.</summary>
    public ref AvicPhysicalEntry this[int apicId] => ref _entries[apicId];
}

/// <summary>AVIC's logical APIC ID table (xAPIC only): bit 31 valid, bits 7:0 the guest physical APIC ID. Flat mode uses 8 entries, cluster mode 60.</summary>
public sealed class AvicLogicalIdTable
{
    private const uint ValidBit = 1U << 31;

    private readonly uint[] _entries = new uint[60];
    private readonly bool _flat;

    /// <summary>An empty table for flat (true) or cluster (false) mode.</summary>
    public AvicLogicalIdTable(bool flat) => _flat = flat;

    /// <summary>Enters a guest's logical ID: an LDR value of bits 31:24. Does nothing if it names no, or more than one, CPU.</summary>
    public void Set(byte ldr, byte apicId)
    {
        int index = IndexOf(ldr);
        if (index >= 0)
        {
            _entries[index] = ValidBit | apicId;
        }
    }

    /// <summary>Takes a guest's logical ID out again.</summary>
    public void Clear(byte ldr)
    {
        int index = IndexOf(ldr);
        if (index >= 0)
        {
            _entries[index] = 0;
        }
    }

    /// <summary>Guest APIC IDs that a logical destination names; -1 for one that has no valid entry.</summary>
    public IReadOnlyList<int> Targets(byte destination)
    {
        List<int> targets = [];
        int cluster = _flat ? 0 : destination >> 4;
        int mask = _flat ? destination : destination & 0xF;
        for (int bit = 0; bit < 8; bit++)
        {
            if ((mask >> bit & 1) != 0)
            {
                uint entry = _flat ? _entries[bit] : cluster < 15 ? _entries[(cluster * 4) + bit] : 0;
                targets.Add((entry & ValidBit) != 0 ? (int)(entry & 0xFF) : -1);
            }
        }

        return targets;
    }

    private int IndexOf(byte ldr)
    {
        int mask = _flat ? ldr : ldr & 0xF;
        if (!System.Numerics.BitOperations.IsPow2(mask))
        {
            return -1;
        }

        int bit = System.Numerics.BitOperations.TrailingZeroCount(mask);
        int cluster = ldr >> 4;
        return _flat ? bit : cluster < 15 ? (cluster * 4) + bit : -1;
    }
}
