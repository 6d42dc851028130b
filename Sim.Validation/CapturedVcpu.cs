using Sim.Captures.HwLog;
using Sim.Core.Architecture;

namespace Sim.Validation;

/// <summary>What is known of a physical CPU while a capture is read as interrupts.</summary>
internal sealed class CapturedLane(int number)
{
    public int Number { get; } = number;

    public int Entries { get; set; }

    public CapturedVcpu? Vcpu { get; set; }

    public ulong ExitTime { get; set; }

    public VmxExit ExitReason { get; set; }

    /// <summary>An interrupt that L0 posts before the next entry.</summary>
    public InterruptMoment? Sending { get; set; }
}

/// <summary>What is known of a vCPU of L1 while a capture is read as interrupts.</summary>
internal sealed class CapturedVcpu(ulong vmcs01, ApicTimer timer)
{
    public ulong Vmcs01 { get; } = vmcs01;

    public ApicTimer Timer { get; } = timer;

    /// <summary>L2's timer, which L1 emulates by vmcs12's preemption timer.</summary>
    public ApicTimer? Timer2 { get; set; }

    public ulong Eptp { get; private set; }

    public ulong Vpid { get; private set; }

    /// <summary>L1's descriptor of the L2 vCPU that runs here.</summary>
    public ulong Descriptor2 { get; private set; }

    public bool WasEntered { get; set; }

    public ulong? HaltedSince { get; set; }

    public bool LeftL2 { get; set; }

    public byte Svi01 { get; set; }

    public InterruptMoment? NestedEntry { get; set; }

    /// <summary>An ICR write of L2 that L1 emulates.</summary>
    public InterruptMoment? L2Icr { get; set; }

    /// <summary>L1 is yet to post it.</summary>
    public bool IsPosting { get; set; }

    public bool? IsBootProcessor2 { get; set; }

    public bool IsDue2(ulong now) => Timer2?.Due <= now;

    public void Learn(in HwRecord record, int level)
    {
        if (level == 2)
        {
            Descriptor2 = record[HwOperand.PiDescriptor];
        }
        else if (Vpid == 0)
        {
            Vpid = record[HwOperand.Vpid];
            Eptp = record[HwOperand.Eptp];
        }
    }
}
