using Sim.Apic;
using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>
/// The target is preempted and goes on, on its own or on another CPU (docs/rules.md#delivery: vmx_vcpu_pi_load and SN; docs/rules.md#avic-delivery: IsRunning, host APIC ID and IRTE). CPU 2 idles,
/// and vCPU 2 waits for the target's CPU.
/// </summary>
[Component("target-migrates", Summary = "the target is preempted and moved to another CPU as the interrupt comes")]
internal sealed class TargetMigrates : IInterruptRace
{
    /// <inheritdoc/>
    public IReadOnlyList<WrongRule> WrongRules { get; } =
    [
        PostingRules.NdstKept.On(FromHardware), PostingRules.SnKept.On(FromHardware), PostingRules.NoPirRecheck.On(FromHardware),
        PostingRules.PirRecheckedBeforeSn.On(FromHardware),
        AvicRules.NoLookAtIrr, AvicRules.NoIrrIfPreempted, AvicRules.Erratum1235,
        AvicRules.HostIdKept.On(FindsRunning), AvicRules.NoIsRunning.On(FindsRunning), AvicRules.IsRunningKeptPreempted.On(FindsRunning),
        AvicRules.DestinationKept.On(FromDevice), AvicRules.NoIsRun.On(FromDevice), AvicRules.GaLogForPreempted.On(FromDevice),
    ];

    /// <inheritdoc/>
    public bool IsAbout(IInterruptPath path, InterruptSource sender) => RaceStage.Exists(path, sender);

    /// <inheritdoc/>
    public Race Start(RaceSetting setting, IConductor conductor)
    {
        RaceStage stage = new RaceStage(setting, conductor, [1, 1, 1]).Queue(2, behind: 0).Settle().Send();
        Vcpu target = stage.System.Vcpus[0];
        PhysicalCpu from = stage.System.Cpus[0];
        PhysicalCpu to = stage.System.Cpus[2];
        return stage
            .With(new Happening("the tick arrives at CPU 0", () => from.Current == target, () => stage.System.Arrive(new Message(from.Index, HostVectors.Tick, false))))
            .With(new Happening("the host moves vCPU 0 to CPU 2", () => from.RunQueue.Contains(target), () => stage.System.Migrate(target, to)))
            .Build();
    }

    private static bool FromHardware(IInterruptPath path, InterruptSource sender) => sender != InterruptSource.Software;

    private static bool FromDevice(IInterruptPath path, InterruptSource sender) => sender == InterruptSource.Device;

    private static bool FindsRunning(IInterruptPath path, InterruptSource sender) => sender == InterruptSource.Ipi && path.EnableIpiv;
}
