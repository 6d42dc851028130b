using Sim.Core;
using Sim.Kvm;

namespace Sim.Experiments;

/// <summary>Everything that is found by itself and can be named by a user.</summary>
public static class Components
{
    /// <summary>Flush policies.</summary>
    public static Catalogue<IFlushPolicy> Policies { get; } = new(typeof(IFlushPolicy).Assembly);

    /// <summary>Replacement rules of TLB arrays.</summary>
    public static IReadOnlyCollection<string> Replacements { get; } = ["bit-plru", "fifo", "lru", "plru4-mru3", "random", "srrip", "tree-plru"];

    /// <summary>Policies compared if none are named.</summary>
    public static IReadOnlyList<string> DefaultPolicies { get; } = ["kvm-5.14", "kvm-5.16", "kvm-6.12", "always-guest", "always-current", "never"];
}
