using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>The L1s of two vCPUs leave VMX operation and enter it again: the VPIDs of their L2s are free for others in between. L1 shadows its L2's page tables, so that nothing but the VPID tells two L2s apart.</summary>
[Component("vmx-operation", Summary = "L1 leaves VMX operation and enters it again, so that VPIDs of L2s change hands")]
internal sealed class VmxOperation : IFlushRace
{
    /// <inheritdoc/>
    public bool UsesEpt12 => false;

    /// <inheritdoc/>
    public IReadOnlyList<FlushRaceStep> Steps { get; } =
    [
        .. FlushRaceSteps.EnterL2(0), .. FlushRaceSteps.LeaveL2(0), .. FlushRaceSteps.Emulated(1, FlushRaceAction.Vmxoff), .. FlushRaceSteps.Emulated(0, FlushRaceAction.Vmxoff),
        .. FlushRaceSteps.Emulated(1, FlushRaceAction.Vmxon), .. FlushRaceSteps.EnterL2(1), .. FlushRaceSteps.LeaveL2(1), .. FlushRaceSteps.Emulated(1, FlushRaceAction.Vmxoff),
        .. FlushRaceSteps.Emulated(0, FlushRaceAction.Vmxon), .. FlushRaceSteps.EnterL2(0),
    ];

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Intel;
}
