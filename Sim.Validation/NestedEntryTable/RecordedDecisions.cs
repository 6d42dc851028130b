using Sim.Core.Profiles;
using Sim.Kvm;

namespace Sim.Validation;

/// <summary>A flush policy that remembers what it decided at the last nested transition.</summary>
internal sealed class RecordedDecisions(IFlushPolicy policy) : IFlushPolicy
{
    /// <summary>The steps of the last decision; empty before the first.</summary>
    public IReadOnlyList<FlushStep> Last { get; private set; } = [];

    public bool Supports(Vendor vendor) => policy.Supports(vendor);

    public KernelRules Rules(Vendor vendor) => policy.Rules(vendor);

    public int L2Tags(int pool) => policy.L2Tags(pool);

    public void OnTransition(in NestedTransition transition, FlushDecision decision)
    {
        policy.OnTransition(transition, decision);
        Last = [.. decision.Steps];
    }
}
