using Sim.Core.Profiles;

namespace Sim.Kvm.Interrupts;

/// <summary>
/// A race between the delivery of an interrupt and something else that happens to its target, and the rules that are known to lose it. One file each, found by its
/// <see cref="Core.ComponentAttribute"/>; stateless.
/// </summary>
internal interface IInterruptRace
{
    /// <summary>Rules that are known to be wrong in this race, on one path or another.</summary>
    IReadOnlyList<WrongRule> WrongRules { get; }

    /// <summary>Whether the race exists on a path with a sender: a device stands for the IOMMU that delivers by itself, software for KVM's own posting.</summary>
    bool IsAbout(IInterruptPath path, InterruptSource sender);

    /// <summary>The race at its beginning.</summary>
    Race Start(RaceSetting setting, IConductor conductor);
}

/// <summary>What a race takes place on.</summary>
/// <param name="Profile">Vendor. Costs do not matter: a schedule has no time.</param>
/// <param name="Path">The path.</param>
/// <param name="Sender">Who sends.</param>
/// <param name="Rule">The rule in force.</param>
internal sealed record RaceSetting(CpuProfile Profile, IInterruptPath Path, InterruptSource Sender, WrongRule Rule);
