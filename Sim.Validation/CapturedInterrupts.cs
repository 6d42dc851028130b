using Sim.Captures;
using Sim.Captures.Ftrace;
using Sim.Captures.HwLog;
using Sim.Core.Architecture;
using Sim.Kvm.Interrupts;

namespace Sim.Validation;

/// <summary>
/// Reads a hardware capture as interrupts: what guests, devices and timers did is input of a replay, what L0 and the processor made of it is compared.
/// </summary>
/// <remarks>
/// Inferred, since no record says it:
/// <list type="bullet">
/// <item>When L0 posts an IPI, and when it writes vcpu->mode: fixed distances from the exit and to the entry (<see cref="PostingTicks"/>, <see cref="GuestModeTicks"/>).</item>
/// <item>When an APIC timer expires: at the deadline that was written, by the offset of the guest's TSC that most expiries show. L2's, which L1 emulates with vmcs12's preemption timer, comes
/// before interrupts in L0's order of nested events.</item>
/// <item>A hypercall KVM_HC_SEND_IPI of L1 behind an ICR write of its L2 is posted_intr_nv, to the vCPU that runs the target.</item>
/// <item>RVI and SVI of the first VM-entry behind a nested entry are what L1 wrote into vmcs12.</item>
/// </list>
/// </remarks>
internal sealed class CapturedInterrupts
{
    /// <summary>From the exit of an ICR write to the write of PIR, in instructions of Linux 6.12.</summary>
    private const ulong PostingTicks = 2_850;

    /// <summary>The same from the exit of a hypercall.</summary>
    private const ulong HypercallTicks = 2_590;

    /// <summary>From the write of vcpu->mode to the VM-entry, in instructions of Linux 6.12.</summary>
    private const ulong GuestModeTicks = 1_900;

    private const ulong BootProcessor = 1 << 8;
    private const ulong IcrDeliveryMode = 7 << 8;
    private const ulong SendIpiHypercall = 10;
    private const ulong ProcessPosted = 1 << 7;

    private readonly LevelTracker _levels;
    private readonly TscOffsets _offsets;
    private readonly Action<CapturedWindow> _take;
    private readonly SortedDictionary<ulong, CapturedVcpu> _vcpus = [];
    private readonly List<CapturedLane> _lanes = [];
    private CapturedWindow? _open;
    private ulong? _start;
    private ulong _now;
    private long _order;

    private CapturedInterrupts(IReadOnlyList<VmcsLink> links, TscOffsets offsets, Action<CapturedWindow> take)
    {
        _levels = new LevelTracker(links);
        _offsets = offsets;
        _take = take;
    }

    /// <summary>Reads a capture twice, and hands over one window after the other.</summary>
    /// <exception cref="Core.TraceFormatException">The capture is damaged.</exception>
    public static Findings Read(Func<HwLogReader> open, Action<CapturedWindow> take)
    {
        (IReadOnlyList<VmcsLink> links, TscOffsets offsets) = CapturedClocks.Learn(open);
        CapturedInterrupts captured = new(links, offsets, take);
        HwRecord record = default;
        using HwLogReader reader = open();
        while (reader.Read(ref record))
        {
            captured.Take(record);
        }

        captured.EndWindow();
        return reader.Findings;
    }

    private static bool IsNotification(ulong vector) => (HostVector)vector is HostVector.PostedInterrupt or HostVector.NestedPostedInterrupt or HostVector.Wakeup;

    private static bool IsExternal(ulong info) => ((InterruptionInfo)info & (InterruptionInfo.Valid | InterruptionInfo.Type)) == InterruptionInfo.Valid;

    private CapturedWindow Window => _open ??= new CapturedWindow(0, _start ?? 0);

