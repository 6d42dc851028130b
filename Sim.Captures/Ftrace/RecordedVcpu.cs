using Sim.Core.Architecture;
using Sim.Core.Traces;

namespace Sim.Captures.Ftrace;

/// <summary>One CPU of a recording while it is lifted.</summary>
internal sealed class RecordedCpu(int number)
{
    public int Number { get; } = number;

    public ulong Time { get; set; }

    public RecordedVcpu? Vcpu { get; set; }

    public RecordedVcpu? Running { get; set; }
}

/// <summary>One vCPU of a recording while it is lifted: where its thread is, and what is known of it.</summary>
internal sealed class RecordedVcpu(ushort number, int pid)
{
    public ushort Number { get; } = number;

    public int Pid { get; } = pid;

    /// <summary>True between its real entry and its real exit.</summary>
    public bool IsRunning => Lane is { } lane && lane.Running == this;

    /// <summary>True from its first entry on.</summary>
    public bool HasRun { get; set; }

    /// <summary>KVM_REQ_TLB_FLUSH was raised on it from another CPU, and whether before or after it looked is not known yet.</summary>
    public bool HasHeldRequest { get; set; }

    public ulong Vmcs12 { get; set; }

    /// <summary>CR4 of L1.</summary>
    public Cr4Bits Cr4 { get; set; } = Cr4Bits.Pae | Cr4Bits.Pge;

    /// <summary>vmcb12s whose CR4.PGE is not L1's.</summary>
    public HashSet<ulong> PgeDiffers { get; } = [];

    /// <summary>True between L1ToL2 and L2ToL1 of the trace.</summary>
    public bool InL2 { get; set; }

    /// <summary>Exit code of the instruction or fault that L0 handles for it and that has no record yet (<see cref="EmulatedInstructions"/>).</summary>
    public SvmExit? Emulates { get; set; }

    /// <summary>EXITINFO1 of its last exit: the error code of a fault.</summary>
    public PageFaultCode FaultCode { get; set; }

    /// <summary>L0's emulator has worked since its last exit.</summary>
    public bool IsEmulated { get; set; }

    /// <summary>EXITINFO2 of its last exit: the address of a #PF.</summary>
    public ulong FaultAddress { get; set; }

    /// <summary>Stands for the CR3 of its L1, whose value is not recorded where L0 shadows page tables.</summary>
    public ulong Root { get; set; }

    /// <summary>A root of its machine was zapped since its last entry.</summary>
    public bool MayHaveLostRoot { get; set; }

    /// <summary>Its last record of a transition; null before the first.</summary>
    public TransitionKind? Last { get; set; }

    public KvmIsa Isa { get; set; }

    public ulong NestedRoot { get; set; }

    public long NestedTransitions { get; set; }

    public uint? ExitReason { get; set; }

    public int ExitLevel { get; set; }

    public long RealExits { get; set; }

    public RecordedCpu? Lane { get; set; }

    public RecordedCpu? LastLane { get; set; }
}
