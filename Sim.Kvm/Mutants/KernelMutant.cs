using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Kvm;

/// <summary>One deliberate bug that can be put into the kernel of a policy, to see that the safety oracle notices it. It is named behind the policy: kvm-6.12~no-sync-on-invlpg.</summary>
/// <param name="Name">Kebab-case name.</param>
/// <param name="Breaks">The hole of docs/rules.md#holes that it is (H9), the cell of docs/rules.md#nsvm-policies that it leaves out (S1 INVLPGA), else the rule.</param>
/// <param name="Summary">What it does wrong, with the source of the rule that it breaks.</param>
public sealed record KernelMutant(string Name, string Breaks, string Summary)
{
    /// <summary>What it makes of the kernel around the policy. Leaves a kernel as it is that does not have the rule.</summary>
    public Func<KernelRules, KernelRules> Rules { get; init; } = rules => rules;

    /// <summary>What it makes of one step of the policy's decisions; null forgets the step.</summary>
    public Func<NestedTransition, FlushStep, FlushStep?> Step { get; init; } = (_, step) => step;

    /// <summary>
    /// The rule is needed for nothing that the model has, but hides other bugs: no scenario is to catch this mutant alone, and others are caught behind it (kvm-5.8~no-flush-on-sync~no-address-flush).
    /// </summary>
    public bool OnlyUncovers { get; init; }

    /// <summary>True if a policy runs on that vendor's hardware and has the rule there that this mutant breaks.</summary>
    public bool Changes(IFlushPolicy policy, Vendor vendor) =>
        policy.Supports(vendor) && (Rules(policy.Rules(vendor)) != policy.Rules(vendor) || Transitions(vendor).Any(transition => ChangesDecision(policy, transition)));

    private bool ChangesDecision(IFlushPolicy policy, NestedTransition transition)
    {
        FlushDecision decision = new();
        policy.OnTransition(transition, decision);
        return decision.Steps.Any(step => Step(transition, step) != step);
    }

    /// <summary>Every transition that a policy can be asked about.</summary>
    private static IEnumerable<NestedTransition> Transitions(Vendor vendor)
    {
        TlbControl[] controls = vendor == Vendor.Amd ? Enum.GetValues<TlbControl>() : [TlbControl.None];
        return from facts in Enumerable.Range(0, 128)
               from control in controls
               select new NestedTransition((facts & 1) != 0, (facts & 2) != 0, (facts & 4) != 0, (facts & 8) != 0, (facts & 16) != 0, (facts & 32) != 0, (facts & 64) != 0) { TlbControl12 = control };
    }
}
