using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Policy S3 (docs/rules.md#nsvm-policies): as <see cref="NsvmL2Asid"/>, with several ASIDs for L2 on each vCPU, one for each vmcb12.ASID in use.</summary>
[Component("nsvm-l2-asid-pool", Summary = "hypothetical for nSVM (S3): a pool of ASIDs for L2, one for each vmcb12.ASID in use, instead of one")]
public sealed class NsvmL2AsidPool : IFlushPolicy
{
    /// <inheritdoc/>
    public bool IsYardstick => true;

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Amd;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelRules.NsvmRework;

    /// <inheritdoc/>
    public int L2Tags(int pool) => pool;

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision)
    {
        FlushOnNewAsid12.Decide(transition, decision);
        if (transition.IsEntry)
        {
            decision.RememberVpid12();
        }
    }
}