    private void Take(in HwRecord record)
    {
        int before = _levels.Level(record.Cpu);
        LevelChange change = _levels.Observe(record);
        _start ??= record.Ticks;
        _now = record.Ticks;
        CapturedLane lane = LaneOf(record.Cpu);
        int level = _levels.LevelOf(record, before);
        switch (record.Type)
        {
            case HwType.Mark when record[HwOperand.Command] == 1:
                EndWindow();
                _open = new CapturedWindow(record[HwOperand.Argument], _start.Value);
                break;
            case HwType.Vmptrld when lane.Vcpu is { } switched:
                Switch(lane, switched, change);
                break;
            case HwType.Vmexit:
                Exit(lane, record, level);
                break;
            case HwType.Vmentry:
                Enter(lane, record, change);
                break;
            case HwType.PiProcess:
                Note(lane, InterruptEventKind.NotificationProcessed, level, (int)record[HwOperand.NotificationVector]);
                break;
            case HwType.IpiSend when IsNotification(record[HwOperand.Vector]):
                Note(lane, InterruptEventKind.NotificationSent, 0, (int)record[HwOperand.Vector]);
                break;
            case HwType.Interrupt when !record.NonRoot && IsNotification(record[HwOperand.Vector]):
                Note(lane, InterruptEventKind.NotificationHandledByHost, 0, (int)record[HwOperand.Vector]);
                break;
            case HwType.VirtualInterruptDeliver when lane.Vcpu is { } taking:
                taking.Svi01 = level == 1 ? (byte)record[HwOperand.Vector] : taking.Svi01;
                Note(lane, InterruptEventKind.Delivered, level, (int)record[HwOperand.Vector]);
                Add(lane, taking, MomentKind.Deliver, level, (int)record[HwOperand.Vector]);
                break;
            case HwType.VirtualEoi when lane.Vcpu is { } ending:
                ending.Svi01 = level == 1 ? (byte)record[HwOperand.Svi] : ending.Svi01;
                Note(lane, InterruptEventKind.VirtualEoi, level, (int)record[HwOperand.Vector]);
                Add(lane, ending, MomentKind.Eoi, level, (int)record[HwOperand.Vector]);
                break;
            case HwType.VirtualSelfIpi when lane.Vcpu is { } self:
                Add(lane, self, MomentKind.SelfIpi, level, (int)record[HwOperand.Vector]);
                break;
            default:
                break;
        }

        _order++;
    }

    private void Exit(CapturedLane lane, in HwRecord record, int level)
    {
        CapturedVcpu vcpu = VcpuOf(_levels.Vmcs01(record.Cpu));
        lane.Vcpu = vcpu;
        lane.ExitTime = _now;
        lane.ExitReason = (VmxExit)record[HwOperand.Reason];
        if (!vcpu.WasEntered)
        {
            // It ran before the window.
            return;
        }

        ulong idtVectoring = record[HwOperand.IdtVectoring];
        Add(lane, vcpu, MomentKind.Exit, level, IsExternal(idtVectoring) ? (int)(idtVectoring & 0xFF) : -1, lane.ExitReason == VmxExit.Hlt);
        vcpu.HaltedSince = level == 1 && lane.ExitReason == VmxExit.Hlt ? _now : null;
        switch (lane.ExitReason)
        {
            case VmxExit.ExternalInterrupt when IsNotification(record[HwOperand.IntrInfo] & 0xFF):
                Note(lane, InterruptEventKind.NotificationExit, level, (int)(record[HwOperand.IntrInfo] & 0xFF));
                break;
            case VmxExit.InterruptWindow:
                Note(lane, InterruptEventKind.WindowExit, level, -1);
                break;
            case VmxExit.EoiInduced:
                Note(lane, InterruptEventKind.EoiExit, level, (int)(record[HwOperand.Qualification] & 0xFF));
                break;
            case VmxExit.PreemptionTimer when !(level == 2 && vcpu.IsDue2(_now)) && vcpu.Timer.Expire(_now, byPreemptionTimer: true):
                AddTimer(lane, vcpu, _now);
                break;
            case VmxExit.MsrWrite:
                WriteMsr(lane, vcpu, record, level);
                break;
            case VmxExit.Vmcall when level == 1 && record[HwOperand.Rax] == SendIpiHypercall:
                PostToL2(vcpu);
                Hypercall(lane, vcpu);
                break;
            case VmxExit.Vmlaunch or VmxExit.Vmresume:
                PostToL2(vcpu);
                break;
            default:
                break;
        }
    }

