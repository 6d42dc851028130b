using Sim.Apic;

namespace Sim.Kvm.Interrupts;

/// <summary>Whose guest time a VM-exit takes.</summary>
internal enum StolenFrom
{
    /// <summary>Nobody: the guest's own exits (HLT, VMRESUME, CPUID), and the host's tick.</summary>
    Guest,

    /// <summary>The vCPU that an interrupt is for: notification, kick, interrupt window, EOI.</summary>
    Target,

    /// <summary>The vCPU that sends an IPI.</summary>
    Sender,

    /// <summary>A vCPU that only happens to be on the CPU where the host handles another's interrupt.</summary>
    Bystander,
}

/// <summary>Who is who at a VM-exit.</summary>
internal static class StolenFromExtensions
{
    private const HostVectors ForTheOneThatRuns = HostVectors.PostedInterrupt | HostVectors.NestedPostedInterrupt | HostVectors.Reschedule;

    /// <summary>All that can be.</summary>
    public static IReadOnlyList<(StolenFrom Victim, ExitCause Cause)> All { get; } =
    [
        (StolenFrom.Target, ExitCause.ExternalInterrupt),
        (StolenFrom.Target, ExitCause.InterruptWindow),
        (StolenFrom.Target, ExitCause.Eoi),
        (StolenFrom.Target, ExitCause.EoiInduced),
        (StolenFrom.Target, ExitCause.ImmediateExit),
        (StolenFrom.Sender, ExitCause.IcrWrite),
        (StolenFrom.Sender, ExitCause.IncompleteIpi),
        (StolenFrom.Bystander, ExitCause.ExternalInterrupt),
        (StolenFrom.Guest, ExitCause.ExternalInterrupt),
        (StolenFrom.Guest, ExitCause.Hlt),
        (StolenFrom.Guest, ExitCause.NestedEntry),
        (StolenFrom.Guest, ExitCause.Other),
    ];

    /// <summary>Who pays for the exit of the vCPU that has this CPU.</summary>
    public static StolenFrom Victim(this PhysicalCpu cpu, ExitCause cause) => cause switch
    {
        ExitCause.IcrWrite or ExitCause.IncompleteIpi => StolenFrom.Sender,
        ExitCause.InterruptWindow or ExitCause.Eoi or ExitCause.EoiInduced or ExitCause.ImmediateExit => StolenFrom.Target,
        ExitCause.ExternalInterrupt when (cpu.Pending & ForTheOneThatRuns) != 0 || cpu.Devices.Any(delivery => delivery.Target == cpu.Current!.Id) => StolenFrom.Target,
        ExitCause.ExternalInterrupt when (cpu.Pending & ~HostVectors.Tick) != 0 => StolenFrom.Bystander,
        _ => StolenFrom.Guest,
    };
}
