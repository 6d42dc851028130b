using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Kvm;
using Sim.Kvm.Interrupts;
using Sim.Tlb;

namespace Sim.Experiments;

/// <summary>Everything that is found by itself and can be named by a user.</summary>
public static class Components
{
    /// <summary>Flush policies.</summary>
    public static Catalogue<IFlushPolicy> Policies { get; } = new(typeof(IFlushPolicy).Assembly);

    /// <summary>Deliberate bugs that can be put into a policy's kernel.</summary>
    public static IReadOnlyList<KernelMutant> Mutants => KernelMutants.All;

    /// <summary>The policy with that name, or a mutant of it (kvm-6.12~no-sync-on-invlpg), for that vendor's hardware.</summary>
    /// <exception cref="ConfigurationException">There is no such policy or mutant, or the mutant changes nothing in that policy.</exception>
    public static IFlushPolicy Policy(string name, Vendor vendor) => MutatedPolicy.Create(Policies, name, vendor);

    /// <summary>Ways to deliver interrupts.</summary>
    public static Catalogue<IInterruptPath> InterruptPaths { get; } = new(typeof(IInterruptPath).Assembly);

    /// <summary>Rules for APICv controls that change while L2 is active.</summary>
    public static Catalogue<IApicvUpdateRule> ApicvUpdateRules { get; } = new(typeof(IApicvUpdateRule).Assembly);

    /// <summary>Replacement rules of TLB arrays.</summary>
    public static IReadOnlyCollection<string> Replacements => ReplacementRules.Names;

    /// <summary>Invalidations of the hardware model, by name.</summary>
    public static IReadOnlyList<string> Invalidations { get; } =
        [.. typeof(Invalidation).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(Invalidation)) && !type.IsAbstract).Select(type => type.Name).Order(StringComparer.Ordinal)];

    /// <summary>One statistic for each path that a machine with one lane has from the start if interrupts are delivered, ordinal order.</summary>
    public static IReadOnlyList<Stat> Statistics()
    {
        RunConfiguration configuration = RunConfiguration.Load(null, []);
        DeliveringReplay machine = new(configuration.Machine, configuration.Policies[0], new InterruptDelivery("none", null), configuration.Interrupts, lanes: 1);
        StatSheet sheet = machine.Snapshot();
        new TraceCounts().Collect(sheet);
        LatencyHistogram.AddPercentiles(sheet);
        return [.. sheet.Stats.DistinctBy(stat => stat.Path)];
    }

    /// <summary>Policies compared if none are named.</summary>
    public static IReadOnlyList<string> DefaultPolicies(Vendor vendor) => vendor == Vendor.Amd
        ? ["nsvm-5.8", "always-guest", "always-current", "never"]
        : ["kvm-5.14", "kvm-5.16", "kvm-6.12", "always-guest", "always-current", "never"];
}
