namespace Sim.Kvm;

/// <summary>Why a request is pending, or a root must be loaded: for attribution.</summary>
/// <param name="Transition">Kind of transition or instruction at which it was decided.</param>
/// <param name="Rule">Rule that decided.</param>
internal readonly record struct Reason(string Transition, string Rule);

/// <summary>vcpu->requests, in the order in which vcpu_enter_guest looks at them: those that flush (<see cref="FlushRequest"/>, of which <see cref="KernelRules.ServiceOrder"/> knows more), then those about interrupts.</summary>
[Flags]
internal enum VcpuRequests
{
    None = 0,
    MmuSync = 1 << FlushRequest.MmuSync,
    LoadMmuPgd = 1 << FlushRequest.LoadMmuPgd,
    FlushAll = 1 << FlushRequest.All,
    FlushCurrent = 1 << FlushRequest.Current,
    FlushGuest = 1 << FlushRequest.Guest,
    ApicvUpdate = FlushGuest << 1,
    Event = FlushGuest << 2,

    /// <summary>All that <see cref="FlushRequest"/> names.</summary>
    Flushes = MmuSync | LoadMmuPgd | FlushAll | FlushCurrent | FlushGuest,
}
