using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>What is to become of a recorded exit.</summary>
internal enum ExitFate
{
    /// <summary>It stays.</summary>
    Kept,

    /// <summary>It cannot be known before more records are fed.</summary>
    Unknown,

    /// <summary>Only delivery had caused it: it goes, up to the entry that takes the guest back.</summary>
    Dropped,
}

/// <summary>
/// Finds recorded exits that exist only because an interrupt was delivered the way the recorded L0 did it: an exit for a notification or a kick, an interrupt window, an EOI or an ICR write that left the guest,
/// and, for an interrupt of L1 while L2 ran, the nested exit and entry with what L1 did in between.
/// </summary>
/// <remarks>Careful: a stay with anything else in it (a changed mapping, a CR3, another vCPU, an exit of L1 that is not an APIC's) is kept.</remarks>
internal sealed class DeliveryExits
{
    /// <summary>How far ahead the end of a stay is looked for.</summary>
    public const ulong LongestCycles = 1_000_000;

    private const int LongestEvents = 256;

    private readonly bool _amd;
    private readonly bool _keepsIcr;

    // One look: where it is in the stay, and what it found.
    private Stage _stage;
    private ExitFate _fate;
    private int _events;
    private int _entry;
    private int _level;
    private bool _interrupt;
    private bool _needsVector;
    private ulong _vmcs12;
    private ulong _until;

    /// <summary>For a vendor's exit reasons. <paramref name="keepsIcr"/>: ICR writes exit under the path under test too, so their exits stay.</summary>
    public DeliveryExits(Vendor vendor, bool keepsIcr)
    {
        _amd = vendor == Vendor.Amd;
        _keepsIcr = keepsIcr;
    }

    private enum Stage
    {
        Exit,
        InL0,
        BehindNestedExit,
        InL1,
        InL0ForL1,
        BehindNestedEntry,
        Entered,
    }

    /// <summary>Judges the exit that is the next record.</summary>
    /// <param name="lane">Where.</param>
    /// <param name="vmcs12">The vmcs12 that was entered last: another one ends an episode.</param>
    /// <param name="events">How many events go, from the exit to the entry.</param>
    public ExitFate Judge(TraceLane lane, ulong vmcs12, out int events)
    {
        _stage = Stage.Exit;
        _fate = ExitFate.Kept;
        _events = 0;
        _entry = 0;
        _interrupt = false;
        _vmcs12 = vmcs12;
        _until = lane.Cursor + LongestCycles;
        bool decided = lane.Supply.Scan(Look, LongestEvents);
        events = _entry;
        return decided || lane.IsKnown(_until) ? _fate : ExitFate.Unknown;
    }

    private bool Look(TraceEvent e)
    {
        _events++;
        if (e.Time > _until)
        {
            return false;
        }

        if (e.Kind is RecordKind.Work or RecordKind.Mark or RecordKind.Eoi or RecordKind.ApicMode or RecordKind.PageSizes)
        {
            return true;
        }

        switch (_stage)
        {
            case Stage.Exit:
                _level = e.Transition == TransitionKind.L2ToL0 ? 2 : 1;
                _needsVector = IsExternal(e.C);
                _stage = Stage.InL0;
                return _needsVector || IsOfDelivery(e.C);
            case Stage.InL0 when e.Kind == RecordKind.Interrupt && e.D == 0:
                _needsVector = _needsVector && !IsNotification(e.B);
                return IsNotification(e.B);
            case Stage.InL0 when IsEntry(e, _level):
                _entry = _events;
                _fate = _needsVector ? ExitFate.Kept : ExitFate.Dropped;
                return false;
            case Stage.InL0 when _level == 2 && e.Kind == RecordKind.VmExit && e.Transition == TransitionKind.L2ToL1 && IsExternal(e.C):
                _stage = Stage.BehindNestedExit;
                return true;
            case Stage.BehindNestedExit when IsEntry(e, 1):
                _stage = Stage.InL1;
                return true;
            case Stage.InL1 when e.Kind == RecordKind.Interrupt && e.D == 1:
                _interrupt = true;
                return true;
            case Stage.InL1 when e.Kind == RecordKind.VmExit && e.Transition == TransitionKind.L1ToL0 && IsOfL1sHandling(e.C):
                _stage = Stage.InL0ForL1;
                return true;
            case Stage.InL0ForL1 when IsEntry(e, 1):
                _stage = Stage.InL1;
                return true;
            case Stage.InL0ForL1 when e.Kind == RecordKind.VmEnter && e.Transition == TransitionKind.L1ToL2:
                _stage = Stage.BehindNestedEntry;
                return e.C == _vmcs12;
            case Stage.BehindNestedEntry when IsEntry(e, 2):
                _entry = _events;
                _fate = _interrupt ? ExitFate.Dropped : ExitFate.Kept;
                return false;
            default:
                return false;
        }
    }

    private static bool IsEntry(in TraceEvent e, int level) =>
        e.Kind == RecordKind.VmEnter && e.Transition == (level == 2 ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1);

    private static bool IsNotification(ulong vector) => (HostVector)vector is HostVector.PostedInterrupt or HostVector.Wakeup or HostVector.NestedPostedInterrupt;

    private bool IsExternal(ulong reason) => _amd ? (SvmExit)reason == SvmExit.Interrupt : (VmxExit)reason == VmxExit.ExternalInterrupt;

    /// <summary>Interrupt window, EOI_INDUCED, TPR_BELOW_THRESHOLD, APIC_WRITE; VINTR, AVIC_INCOMPLETE_IPI, AVIC_UNACCELERATED_ACCESS.</summary>
    private bool IsOfDelivery(ulong reason) => _amd
        ? (SvmExit)reason is SvmExit.VirtualInterrupt or SvmExit.AvicUnacceleratedAccess || ((SvmExit)reason == SvmExit.AvicIncompleteIpi && !_keepsIcr)
        : (VmxExit)reason is VmxExit.InterruptWindow or VmxExit.TprBelowThreshold or VmxExit.EoiInduced || ((VmxExit)reason == VmxExit.ApicWrite && !_keepsIcr);

    /// <summary>Those, and what an L1's KVM does about an interrupt of its own: MSR accesses, VMREAD and VMWRITE, and the way back to L2.</summary>
    private bool IsOfL1sHandling(ulong reason) =>
        IsOfDelivery(reason) || (_amd
            ? (SvmExit)reason is SvmExit.Msr or SvmExit.Vmrun or SvmExit.Vmload or SvmExit.Vmsave or SvmExit.Stgi or SvmExit.Clgi
            : (VmxExit)reason is VmxExit.Vmlaunch or VmxExit.Vmread or VmxExit.Vmresume or VmxExit.Vmwrite or VmxExit.MsrRead or VmxExit.MsrWrite or VmxExit.ApicWrite);
}
