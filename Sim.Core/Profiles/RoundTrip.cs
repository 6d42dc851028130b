using Sim.Core.Architecture;

namespace Sim.Core.Profiles;

/// <summary>What ended a guest's run, as far as the time until it runs again depends on it.</summary>
public enum RoundTripReason
{
    /// <summary>CPUID.</summary>
    Cpuid,

    /// <summary>VMCALL or VMMCALL.</summary>
    Hypercall,

    /// <summary>HLT, without the time that the guest sleeps.</summary>
    Hlt,

    /// <summary>RDMSR or WRMSR.</summary>
    Msr,

    /// <summary>Port I/O.</summary>
    Io,

    /// <summary>A physical interrupt or NMI.</summary>
    Interrupt,

    /// <summary>An EPT violation or misconfiguration, or a nested page fault.</summary>
    TdpFault,

    /// <summary>Anything else.</summary>
    Other,
}

/// <summary>Reference cycles from a guest's VM-exit until its next instruction, everything that its hypervisors do included.</summary>
/// <param name="Least">Least of what was published or is assumed.</param>
/// <param name="Most">Most of it.</param>
/// <param name="Source">Where the figures are from; begins with "assumed" if nobody published them for this CPU.</param>
public sealed record RoundTripCost(long Least, long Most, string Source)
{
    /// <summary>True if nobody published the figures for this CPU.</summary>
    public bool IsAssumed => Source.StartsWith("assumed", StringComparison.Ordinal);
}

/// <summary>Round trips of one level of guest, by reason.</summary>
/// <param name="Kernel">The kernels that the figures are of.</param>
/// <param name="Costs">One for each reason.</param>
public sealed record RoundTripCosts(string Kernel, IReadOnlyDictionary<RoundTripReason, RoundTripCost> Costs);

/// <summary>Words and numbers of <see cref="RoundTripReason"/>.</summary>
public static class RoundTripReasons
{
    /// <summary>The words that profiles use.</summary>
    public static IReadOnlyList<(string Word, RoundTripReason Reason)> Words { get; } =
    [
        ("cpuid", RoundTripReason.Cpuid),
        ("hypercall", RoundTripReason.Hypercall),
        ("hlt", RoundTripReason.Hlt),
        ("msr", RoundTripReason.Msr),
        ("io", RoundTripReason.Io),
        ("interrupt", RoundTripReason.Interrupt),
        ("tdp_fault", RoundTripReason.TdpFault),
        ("other", RoundTripReason.Other),
    ];

    /// <summary>The word of a reason.</summary>
    public static string Word(RoundTripReason reason) => Words.Single(pair => pair.Reason == reason).Word;

    /// <summary>The name of a reason for a reader.</summary>
    public static string Name(RoundTripReason reason, Vendor vendor) => reason switch
    {
        RoundTripReason.Cpuid => "CPUID",
        RoundTripReason.Hypercall => "hypercall",
        RoundTripReason.Hlt => "HLT",
        RoundTripReason.Msr => "MSR",
        RoundTripReason.Io => "I/O",
        RoundTripReason.Interrupt => "interrupt",
        RoundTripReason.TdpFault => vendor == Vendor.Intel ? "EPT violation" : "NPF",
        _ => "other",
    };

    /// <summary>The reason that an exit reason of SDM vol. 3 appendix C, or an exit code of APM vol. 2 appendix C, stands for.</summary>
    public static RoundTripReason Of(Vendor vendor, uint reason) => vendor == Vendor.Intel
        ? (VmxExit)reason switch
        {
            VmxExit.Cpuid => RoundTripReason.Cpuid,
            VmxExit.Vmcall => RoundTripReason.Hypercall,
            VmxExit.Hlt => RoundTripReason.Hlt,
            VmxExit.MsrRead or VmxExit.MsrWrite or VmxExit.MsrReadImmediate or VmxExit.MsrWriteImmediate => RoundTripReason.Msr,
            VmxExit.Io => RoundTripReason.Io,
            VmxExit.ExceptionOrNmi or VmxExit.ExternalInterrupt => RoundTripReason.Interrupt,
            VmxExit.EptViolation or VmxExit.EptMisconfig => RoundTripReason.TdpFault,
            _ => RoundTripReason.Other,
        }
        : (SvmExit)reason switch
        {
            SvmExit.Cpuid => RoundTripReason.Cpuid,
            SvmExit.Vmmcall => RoundTripReason.Hypercall,
            SvmExit.Hlt or SvmExit.IdleHlt => RoundTripReason.Hlt,
            SvmExit.Msr => RoundTripReason.Msr,
            SvmExit.Io => RoundTripReason.Io,
            SvmExit.Interrupt or SvmExit.Nmi => RoundTripReason.Interrupt,
            SvmExit.NestedPageFault => RoundTripReason.TdpFault,
            _ => RoundTripReason.Other,
        };
}
