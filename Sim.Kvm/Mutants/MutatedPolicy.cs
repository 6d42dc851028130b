using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>A policy in a kernel with a deliberate bug. It is named POLICY~MUTANT; several bugs are mutants of a mutant, POLICY~MUTANT~MUTANT.</summary>
public sealed class MutatedPolicy : IFlushPolicy
{
    /// <summary>What stands between the name of a policy and that of a mutant.</summary>
    public const char Separator = '~';

    private readonly IFlushPolicy _policy;
    private readonly KernelMutant _mutant;

    private readonly string _name;

    private MutatedPolicy(string name, IFlushPolicy policy, KernelMutant mutant)
    {
        _name = name;
        _policy = policy;
        _mutant = mutant;
    }

    /// <summary>The policy with that name, mutated if the name says so, for that vendor's hardware.</summary>
    /// <exception cref="ConfigurationException">There is no such policy or mutant (the message has the nearest ones), or a mutant changes nothing in that policy.</exception>
    public static IFlushPolicy Create(Catalogue<IFlushPolicy> policies, string name, Vendor vendor)
    {
        string[] words = name.Split(Separator);
        string[] changes = [.. words.Skip(1).TakeWhile(NamedKernel.IsChange)];
        IFlushPolicy policy = Base(policies, string.Join(Separator, words[..(changes.Length + 1)]), words[0], changes);
        for (int i = changes.Length + 1; i < words.Length; i++)
        {
            if (NamedKernel.IsChange(words[i]))
            {
                throw new ConfigurationException($"'{name}': '{words[i]}' is a change of the kernel, and must stand before the mutants, directly behind {words[0]}.");
            }

            KernelMutant mutant = KernelMutants.Named(words[i]);
            if (policy.Supports(vendor) && !mutant.Changes(policy, vendor))
            {
                string[] others = [.. policies.Entries.Select(entry => entry.Name).Where(other => mutant.Changes(policies.Create(other), vendor))];
                throw new ConfigurationException(
                    $"Mutant '{mutant.Name}' changes nothing in policy '{string.Join(Separator, words[..i])}' on {vendor.Name()} hardware: it has no such rule, or does not keep it anyhow. "
                    + (others.Length == 0 ? $"No policy for {vendor.Name()} has it." : $"These have it: {string.Join(", ", others)}."));
            }

            policy = new MutatedPolicy(string.Join(Separator, words[..(i + 1)]), policy, mutant);
        }

        return policy;
    }

    private static IFlushPolicy Base(Catalogue<IFlushPolicy> policies, string name, string kernel, string[] changes)
    {
        IFlushPolicy? named = policies.Entries.Any(entry => entry.Name == kernel) ? policies.Create(kernel) : null;
        if (named is not null && changes.Length == 0)
        {
            return named;
        }

        if (named is { Release: { } release })
        {
            return NamedKernel.Create(name, named.Supports(Vendor.Amd) ? Vendor.Amd : Vendor.Intel, release, changes);
        }

        if (named is not null)
        {
            throw new ConfigurationException($"'{name}': {kernel} is no release of KVM, so that '{changes[0]}' cannot stand behind it. 'nestsim list kernels' shows which are.");
        }

        return NamedKernel.TryParse(kernel, out Vendor ofName, out KernelVersion version)
            ? NamedKernel.Create(name, ofName, version, changes)
            : throw new ConfigurationException(NearestNames.Unknown("policy", kernel, policies.Entries.Select(entry => entry.Name)) + " A kernel is named by its version: kvm-6.12.117 on Intel, nsvm-6.12.117 on AMD.");
    }

    /// <summary>The name it was made by.</summary>
    public override string ToString() => _name;

    /// <inheritdoc/>
    public bool IsYardstick => _policy.IsYardstick;

    /// <inheritdoc/>
    public KernelVersion? Release => _policy.Release;

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => _policy.Supports(vendor);

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => _mutant.Rules(_policy.Rules(vendor));

    /// <inheritdoc/>
    public int L2Tags(int pool) => _policy.L2Tags(pool);

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision)
    {
        _policy.OnTransition(transition, decision);
        decision.Rewrite(transition, _mutant.Step);
    }
}
