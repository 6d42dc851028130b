using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>L1 enters and leaves its L2 on a CPU that it shares with another vCPU, whose guest has no L2.</summary>
[Component("beside-a-guest", Summary = "a vCPU enters and leaves L2 on a CPU that another vCPU, without an L2, runs on too")]
internal sealed class BesideAGuest : IFlushRace
{
    /// <inheritdoc/>
    public bool UsesEpt12 => true;

    /// <inheritdoc/>
    public IReadOnlyList<FlushRaceStep> Steps { get; } =
    [
        .. FlushRaceSteps.Run(1), .. FlushRaceSteps.Run(0), .. FlushRaceSteps.EnterL2(0), .. FlushRaceSteps.Run(1), .. FlushRaceSteps.LeaveL2(0), .. FlushRaceSteps.EnterL2(0), .. FlushRaceSteps.Run(1),
    ];

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => true;
}
