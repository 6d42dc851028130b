using Sim.Core.Profiles;

namespace Sim.Kvm.Interrupts;

/// <summary>Cost figures that many steps share.</summary>
internal static class Costs
{
    public static Func<CpuProfile, int> None { get; } = _ => 0;

    public static Func<CpuProfile, int> SharedLine { get; } = profile => profile.InterruptCosts.SharedLine;
}
