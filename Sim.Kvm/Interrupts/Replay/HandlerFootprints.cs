using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>One page that a handler uses.</summary>
/// <param name="Address">Linear address at the handler's level.</param>
/// <param name="Type">How.</param>
public readonly record struct FootprintPage(ulong Address, AccessType Type);

/// <summary>What the handling of an interrupt touches that no trace tells, page by page in order. Its time is the profile's; these add translation cycles, and pollute.</summary>
public sealed record HandlerFootprints
{
    /// <summary>Nothing.</summary>
    public static HandlerFootprints None { get; } = new();

    /// <summary>L0, behind a VM-exit.</summary>
    public IReadOnlyList<FootprintPage> L0Exit { get; init; } = [];

    /// <summary>L0, when it reflects an exit of L2 to L1.</summary>
    public IReadOnlyList<FootprintPage> L0Reflection { get; init; } = [];

    /// <summary>L0, for L1's VMRESUME or VMRUN.</summary>
    public IReadOnlyList<FootprintPage> L0Entry { get; init; } = [];

    /// <summary>L1, behind a nested VM-exit, up to its VMRESUME or VMRUN.</summary>
    public IReadOnlyList<FootprintPage> L1Exit { get; init; } = [];

    /// <summary>A guest's interrupt handler, at either level.</summary>
    public IReadOnlyList<FootprintPage> GuestHandler { get; init; } = [];
}