    private void WriteMsr(CapturedLane lane, CapturedVcpu vcpu, in HwRecord record, int level)
    {
        Msr msr = (Msr)record[HwOperand.Rcx];
        ulong value = CapturedClocks.WrittenBy(record);
        if (msr == Msr.X2ApicEoi)
        {
            Note(lane, InterruptEventKind.EoiExit, level, level == 1 ? vcpu.Svi01 : 0);
            Add(lane, vcpu, MomentKind.Eoi, level, -1);
        }
        else if (msr == Msr.X2ApicIcr && (value & IcrDeliveryMode) == 0)
        {
            Destination destination = ((value >> 18) & 3) switch { 0 => Destination.Id, 1 => Destination.Self, 2 => Destination.All, _ => Destination.Others };
            if (level == 2)
            {
                vcpu.L2Icr = NewMoment(lane, vcpu, MomentKind.PostToL2, 1, (int)(value & 0xFF), InterruptSource.Ipi, destination, record[HwOperand.Rdx]);
                vcpu.IsPosting = true;
            }
            else
            {
                PostToL2(vcpu);
                lane.Sending = NewMoment(lane, vcpu, MomentKind.Send, 1, (int)(value & 0xFF), InterruptSource.Ipi, destination, record[HwOperand.Rdx]);
            }
        }
        else if (msr == Msr.ApicBase && level == 2)
        {
            vcpu.IsBootProcessor2 = (value & BootProcessor) != 0;
            NameL2(vcpu);
        }
        else if (level == 2 && msr == Msr.TscDeadline && _offsets.Of(record[HwOperand.Vmcs]) is var offset and > 0)
        {
            vcpu.Timer2 = new ApicTimer { TscOffset = offset };
            vcpu.Timer2.Write(msr, value, _now);
        }
        else if (level == 1 && ApicTimer.IsRegister(msr))
        {
            vcpu.Timer.Write(msr, value, _now);
            if (vcpu.Timer.Expire(_now, byPreemptionTimer: false))
            {
                AddTimer(lane, vcpu, _now);
            }
        }
    }

    // kvm_send_ipi_mask: the vector is in a register that the capture does not have.
    private void Hypercall(CapturedLane lane, CapturedVcpu vcpu)
    {
        if (vcpu.L2Icr is not { } icr)
        {
            Window.Untold++;
            return;
        }

        vcpu.L2Icr = null;
        lane.Sending = NewMoment(lane, vcpu, MomentKind.Send, 1, InterruptSpec.PostedIntrNv, InterruptSource.Ipi, Destination.RunsL2, icr.DestinationId);
    }

    // L1 has written its descriptor by the time it notifies, or enters L2 again.
    private void PostToL2(CapturedVcpu vcpu)
    {
        if (vcpu.IsPosting)
        {
            vcpu.IsPosting = false;
            vcpu.L2Icr!.Time = _now;
            AddMoment(vcpu.L2Icr);
        }
    }

    private void Switch(CapturedLane lane, CapturedVcpu vcpu, LevelChange change)
    {
        if (change == LevelChange.NestedEntry)
        {
            vcpu.NestedEntry = NewMoment(lane, vcpu, MomentKind.NestedEntry, 2);
            AddMoment(vcpu.NestedEntry);
        }
        else if (change == LevelChange.NestedExit)
        {
            vcpu.LeftL2 = true;
            vcpu.NestedEntry = null;
            bool byTimer2 = vcpu.IsDue2(_now) && lane.ExitReason is VmxExit.ExternalInterrupt or VmxExit.PreemptionTimer;
            Add(lane, vcpu, MomentKind.NestedExit, 1, -1, !byTimer2 && lane.ExitReason is VmxExit.ExternalInterrupt or VmxExit.InterruptWindow or VmxExit.PreemptionTimer);
            if (byTimer2)
            {
                vcpu.Timer2!.Expire(_now, byPreemptionTimer: false);
            }
        }
    }

