using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Workloads.Weave;

/// <summary>Which exits an L2 takes, by a name of what it does, for programs of which no exits were recorded (docs/sources.md#exit-mixes).</summary>
/// <param name="Name">What users call it.</param>
/// <param name="Summary">What it is, with its source.</param>
/// <param name="Shares">Exits by their VMX reasons.</param>
/// <param name="IsAssumed">The shares were published by nobody.</param>
public sealed record ExitMix(string Name, string Summary, IReadOnlyList<ExitShare> Shares, bool IsAssumed)
{
    private const uint ExternalInterrupt = 1;
    private const uint Cpuid = 10;
    private const uint Hlt = 12;
    private const uint PortIo = 30;
    private const uint Wrmsr = 32;
    private const uint EptViolation = 48;
    private const uint EptMisconfiguration = 49;

    private static readonly (uint Vmx, uint Svm)[] SameExits = [(ExternalInterrupt, 0x60), (Cpuid, 0x72), (Hlt, 0x78), (PortIo, 0x7B), (Wrmsr, 0x7C), (EptViolation, 0x400), (EptMisconfiguration, 0x400)];

    /// <summary>All mixes, in order of their names.</summary>
    public static IReadOnlyList<ExitMix> All { get; } =
    [
        new("cpuid-loop", "CPUID and nothing else: the microbenchmark of nested round trips", [new(Cpuid, ExitHandler.L1, 1)], IsAssumed: false),
        new(
            "database",
            "timer MSRs, notifications and interrupts of a virtio disk, new pages; assumed",
            [new(Wrmsr, ExitHandler.L1, 35), new(EptMisconfiguration, ExitHandler.L1, 20), new(Hlt, ExitHandler.L1, 15), new(EptViolation, ExitHandler.L1, 10), new(EptViolation, ExitHandler.L0, 5), new(ExternalInterrupt, ExitHandler.L0, 15)],
            IsAssumed: true),
        new(
            "idle-timer",
            "an idle guest that sets its timer and halts: 33 MSR writes and 12 HLT of 45 exits of a cloud VM",
            [new(Wrmsr, ExitHandler.L1, 33), new(Hlt, ExitHandler.L1, 12)],
            IsAssumed: false),
        new(
            "web-server",
            "timer MSRs, notifications and interrupts of a virtio network card, waiting; assumed",
            [new(Wrmsr, ExitHandler.L1, 40), new(EptMisconfiguration, ExitHandler.L1, 20), new(Hlt, ExitHandler.L1, 15), new(EptViolation, ExitHandler.L1, 3), new(PortIo, ExitHandler.L1, 2), new(ExternalInterrupt, ExitHandler.L0, 20)],
            IsAssumed: true),
    ];

    /// <summary>The mix of that name.</summary>
    /// <exception cref="ConfigurationException">There is none; the message lists the nearest.</exception>
    public static ExitMix Of(string name) => All.FirstOrDefault(mix => mix.Name == name) ?? throw new ConfigurationException(NearestNames.Unknown("exit mix", name, All.Select(mix => mix.Name)));

    /// <summary>A reason of this mix as a vendor's hardware has it.</summary>
    public static uint Reason(Vendor vendor, uint vmx) => vendor == Vendor.Amd ? Array.Find(SameExits, pair => pair.Vmx == vmx).Svm : vmx;
}
