using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Kvm;
using Sim.Kvm.Interrupts;

namespace Sim.Experiments;

/// <summary>The real machine with interrupts delivered anew.</summary>
internal sealed class DeliveringReplay : IReplay
{
    private readonly InterruptReplay _replay;

    /// <summary>A machine at reset.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="policy">Name of the flush policy.</param>
    /// <param name="delivery">How interrupts are delivered.</param>
    /// <param name="settings">Where they come from.</param>
    /// <param name="lanes">Physical CPUs of the trace.</param>
    /// <param name="cancellation">Breaks a block off that takes long.</param>
    public DeliveringReplay(MachineSpec machine, string policy, InterruptDelivery delivery, InterruptSettings settings, int lanes, CancellationToken cancellation = default) =>
        _replay = new InterruptReplay(
            machine,
            Components.Policy(policy, machine.Profile.Vendor),
            ReplayKind.ByPolicy,
            lanes,
            settings.Spec,
            Components.InterruptPaths.Create(delivery.Path),
            delivery.ApicvUpdate is { } rule ? Components.ApicvUpdateRules.Create(rule) : new DeferredUpdate(),
            settings.Load,
            InterruptFootprints.Synthetic,
            cancellation: cancellation);

    public IReadOnlyList<FailedVmEntry> FailedVmEntries => _replay.FailedVmEntries;

    public SafetyReport? Safety => _replay.Safety;

    public void Replay(TraceBlock block, int first, int count) => _replay.Replay(block, first, count);

    public StatSheet Snapshot() => _replay.Snapshot();

    public StatSheet Occupancy() => _replay.Occupancy();

    public void CheckConservation() => _replay.CheckConservation();

    public void RestartSafety() => _replay.RestartSafety();

    public void BeginWindow() => _replay.Settle();

    public void EndWindow() => _replay.Finish();
}