    private void Enter(CapturedLane lane, in HwRecord record, LevelChange change)
    {
        CapturedVcpu vcpu = VcpuOf(_levels.Vmcs01(record.Cpu));
        if (vcpu.WasEntered)
        {
            Switch(lane, vcpu, change);
        }

        lane.Vcpu = vcpu;
        int level = Math.Max(_levels.Level(record.Cpu), 1);
        byte rvi = (byte)record[HwOperand.Rvi];
        byte svi = (byte)record[HwOperand.Svi];
        vcpu.Learn(record, level);
        Window.UsesPostedInterrupts |= level == 1 && (record[HwOperand.PinControls] & ProcessPosted) != 0;
        bool isFromVmcs12 = vcpu.NestedEntry is not null && level == 2;
        if (isFromVmcs12)
        {
            (vcpu.NestedEntry!.Rvi, vcpu.NestedEntry.Svi) = (rvi, svi);
            vcpu.NestedEntry = null;
        }

        if (level == 2)
        {
            NameL2(vcpu);
        }

        if (vcpu.WasEntered)
        {
            BeforeEntry(lane, vcpu);
        }

        AddMoment(new InterruptMoment
        {
            Kind = MomentKind.Entry, Time = _now, Order = _order, Lane = lane.Number, Vmcs01 = vcpu.Vmcs01, Level = level, Rvi = rvi, Svi = svi, Flag = !vcpu.WasEntered,
            Descriptor = level == 2 ? vcpu.Descriptor2 : 0, IsFromVmcs12 = isFromVmcs12,
        });
        NoteEntry(lane, vcpu, level, isFromVmcs12 ? (byte)0 : rvi, svi, record[HwOperand.IntrInfo]);
        vcpu.WasEntered = true;
        vcpu.HaltedSince = null;
        lane.Entries++;
    }

    private void BeforeEntry(CapturedLane lane, CapturedVcpu vcpu)
    {
        if (lane.Sending is { } sending)
        {
            sending.Time = Math.Min(lane.ExitTime + (lane.ExitReason == VmxExit.Vmcall ? HypercallTicks : PostingTicks), _now);
            AddMoment(sending);
            lane.Sending = null;
        }

        if (vcpu.HaltedSince is { } since && vcpu.Timer.Due is { } due && vcpu.Timer.Expire(_now, byPreemptionTimer: false))
        {
            AddTimer(lane, vcpu, Math.Max(since, due));
        }

        InterruptMoment mode = NewMoment(lane, vcpu, MomentKind.GuestMode, 0);
        mode.Time = Math.Max(lane.ExitTime, _now - Math.Min(_now, GuestModeTicks));
        AddMoment(mode);
    }

    private void NoteEntry(CapturedLane lane, CapturedVcpu vcpu, int level, byte rvi, byte svi, ulong injected)
    {
        if (vcpu.WasEntered)
        {
            if (vcpu.HaltedSince is not null)
            {
                Note(lane, InterruptEventKind.WokenFromHalt, level, -1);
            }

            if (rvi != 0)
            {
                Note(lane, InterruptEventKind.RequestedAtEntry, level, rvi);
            }

            if (IsExternal(injected))
            {
                Note(lane, InterruptEventKind.Injected, level, (int)(injected & 0xFF));
            }

            if (level == 1 && vcpu.LeftL2 && svi != 0 && svi != vcpu.Svi01)
            {
                Note(lane, InterruptEventKind.NestedExit, 1, svi);
            }
        }

        if (level == 1)
        {
            vcpu.Svi01 = svi;
            vcpu.LeftL2 = false;
        }
    }

