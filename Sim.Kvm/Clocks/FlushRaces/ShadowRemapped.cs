using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>An L1 without EPT12 changes the tables that it shadows its L2's with, and says so by INVVPID, or by INVLPGA.</summary>
[Component("shadow-remapped", Summary = "an L1 that shadows its L2's page tables remaps a page and invalidates it; L2 ran before, and runs again")]
internal sealed class ShadowRemapped : IFlushRace
{
    /// <inheritdoc/>
    public bool UsesEpt12 => false;

    /// <inheritdoc/>
    public IReadOnlyList<FlushRaceStep> Steps { get; } =
    [
        .. FlushRaceSteps.Run(0), .. FlushRaceSteps.EnterL2(0), .. FlushRaceSteps.LeaveL2(0), .. FlushRaceSteps.Remap(0), .. FlushRaceSteps.EnterL2(0), .. FlushRaceSteps.LeaveL2(0), .. FlushRaceSteps.EnterL2(0),
    ];

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => true;
}
