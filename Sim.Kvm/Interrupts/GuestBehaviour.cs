using Sim.Apic;

namespace Sim.Kvm.Interrupts;

/// <summary>What a guest does next when no interrupt handler runs.</summary>
public enum GuestActionKind
{
    /// <summary>Waits in a loop; is asked again behind each interrupt.</summary>
    Spin,

    /// <summary>Computes for some cycles.</summary>
    Work,

    /// <summary>HLT.</summary>
    Halt,

    /// <summary>Sends an IPI.</summary>
    SendIpi,

    /// <summary>An instruction that exits to L0, which handles it (CPUID).</summary>
    Exit,

    /// <summary>Something that makes L0 set an APICv inhibit reason.</summary>
    Inhibit,

    /// <summary>Something that makes L0 clear an APICv inhibit reason.</summary>
    Uninhibit,

    /// <summary>Writes IA32_APIC_BASE.</summary>
    SetApicMode,

    /// <summary>CLI.</summary>
    Cli,

    /// <summary>STI.</summary>
    Sti,

    /// <summary>The guest is left, and L0 runs, as a trace tells.</summary>
    Recorded,

    /// <summary>What comes next is not known yet: the run pauses until more of the trace is there.</summary>
    Starve,
}

/// <summary>How an IPI names its targets.</summary>
public enum IpiDestination
{
    /// <summary>One vCPU by its APIC ID.</summary>
    Physical,

    /// <summary>L1's vCPUs by their logical APIC IDs, see <see cref="LogicalApicId"/>.</summary>
    Logical,

    /// <summary>All vCPUs of L1 but the sender, by shorthand.</summary>
    AllButSelf,
}

/// <summary>One action.</summary>
/// <param name="Kind">What.</param>
/// <param name="Cycles">Work: how long.</param>
/// <param name="Target">SendIpi: vCPU, or logical destination.</param>
/// <param name="Level">SendIpi: whose APIC, 1 or 2.</param>
/// <param name="Vector">SendIpi: vector. Inhibit, Uninhibit: reason. SetApicMode: <see cref="Core.Architecture.ApicMode"/>.</param>
/// <param name="Destination">SendIpi to level 1: how the target is named.</param>
public readonly record struct GuestAction(
    GuestActionKind Kind, long Cycles = 0, int Target = 0, byte Level = 1, byte Vector = 0, IpiDestination Destination = IpiDestination.Physical);

/// <summary>What the guests of one run do. Must be deterministic.</summary>
public interface IGuestBehaviour
{
    /// <summary>The level at which a vCPU lives: 1, or 2 if its L1 is a hypervisor that enters L2 whenever it has nothing else to do.</summary>
    int HomeLevel(int vcpu);

    /// <summary>What the guest at its home level does next.</summary>
    GuestAction Next(int vcpu);

    /// <summary>A handler returned. Says which vCPU's <see cref="GuestActionKind.Spin"/> that ends; -1 for none but its own.</summary>
    int Handled(int vcpu, int level, byte vector);
}
