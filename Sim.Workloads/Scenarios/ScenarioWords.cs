using Sim.Core.Traces;

namespace Sim.Workloads.Scenarios;

/// <summary>The words of the scenario language that stand for values.</summary>
internal static class ScenarioWords
{
    public static readonly (string, MapChangeKind)[] Changes =
        [("maps", MapChangeKind.Made), ("remaps", MapChangeKind.Changed), ("unmaps", MapChangeKind.Removed), ("restricts", MapChangeKind.Restricted), ("widens", MapChangeKind.Widened)];

    public static readonly (string, TlbControl)[] TlbControls =
        [("none", TlbControl.None), ("flush-all", TlbControl.FlushAll), ("flush-asid", TlbControl.FlushAsid), ("flush-asid-non-global", TlbControl.FlushAsidNonGlobal)];

    public static readonly (string, VmControls)[] Controls =
    [
        ("kvm", VmControls.ExternalInterruptExiting | VmControls.AckInterruptOnExit | VmControls.TprShadow | VmControls.VirtualInterruptDelivery | VmControls.PostedInterrupts),
        ("tpr-shadow", VmControls.TprShadow), ("virtual-interrupt-delivery", VmControls.VirtualInterruptDelivery), ("posted-interrupts", VmControls.PostedInterrupts),
        ("external-interrupt-exiting", VmControls.ExternalInterruptExiting), ("ack-interrupt-on-exit", VmControls.AckInterruptOnExit),
        ("apic-register-virtualization", VmControls.ApicRegisterVirtualization), ("virtualize-x2apic-mode", VmControls.VirtualizeX2ApicMode),
        ("virtualize-apic-accesses", VmControls.VirtualizeApicAccesses),
    ];

    public static readonly (string, Cr4Bits)[] Cr4 = [("pse", Cr4Bits.Pse), ("pae", Cr4Bits.Pae), ("pge", Cr4Bits.Pge), ("la57", Cr4Bits.La57), ("pcide", Cr4Bits.Pcide), ("smep", Cr4Bits.Smep), ("smap", Cr4Bits.Smap), ("pke", Cr4Bits.Pke)];

    public static readonly (string, byte)[] InvpcidTypes = [("address", 0), ("context", 1), ("all", 2), ("all-non-global", 3)];

    public static readonly (string, ulong)[] InvvpidTypes = [("address", 0), ("single", 1), ("all", 2), ("retaining-globals", 3)];

    public static readonly (string, ulong)[] InveptTypes = [("single", 1), ("all", 2)];

    public static readonly (string, ulong)[] PageSizes = [("4k", 1UL << 12), ("2m", 1UL << 21), ("1g", 1UL << 30)];

    public static readonly (string, ulong)[] ApicModes = [("disabled", 0), ("xapic", 1), ("x2apic", 2)];

    public static readonly (string, RequestedFlush)[] FlushRequests = [("all", RequestedFlush.All), ("current", RequestedFlush.Current), ("guest", RequestedFlush.Guest)];

    public static readonly (string, ulong)[] InterruptSources = [("device", 0), ("ipi", 1), ("timer", 2), ("software", 3)];

    public static readonly (string, ulong)[] Levels = [("L1", 1), ("L2", 2)];

    /// <summary>
    /// Where the data pages of a level lie in L1's physical memory, in order of first use: L1's own (and those of an L2 without EPT12) from 2 GiB on, those that L1
    /// gives to L2s through EPT12 from 1 TiB + 1 GiB on.
    /// </summary>
    public static readonly (string, ulong)[] HostMemory = [("L1", 2UL << 30), ("L2", (1UL << 40) + (1UL << 30))];

    public static readonly string[] VerbsOfL2 =
        ["reads", "writes", "executes", "works", "exits", "maps", "remaps", "unmaps", "restricts", "widens", "loads", "sets", "clears", "invlpg", "invpcid", "halts", "eoi", "apic", "sends"];

    public static readonly string[] VerbsOfL1 = ["enters", "fails", "invvpid", "invept", "invlpga", "vmxon", "vmxoff"];
}
