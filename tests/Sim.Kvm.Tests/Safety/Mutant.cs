using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm.Tests.Safety;

/// <summary>A policy in a kernel with something changed that no named mutant changes.</summary>
internal sealed class Mutant(IFlushPolicy policy, Func<KernelRules, KernelRules> change) : IFlushPolicy
{
    public static readonly Catalogue<IFlushPolicy> All = new(typeof(IFlushPolicy).Assembly);

    public Mutant(string policy, Func<KernelRules, KernelRules> change)
        : this(Named(policy), change)
    {
    }

    public static IFlushPolicy Named(string policy, Vendor vendor = Vendor.Intel) => MutatedPolicy.Create(All, policy, vendor);

    public bool Supports(Vendor vendor) => policy.Supports(vendor);

    public KernelRules Rules(Vendor vendor) => change(policy.Rules(vendor));

    public int L2Tags(int pool) => policy.L2Tags(pool);

    public void OnTransition(in NestedTransition transition, FlushDecision decision) => policy.OnTransition(transition, decision);
}

/// <summary>A policy of a few lines, in today's kernel.</summary>
internal sealed class Decides(Action<NestedTransition, FlushDecision> decide) : IFlushPolicy
{
    public bool Supports(Vendor vendor) => true;

    public KernelRules Rules(Vendor vendor) => KernelRules.Yardstick(vendor);

    public void OnTransition(in NestedTransition transition, FlushDecision decision) => decide(transition, decision);
}
