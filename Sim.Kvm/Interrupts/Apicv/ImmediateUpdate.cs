using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>The rule in the words of its summary; docs/rules.md#apicv-inhibition.</summary>
[Component("immediate", Summary = "before 5.18: writes the current VMCS at once, which stomps vmcs02 while L2 is active and leaves vmcs01 behind")]
public sealed class ImmediateUpdate : IApicvUpdateRule
{
    /// <inheritdoc/>
    public int Refresh(ApicvUpdate update)
    {
        update.WriteCurrentVmcs();
        return 0;
    }

    /// <inheritdoc/>
    public int OnNestedExit(ApicvUpdate update) => 0;
}
