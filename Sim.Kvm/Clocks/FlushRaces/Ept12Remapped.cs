using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>L1 maps memory of its L2 elsewhere in EPT12 (NPT12), and says so by INVEPT, or by TLB_CONTROL.</summary>
[Component("ept12-remapped", Summary = "L1 remaps memory of its L2 in EPT12 and invalidates; L2 ran before, and runs again")]
internal sealed class Ept12Remapped : IFlushRace
{
    /// <inheritdoc/>
    public bool UsesEpt12 => true;

    /// <inheritdoc/>
    public IReadOnlyList<FlushRaceStep> Steps { get; } =
    [
        .. FlushRaceSteps.Run(0), .. FlushRaceSteps.EnterL2(0), .. FlushRaceSteps.LeaveL2(0), .. FlushRaceSteps.Remap(0), .. FlushRaceSteps.EnterL2(0), .. FlushRaceSteps.LeaveL2(0), .. FlushRaceSteps.EnterL2(0),
    ];

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => true;
}
