using Sim.Kvm.Interrupts;

namespace Sim.Validation;

/// <summary>What happens to the machine of <see cref="WindowReplay"/>.</summary>
internal enum MomentKind
{
    /// <summary>A guest exits.</summary>
    Exit,

    /// <summary>L0 carries out a nested entry, with what L1 wrote into vmcs12.</summary>
    NestedEntry,

    /// <summary>L0 leaves L2 for L1.</summary>
    NestedExit,

    /// <summary>L0 delivers an interrupt: an IPI of L1, or the vCPU's own timer.</summary>
    Send,

    /// <summary>L1 posts an IPI of L2 into its own descriptor.</summary>
    PostToL2,

    /// <summary>L0 is about to enter a guest.</summary>
    GuestMode,

    /// <summary>A VM-entry.</summary>
    Entry,

    /// <summary>A guest takes a virtual interrupt.</summary>
    Deliver,

    /// <summary>A guest writes EOI.</summary>
    Eoi,

    /// <summary>A guest sends itself an interrupt.</summary>
    SelfIpi,
}

/// <summary>Where an interrupt goes, as its ICR says.</summary>
internal enum Destination
{
    /// <summary>The vCPU with an APIC ID.</summary>
    Id,

    /// <summary>The sender.</summary>
    Self,

    /// <summary>All.</summary>
    All,

    /// <summary>All but the sender.</summary>
    Others,

    /// <summary>The vCPU that runs the L2 vCPU with an APIC ID.</summary>
    RunsL2,
}

/// <summary>One input of the replay.</summary>
internal sealed class InterruptMoment
{
    public required MomentKind Kind { get; init; }

    public required ulong Time { get; set; }

    /// <summary>Order of records: breaks ties of time.</summary>
    public required long Order { get; init; }

    public required int Lane { get; init; }

    /// <summary>The vCPU.</summary>
    public required ulong Vmcs01 { get; init; }

    public int Level { get; init; }

    public int Vector { get; init; } = -1;

    public byte Rvi { get; set; }

    public byte Svi { get; set; }

    /// <summary>Exit: HLT. NestedExit: the exit is none that L1 intercepts by itself.</summary>
    public bool Flag { get; init; }

    /// <summary>Entry: the first one behind a nested entry, whose status comes from vmcs12.</summary>
    public bool IsFromVmcs12 { get; init; }

    /// <summary>L1's descriptor of the L2 vCPU.</summary>
    public ulong Descriptor { get; init; }

    public InterruptSource Source { get; init; }

    public Destination Destination { get; init; }

    public ulong DestinationId { get; init; }
}

/// <summary>A recorded or predicted event and its place.</summary>
/// <param name="Event">What happened; its vCPU is not compared.</param>
/// <param name="Entries">VM-entries of its lane before it.</param>
/// <param name="Time">Tick.</param>
/// <param name="MayBeFromBefore">Recorded: the first of its vector on its vCPU, without any cause in the recording, so that it may have been pending, or its timer armed, when that began.</param>
internal readonly record struct PlacedInterrupt(InterruptEvent Event, int Entries, ulong Time, bool MayBeFromBefore = false);

/// <summary>One window of a capture: what goes in, and what was recorded.</summary>
internal sealed class CapturedWindow(ulong number, ulong start)
{
    /// <summary>Its number in the capture.</summary>
    public ulong Number { get; } = number;

    /// <summary>Tick at which the capture, not the window, begins.</summary>
    public ulong Start { get; } = start;

    /// <summary>Inputs; by time once <see cref="Sort"/> was called.</summary>
    public List<InterruptMoment> Moments { get; private set; } = [];

    /// <summary>What L0 and the processor did.</summary>
    public List<PlacedInterrupt> Recorded { get; } = [];

    /// <summary>The virtual machines by the EPT pointer of their vCPUs, which are in order of VPID: the order in which KVM made them, that of their APIC IDs.</summary>
    public List<ulong[]> Machines { get; } = [];

    /// <summary>L2's vCPUs by L1's descriptor for them: APIC IDs.</summary>
    public SortedDictionary<ulong, ulong> L2Ids { get; } = [];

    /// <summary>Vmcs01 has "process posted interrupts".</summary>
    public bool UsesPostedInterrupts { get; set; }

    /// <summary>Vectors of IPIs that were sent in it.</summary>
    public HashSet<int> SentVectors { get; } = [];

    /// <summary>Interrupts whose vector or target the capture does not tell.</summary>
    public long Untold { get; set; }

    /// <summary>Orders the inputs by time; those of one record stay in their order.</summary>
    public void Sort() => Moments = [.. Moments.OrderBy(moment => moment.Time).ThenBy(moment => moment.Order)];
}
