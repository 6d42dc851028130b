using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>The rule in the words of its summary; docs/rules.md#apicv-inhibition.</summary>
[Component("switch-vmcs", Summary = "7.0: loads vmcs01 for the write, and vmcs02 again: two VMPTRLDs when it happens during L2, nothing at the nested VM-exit")]
public sealed class SwitchVmcsUpdate : IApicvUpdateRule
{
    /// <inheritdoc/>
    public int Refresh(ApicvUpdate update)
    {
        update.WriteVmcs01();
        return update.GuestMode ? 2 * update.VmptrldCycles : 0;
    }

    /// <inheritdoc/>
    public int OnNestedExit(ApicvUpdate update) => 0;
}
