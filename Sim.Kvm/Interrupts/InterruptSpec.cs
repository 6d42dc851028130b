using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>The machine on which interrupts are delivered, whatever the path. Times are reference cycles.</summary>
public sealed record InterruptSpec
{
    /// <summary>posted_intr_nv: the vector that L1's KVM notifies L2's vCPUs with.</summary>
    public const byte PostedIntrNv = (byte)HostVector.PostedInterrupt;

    /// <summary>The vector of L1's own reschedule IPI.</summary>
    public const byte L1Reschedule = (byte)HostVector.Reschedule;

    /// <summary>Controls that L1's KVM sets in vmcs12 if it may use everything.</summary>
    public const VmControls FullControls12 = VmControls.ExternalInterruptExiting | VmControls.AckInterruptOnExit | VmControls.TprShadow
        | VmControls.VirtualInterruptDelivery | VmControls.PostedInterrupts;

    /// <summary>Costs and vendor.</summary>
    public required CpuProfile Profile { get; init; }

    /// <summary>Physical CPUs.</summary>
    public int Lanes { get; init; } = 2;

    /// <summary>vCPUs of the one VM that start on each lane.</summary>
    public int VcpusPerLane { get; init; } = 1;

    /// <summary>Time slice of the host's round-robin scheduler.</summary>
    public int SliceCycles { get; init; } = 3_000_000;

    /// <summary>How long a halted vCPU polls before it sleeps (halt_poll_ns).</summary>
    public int HaltPollCycles { get; init; }

    /// <summary>Guests begin in x2APIC mode, with MSRs; false: in xAPIC mode, with a page whose accesses must be decoded.</summary>
    public bool X2Apic { get; init; } = true;

    /// <summary>
    /// A guest that may use x2APIC has AVIC although the CPU has no x2AVIC: its ICR and EOI writes exit, and only the doorbell is hardware's ("KVM: SVM: Introduce hybrid-AVIC mode", 6.0
    /// and later). False: AVIC is inhibited for it.
    /// </summary>
    public bool HybridAvic { get; init; } = true;

    /// <summary>Work of a guest's interrupt handler, up to its EOI.</summary>
    public int HandlerCycles { get; init; } = 500;

    /// <summary>Interrupt controls of vmcs12. Without posted interrupts in it, L1 delivers to L2 by injection. On AMD always by injection.</summary>
    public VmControls Controls12 { get; init; } = FullControls12;

    /// <summary>L1 intercepts HLT of L2, as KVM does.</summary>
    public bool L1InterceptsHlt { get; init; } = true;

    /// <summary>The module parameter nested_early_check.</summary>
    public bool NestedEarlyCheck { get; init; }

    /// <summary>
    /// L0 takes posted_intr_nv, acknowledged for L1 while L2 runs, as L1's notification for L2 (6.12 and later), instead of a nested VM-exit.
    /// </summary>
    public bool ConsumesNestedNotification { get; init; } = true;

    /// <summary>APICv inhibit reasons that are set from the start, as bits.</summary>
    public ulong Inhibits { get; init; }

    /// <summary>Vectors whose EOI must reach L0 (level-triggered ones): the EOI-exit bitmap.</summary>
    public IReadOnlyList<byte> EoiExitVectors { get; init; } = [];

    /// <summary>vCPUs in all.</summary>
    public int Vcpus => Lanes * VcpusPerLane;
}
