using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>The rule in the words of its summary; docs/rules.md#apicv-inhibition.</summary>
[Component("deferred-by-request", Summary = "5.18 (seed 2's patch): the nested VM-exit raises APICV_UPDATE, which then finds nothing to change: vmcs01 stays behind")]
public sealed class DeferredByRequestUpdate : IApicvUpdateRule
{
    /// <inheritdoc/>
    public int Refresh(ApicvUpdate update)
    {
        update.WriteVmcs01OrDefer();
        return 0;
    }

    /// <inheritdoc/>
    public int OnNestedExit(ApicvUpdate update)
    {
        if (update.TakeDeferred())
        {
            update.Request();
        }

        return 0;
    }
}
