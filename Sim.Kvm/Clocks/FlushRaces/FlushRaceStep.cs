namespace Sim.Kvm;

/// <summary>One step of a race of flushes: of a guest, of L0 between an exit and the entry behind it, or of the host.</summary>
internal enum FlushRaceAction
{
    /// <summary>The guest at the level that is active is entered, if it does not run, and uses its pages.</summary>
    Run,

    /// <summary>The guest exits to L0.</summary>
    Exit,

    /// <summary>L0 emulates L1's VMLAUNCH or VMRUN up to, and without, the real VM-entry.</summary>
    NestedEntry,

    /// <summary>L0 gives L2's exit to L1.</summary>
    NestedExit,

    /// <summary>L0 carries out the requests that are pending.</summary>
    ServeRequests,

    /// <summary>L0 loads the root that the active level needs.</summary>
    LoadRoot,

    /// <summary>L1 maps a page of its L2 elsewhere: in EPT12, or in the tables that it shadows.</summary>
    Remap,

    /// <summary>L0 emulates the invalidation that L1 executes for that; on AMD L1 may leave it to TLB_CONTROL of its next VMRUN.</summary>
    Invalidate,

    /// <summary>L1 leaves VMX operation.</summary>
    Vmxoff,

    /// <summary>L1 enters VMX operation.</summary>
    Vmxon,

    /// <summary>The host moves the vCPU's thread to the other CPU.</summary>
    Move,

    /// <summary>The real VM-entry to L2 fails: L1 sees an exit, and L2 did not run.</summary>
    FailEntry,

    /// <summary>The host takes a page of L1 away, and flushes all CPUs.</summary>
    HostTakesPage,
}

/// <summary>A step of one vCPU.</summary>
/// <param name="Vcpu">Which.</param>
/// <param name="Action">What.</param>
/// <param name="IsHappening">It comes in between: an order in which it does nothing is one with fewer happenings.</param>
internal readonly record struct FlushRaceStep(int Vcpu, FlushRaceAction Action, bool IsHappening = false);