    private void EndWindow()
    {
        Window.Sort();
        foreach (IGrouping<ulong, CapturedVcpu> machine in _vcpus.Values.Where(vcpu => vcpu.WasEntered).GroupBy(vcpu => vcpu.Eptp).OrderBy(group => group.Key))
        {
            Window.Machines.Add([.. machine.OrderBy(vcpu => vcpu.Vpid).Select(vcpu => vcpu.Vmcs01)]);
        }

        if (Window.Moments.Count > 0)
        {
            _take(Window);
        }

        _open = null;
        _vcpus.Clear();
        _lanes.Clear();
    }

    // APIC IDs of L2: the boot processor's is 0, the others' follow in the order in which they run.
    private void NameL2(CapturedVcpu vcpu)
    {
        if (vcpu.Descriptor2 == 0)
        {
            return;
        }

        if (vcpu.IsBootProcessor2 == true)
        {
            foreach (ulong other in Window.L2Ids.Keys.Where(other => Window.L2Ids[other] < Window.L2Ids.GetValueOrDefault(vcpu.Descriptor2, ulong.MaxValue)).ToArray())
            {
                Window.L2Ids[other]++;
            }

            Window.L2Ids[vcpu.Descriptor2] = 0;
        }
        else
        {
            Window.L2Ids.TryAdd(vcpu.Descriptor2, (ulong)Window.L2Ids.Count);
        }

        vcpu.IsBootProcessor2 = vcpu.IsBootProcessor2 == true ? null : vcpu.IsBootProcessor2;
    }

    private void Note(CapturedLane lane, InterruptEventKind kind, int level, int vector) =>
        Window.Recorded.Add(new PlacedInterrupt(new InterruptEvent(kind, lane.Number, -1, level, vector), lane.Entries, _now));

    private void Add(CapturedLane lane, CapturedVcpu vcpu, MomentKind kind, int level, int vector, bool flag = false)
    {
        if (vcpu.WasEntered)
        {
            AddMoment(new InterruptMoment { Kind = kind, Time = _now, Order = _order, Lane = lane.Number, Vmcs01 = vcpu.Vmcs01, Level = level, Vector = vector, Flag = flag });
        }
    }

    private void AddTimer(CapturedLane lane, CapturedVcpu vcpu, ulong time)
    {
        InterruptMoment expiry = NewMoment(lane, vcpu, MomentKind.Send, 1, vcpu.Timer.Vector, InterruptSource.Timer, Destination.Self);
        expiry.Time = time;
        AddMoment(expiry);
    }

    private void AddMoment(InterruptMoment moment) => Window.Moments.Add(moment);

    private InterruptMoment NewMoment(
        CapturedLane lane, CapturedVcpu vcpu, MomentKind kind, int level, int vector = -1, InterruptSource source = default, Destination destination = default, ulong id = 0) => new()
    {
        Kind = kind, Time = _now, Order = _order, Lane = lane.Number, Vmcs01 = vcpu.Vmcs01, Level = level, Vector = vector, Source = source, Destination = destination, DestinationId = id,
    };

    private CapturedLane LaneOf(int cpu)
    {
        while (_lanes.Count <= cpu)
        {
            _lanes.Add(new CapturedLane(_lanes.Count));
        }

        return _lanes[cpu];
    }

    private CapturedVcpu VcpuOf(ulong vmcs01)
    {
        if (!_vcpus.TryGetValue(vmcs01, out CapturedVcpu? vcpu))
        {
            vcpu = new CapturedVcpu(vmcs01, new ApicTimer { TscOffset = _offsets.Of(vmcs01) });
            _vcpus.Add(vmcs01, vcpu);
        }

        return vcpu;
    }
}
