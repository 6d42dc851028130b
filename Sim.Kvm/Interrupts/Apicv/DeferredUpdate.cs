using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>The rule in the words of its summary; docs/rules.md#apicv-inhibition.</summary>
[Component("deferred", Summary = "6.19: while L2 is active only a flag is set; the nested VM-exit writes vmcs01")]
public sealed class DeferredUpdate : IApicvUpdateRule
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
            update.WriteVmcs01();
        }

        return 0;
    }
}
