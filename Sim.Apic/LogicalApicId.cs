namespace Sim.Apic;

/// <summary>
/// Logical APIC IDs as Linux sets them, and what a logical destination names (SDM vol. 3, 11.6.2.2 and 11.12.10.2). x2APIC: cluster of 16 in bits 31:16, one bit in 15:0.
/// xAPIC: flat with up to 8 CPUs, one bit each; else clusters of 4 in bits 7:4, one bit in 3:0.
/// </summary>
public static class LogicalApicId
{
    private const int FlatCpus = 8;
    private const int ClusterCpus = 60;

    /// <summary>Whether so many CPUs use the flat mode of xAPIC.</summary>
    public static bool IsFlat(int cpus) => cpus <= FlatCpus;

    /// <summary>The LDR of xAPIC, bits 31:24; 0 if the mode has no ID for it.</summary>
    public static byte XApic(int cpu, int cpus) => (byte)(IsFlat(cpus) ? 1 << cpu : cpu < ClusterCpus ? (cpu / 4 << 4) | (1 << (cpu % 4)) : 0);

    /// <summary>Whether a logical destination names a CPU.</summary>
    public static bool Names(uint destination, int cpu, int cpus, bool x2Apic)
    {
        if (x2Apic)
        {
            return destination >> 16 == cpu >> 4 && (destination >> (cpu & 15) & 1) != 0;
        }

        byte ldr = XApic(cpu, cpus);
        return IsFlat(cpus) ? (destination & ldr) != 0 : (destination & ldr & 0xF) != 0 && destination >> 4 == ldr >> 4;
    }

    /// <summary>Physical APIC IDs that an x2APIC's logical destination names, whether or not they exist.</summary>
    public static IReadOnlyList<int> X2ApicTargets(uint destination) =>
        [.. Enumerable.Range(0, 16).Where(bit => (destination >> bit & 1) != 0).Select(bit => (int)(destination >> 16 << 4) + bit)];
}
