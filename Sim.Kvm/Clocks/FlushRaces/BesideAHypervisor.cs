using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Two vCPUs share a CPU, and the L1 of each enters and leaves an L2.</summary>
[Component("beside-a-hypervisor", Summary = "two vCPUs on one CPU enter and leave L2, the vCPUs of one VM of L1")]
internal sealed class BesideAHypervisor : IFlushRace
{
    /// <inheritdoc/>
    public bool UsesEpt12 => true;

    /// <inheritdoc/>
    public IReadOnlyList<FlushRaceStep> Steps { get; } =
    [
        .. FlushRaceSteps.Run(1), .. FlushRaceSteps.EnterL2(1), .. FlushRaceSteps.Run(0), .. FlushRaceSteps.EnterL2(0), .. FlushRaceSteps.LeaveL2(1), .. FlushRaceSteps.LeaveL2(0),
        .. FlushRaceSteps.EnterL2(0), .. FlushRaceSteps.EnterL2(1),
    ];

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => true;
}
