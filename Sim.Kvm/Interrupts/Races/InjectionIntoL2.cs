using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>L1 enters L2 with an interrupt to inject while one for L1 comes: the entry must happen first (docs/rules.md#nested-interrupts, nested_run_pending).</summary>
[Component("injection-into-l2", Summary = "an interrupt for L1 comes while L1 enters L2 with an interrupt to inject")]
internal sealed class InjectionIntoL2 : IInterruptRace
{
    /// <inheritdoc/>
    public IReadOnlyList<WrongRule> WrongRules { get; } = [NestedRules.PendingRunForgotten];

    /// <inheritdoc/>
    public bool IsAbout(IInterruptPath path, InterruptSource sender) => sender != InterruptSource.Ipi && RaceStage.Exists(path, sender);

    /// <inheritdoc/>
    public Race Start(RaceSetting setting, IConductor conductor)
    {
        RaceStage stage = new RaceStage(setting, conductor, [1], spec => spec with { Controls12 = spec.Controls12 & ~Core.Traces.VmControls.PostedInterrupts }).Settle().Send();
        Delivery forL2 = new(RaceStage.Vector, 0, 2, InterruptSource.Software);
        stage.System.Ledger.Posted(forL2, 0);
        stage.System.Ledger.Requested(forL2);
        stage.System.Vcpus[0].L2Apic.Irr.TestAndSet(forL2.Vector);
        stage.Guests.Settle(0, 2);
        stage.System.Vcpus[0].Guest(1).Spins = false;
        return stage.Build();
    }
}
