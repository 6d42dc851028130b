using System.Globalization;
using Sim.Captures.Ftrace;
using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Workloads;

namespace Sim.Captures.HwLog;

/// <summary>What the operand of an invalidation that L0 executed stands for.</summary>
public enum FlushTarget
{
    /// <summary>Everything: INVEPT global, INVVPID all contexts.</summary>
    All,

    /// <summary>The VPID of vmcs01 of the vCPU entered next.</summary>
    Vpid01,

    /// <summary>The VPID of vmcs02 of the vCPU entered next.</summary>
    Vpid02,

    /// <summary>The EPT pointer of vmcs01 of the vCPU entered next.</summary>
    Eptp01,

    /// <summary>The EPT pointer of vmcs02 of the vCPU entered next.</summary>
    Eptp02,

    /// <summary>None of these: another vCPU's or virtual machine's, or one that is not entered any more.</summary>
    Other,
}

/// <summary>One INVEPT or INVVPID that L0 executed by its own decision, and the place where it did.</summary>
/// <param name="Position">How many records of the lifted trace come before it.</param>
/// <param name="Time">Reference cycles since the start of the trace.</param>
/// <param name="Lane">Physical CPU.</param>
/// <param name="Vcpu">The vCPU that left or entered last on that lane, -1 if there was none.</param>
/// <param name="IsInvept">INVEPT, else INVVPID.</param>
/// <param name="Type">Type of the instruction: INVEPT 1 and 2, INVVPID 0 to 3.</param>
/// <param name="Operand">EPT pointer or VPID.</param>
/// <param name="Address">Linear address of INVVPID type 0.</param>
/// <param name="Target">What the operand stands for.</param>
/// <param name="ExitReason">Reason of the last real exit on that lane; null before the first.</param>
/// <param name="ExitLevel">Level of that exit; 0 before the first.</param>
/// <param name="RealExit">Number of real exits on that lane so far.</param>
/// <param name="Nested">The nested transition that L0 has carried out since that exit.</param>
/// <param name="NestedTransition">Number of nested transitions of the vCPU so far.</param>
/// <param name="NextLevel">Level entered next on that lane; 0 if none is.</param>
public sealed record AnswerKeyEntry(
    ulong Position,
    ulong Time,
    int Lane,
    int Vcpu,
    bool IsInvept,
    int Type,
    ulong Operand,
    ulong Address,
    FlushTarget Target,
    VmxExit? ExitReason,
    int ExitLevel,
    long RealExit,
    LevelChange Nested,
    long NestedTransition,
    int NextLevel);

/// <summary>What a flush depends on that happened while nothing was recorded.</summary>
public enum UnrecordedState
{
    /// <summary>On which CPU a VMCS was loaded last: it may have been another one since a window closed.</summary>
    LastCpu,

    /// <summary>Whether L2 had run on this vCPU: L1 was in VMX operation before the recording began, and this is its first nested entry. Open are whether vmcs02 had been loaded, what last_vpid was,
    /// whether L2's root was cached, and whether the root table of EPT12 was read-only already.</summary>
    FirstNestedEntry,

    /// <summary>The same, at an INVVPID that L1 executes before that.</summary>
    FirstInvvpid,

    /// <summary>What another vCPU's first nested entry raised on this one.</summary>
    FirstNestedEntryElsewhere,

    /// <summary>For which table of EPT12 a page that L1 writes was read-only: L0 made it so before the recording began.</summary>
    EarlierTable,

    /// <summary>Whether L0 maps the region of a page with one large page again that no table of EPT12 lies in any more (kvm_tdp_mmu_map, which then drops the small ones and flushes): the host's pages are not recorded.</summary>
    HostPages,

    /// <summary>Whether L0 had served the requests of a vCPU, and loaded its root, before it put it out between exit and entry (kvm_vcpu_exit_request).</summary>
    PutOut,

    /// <summary>Without EPT in L0: what L1's page tables held at a page fault or a MOV to CR3, the error code, and bit 63 of CR3 decide what is synchronised and flushed; none of them is recorded.</summary>
    GuestTables,

    /// <summary>Without EPT in L0: whether INVLPG of L1 changed the shadow entry, which flushes every vCPU, depends on L1's page tables, which are not recorded. That it flushes the address does not.</summary>
    GuestEntry,
}

/// <summary>A real VM-entry before which L0 may have flushed for a reason that lies outside the recording.</summary>
/// <param name="Entry">Position of the VM-entry's record.</param>
/// <param name="State">What was not recorded.</param>
public readonly record struct UnrecordedPlace(ulong Entry, UnrecordedState State);

/// <summary>What came out of a lift beside the trace.</summary>
/// <param name="AnswerKey">L0's own invalidations, in order.</param>
/// <param name="Records">Records of the lifted trace.</param>
/// <param name="Synthesized">Transitions put in because the recording began or a window opened or closed while a guest ran.</param>
/// <param name="SynthesizedEntries">Positions of the VM-entries among those, real and nested.</param>
/// <param name="Unrecorded">Where flushes depend on what happened while nothing was recorded.</param>
/// <param name="Setup">What was found out about L0's virtual machines and their vmcs12s, in words.</param>
/// <param name="Skipped">Records of a guest whose level was not known yet.</param>
/// <param name="BeyondEvents">Accesses of a memory window behind its last event, where nothing tells who runs: they are not lifted.</param>
/// <param name="Findings">What the reader did not understand.</param>
/// <param name="Counts">The transitions of the recording, those that were put in left out.</param>
public sealed record LiftResult(
    IReadOnlyList<AnswerKeyEntry> AnswerKey, ulong Records, long Synthesized, IReadOnlyList<ulong> SynthesizedEntries, IReadOnlyList<UnrecordedPlace> Unrecorded, IReadOnlyList<string> Setup, long Skipped,
    long BeyondEvents, Findings Findings, TransitionCounts Counts)
{
    /// <summary>What the lifted trace rests on that the recording does not say.</summary>
    public IReadOnlyList<Doubt> Doubts =>
    [
        .. Findings.Doubts,
        .. LiftDoubts.Synthesized(Synthesized, Records),
        .. Skipped == 0 ? Array.Empty<Doubt>() :
        [
            new Doubt(
                DoubtKind.NotRead,
                string.Create(CultureInfo.InvariantCulture, $"{Skipped:N0} {(Skipped == 1 ? "record was" : "records were")} left out, because nothing said which level ran"),
                Skipped),
        ],
        new Doubt(DoubtKind.Clock, "the clock of the hardware log is an emulator's count of instructions"),
    ];
}

/// <summary>
/// Turns the hardware's view of nested KVM into the logical trace of docs/trace-format.md: real and nested transitions, what each level did to its own translations,
/// L1's INVVPID and INVEPT, interrupts taken, accesses of memory windows. What L0 decided by itself (its INVVPID and INVEPT) goes into the answer key instead.
/// </summary>
/// <remarks>
/// What a capture does not show is inferred, by these rules:
/// <list type="bullet">
/// <item>vmcs12 is numbered by L1's VMLAUNCHes: KVM launches a VMCS once after each VMCLEAR.</item>
/// <item>vpid12 is the operand of the L1 vCPU's last INVVPID of types 0, 1 and 3 (KVM flushes a VPID before its first use); 1 if there was none. VPID is enabled for L2 if
/// vmcs02 uses another VPID than vmcs01 (prepare_vmcs02).</item>
/// <item>EPT is enabled for L2 if that L1 vCPU ever executes INVEPT, or is ever told of an EPT violation of L2.</item>
/// <item>eptp12 is the operand of the L1 vCPU's last INVEPT of type 1 (KVM executes one for each new root); if there was none, the page that its writes show to be the root, else EPTP02.</item>
/// <item>An EPT violation of L1 on an absent entry makes a Tdp01 mapping; one of L2 that is reflected makes a Tdp12 mapping before L1's next VMRESUME; one of L2 that is not is a
/// Tdp12Walk. A write of L1 to a present, read-only page after it has entered L2 is a write to its EPT12 at the guest-physical address of the written entry, with size 0: Changed
/// if it was emulated, Widened if it runs again. Which page holds which table: <see cref="Ept12Tables"/>.</item>
/// <item>A vCPU is Reset at the first load of its VMCS if <see cref="NewVcpus"/> finds that it was created then; any other vCPU, and an L2 whose first nested entry is a VMRESUME, was
/// there before, and runs once in transitions that are put in.</item>
/// <item>A page fault taken without exit makes or widens a mapping of the running level; INVLPG changes the mapping it names.</item>
/// <item>CR3 found at a VM-entry that differs from what the trace says is set with no-flush; CR4 is PAE and PGE, and PCIDE from the first PCID that is not 0, unless a MOV CR4 says more.</item>
/// </list>
/// </remarks>
public sealed class Lift
{
    private const ulong FrameMask = 0x000F_FFFF_FFFF_F000;
    private const ulong PageMask = ~0xFFFUL;
    private const ulong PageBytes = 4096;
    private const int MaxAccessSize = 64;

    private readonly TraceAppender _appender;
    private readonly bool _asRecorded;
    private readonly LevelTracker _levels;
    private readonly FirstPass _known;
    private readonly Lane[] _lanes;
    private readonly SortedDictionary<ulong, Vcpu> _vcpus = [];
    private readonly List<AnswerKeyEntry> _key = [];
    private readonly List<ulong> _synthesizedEntries = [];
    private readonly List<UnrecordedPlace> _unrecorded = [];
    private readonly Vmcs12s _vmcs12s;
    private readonly Action<ushort, int>? _vcpuNamed;
    private ulong? _start;
    private long _synthesized;
    private long _skipped;
    private long _beyondEvents;
    private bool _isBeyondEvents;
    private bool _isLastContext;

    private Lift(ITraceSink sink, int lanes, bool asRecorded, bool inOrder, FirstPass known, Action<ushort, int>? vcpuNamed)
    {
        _known = known;
        _levels = new LevelTracker(known.Levels.Links);
        _vmcs12s = new Vmcs12s(known.Vmcs12s.Choices);
        _vcpuNamed = vcpuNamed;
        _asRecorded = asRecorded;
        _appender = new TraceAppender(sink, lanes, inOrder: inOrder);
        _lanes = [.. Enumerable.Range(0, lanes).Select(number => new Lane(number))];
    }

    /// <summary>The header of the lifted trace: the number of CPUs, and whether pages have recorded sizes, is known after one pass over the capture.</summary>
    /// <param name="reader">The capture at its start.</param>
    /// <param name="source">Its name.</param>
    /// <param name="listsPages">A list of second-level page sizes belongs to it.</param>
    public static TraceHeader HeaderOf(HwLogReader reader, string source, bool listsPages = false)
    {
        HwRecord record = default;
        int lanes = 1;
        bool hasWalks = false;
        while (reader.Read(ref record))
        {
            lanes = Math.Max(lanes, record.Cpu + 1);
            hasWalks |= record.Type == HwType.Walk;
        }

        SortedDictionary<string, string> properties = new(StringComparer.Ordinal) { ["source"] = source, ["lifted"] = "hardware capture", [TraceHeader.VendorProperty] = TraceHeader.VendorWord(Vendor.Intel) };
        foreach (MapTable table in hasWalks ? Enum.GetValues<MapTable>() : [])
        {
            properties[TraceHeader.PageSizesOf(table)] = table <= MapTable.L2 || listsPages ? TraceHeader.Recorded : TraceHeader.Inferred;
        }

        return new TraceHeader(lanes, false, "1/1", properties);
    }

    /// <summary>
    /// Lifts a capture into <paramref name="sink"/>. It is read twice, so <paramref name="open"/> is called twice: the first pass learns which VMCS is whose vmcs02.
    /// </summary>
    /// <param name="open">Opens the capture at its start.</param>
    /// <param name="sink">Where the trace goes; its header is that of <see cref="HeaderOf"/>.</param>
    /// <param name="lanes">Number of physical CPUs, from the header.</param>
    /// <param name="asRecorded">True: L0's own INVVPID and INVEPT also stay in the trace, as events of level 0 with the operands of the hardware, and real entries name the VPID and EPTP that it used.</param>
    /// <param name="remoteFlushes">Calls of kvm_flush_remote_tlbs in the function trace of the same run, see <see cref="HostFlushes.Read"/>: those that L0 makes for its own reasons become FlushRequest records.</param>
    /// <param name="inOrder">True: the sink sees the records of all lanes in the order in which they happened, at the price of small blocks.</param>
    /// <param name="pageSizes">The list of page sizes beside a memory window, see <see cref="PageSizeList"/>.</param>
    /// <param name="vcpuNamed">Told the number of each vCPU and that of its virtual machine of L0, before any record names it.</param>
    /// <exception cref="Core.TraceFormatException">The capture is damaged, or there is nothing in it to lift.</exception>
    public static LiftResult Run(
        Func<HwLogReader> open, ITraceSink sink, int lanes, bool asRecorded = false, bool inOrder = false, IReadOnlyList<RemoteFlush>? remoteFlushes = null,
        IReadOnlyList<ListedPage>? pageSizes = null, Action<ushort, int>? vcpuNamed = null)
    {
        HwRecord record = default;
        FirstPass first = new(remoteFlushes ?? [], pageSizes ?? []);
        using (HwLogReader reader = open())
        {
            while (reader.Read(ref record))
            {
                first.Take(record);
            }
        }

        first.Complete();
        Lift lift = new(sink, lanes, asRecorded, inOrder, first, vcpuNamed);
        using (HwLogReader reader = open())
        {
            for (long index = 0; reader.Read(ref record); index++)
            {
                lift.TakeKnown(index, record.Ticks);
                lift._isLastContext = first.LastEvent >= 0 && index > first.LastEvent;
                lift.Take(index, record);
            }

            lift._appender.Complete();
            if (lift._appender.Records == 0)
            {
                throw reader.Malformed(
                    "VM-entries, VM-exits or memory accesses", $"{reader.Records} records and none of them to the end", "Give a capture of a machine that ran a guest, or a memory window.");
            }

            return new LiftResult(lift._key, lift._appender.Records, lift._synthesized, lift._synthesizedEntries, lift._unrecorded, first.Setup(), lift._skipped, lift._beyondEvents, reader.Findings, lift._levels.Counts);
        }
    }

    /// <summary>What the first pass found out about this moment.</summary>
    private void TakeKnown(long index, ulong ticks)
    {
        ulong time = Math.Max(ticks, _start ?? ticks) - (_start ?? ticks);
        if (_known.NewVcpus.Created.TryGetValue(index, out (int Cpu, ulong Vmcs) created))
        {
            Vcpu vcpu = VcpuOf(created.Vmcs);
            vcpu.WasEntered = true;
            vcpu.KnowsVmx = true;
            Emit(_lanes[created.Cpu], TraceEvent.Reset(time, vcpu.Number));
        }

        while (_known.HostFlushes.Events.TryPeek(out (long Record, int Cpu) flush) && flush.Record <= index)
        {
            _known.HostFlushes.Events.Dequeue();
            Emit(_lanes[Math.Min(flush.Cpu, _lanes.Length - 1)], TraceEvent.FlushRequest(time, RequestedFlush.All));
        }

        while (_known.Ept12Events.TryPeek(out Ept12Event? e) && e.Record <= index)
        {
            _known.Ept12Events.Dequeue();
            Vcpu vcpu = VcpuOf(e.Vmcs01);
            if (e.IsFromBefore)
            {
                vcpu.Open ??= UnrecordedState.EarlierTable;
                continue;
            }

            if (Root12(vcpu) == 0)
            {
                // L1 does not use EPT: a fault of L2 on EPT01's memory, or a write to a page that was a table for some other L2.
                continue;
            }

            Emit(_lanes[e.Cpu], e.Walk is { } walk
                ? TraceEvent.Tdp12Walk(time, Root12(vcpu), e.Address & PageMask, walk.Size, walk.TableOf(3), walk.TableOf(2), walk.TableOf(1))
                : TraceEvent.MapChange(time, 1, MapTable.Tdp12, Root12(vcpu), e.Address, 0, e.IsEmulated ? MapChangeKind.Changed : MapChangeKind.Widened));
        }
    }

    private void Take(long index, in HwRecord record)
    {
        _start ??= record.Ticks;
        ulong time = Math.Max(record.Ticks, _start.Value) - _start.Value;
        Lane lane = _lanes[record.Cpu];
        _isBeyondEvents &= !IsEvent(record.Type);
        _isBeyondEvents |= _isLastContext && record.Type == HwType.Context && IsOtherContext(lane, record);
        if (_isBeyondEvents)
        {
            _beyondEvents += record.Type is HwType.Context or HwType.Walk or HwType.MemwindowEnd ? 0 : 1;
            return;
        }

        LevelChange change = _levels.Observe(record);
        ulong vmcs01 = _levels.Vmcs01(record.Cpu);
        _vmcs12s.Take(index, record, vmcs01, _known.Vms.Of(vmcs01), record.Type == HwType.Vmexit ? _levels.LevelOf(record, -1) : _levels.Level(record.Cpu));
        switch (record.Type)
        {
            case HwType.Vmptrld:
                Load(lane, time, record, change);
                return;
            case HwType.Vmentry:
                Enter(lane, time, record, change);
                return;
            case HwType.Vmexit:
                Exit(lane, time, record);
                return;
            case HwType.Invept or HwType.Invvpid when !record.NonRoot:
                Note(lane, time, record);
                return;
            case HwType.GuestInvept or HwType.GuestInvvpid:
                lane.Attempt = record;
                return;
            case HwType.Mark:
                Mark(lane, time, record);
                return;
            case HwType.Context:
                SetContext(lane, time, record);
                return;
            case HwType.MemwindowStart or HwType.MemwindowEnd:
                return;
            default:
                break;
        }

        if (record.NonRoot != (lane.Level > 0))
        {
            // A guest that ran before the recording began, or memory of a window before its first context.
            _skipped++;
            return;
        }

        TakeGuestOrHost(lane, time, record);
    }

    private void TakeGuestOrHost(Lane lane, ulong time, in HwRecord record)
    {
        byte level = (byte)lane.Level;
        ulong value = record[HwOperand.Value];
        switch (record.Type)
        {
            case HwType.MovCr3:
                SetCr3(lane, time, value & ~(1UL << 63), value >> 63 != 0);
                break;
            case HwType.MovCr4:
                lane.Registers.Cr4 = (Cr4Bits)value & (Cr4Bits.Pae | Cr4Bits.Pge | Cr4Bits.La57 | Cr4Bits.Pcide | Cr4Bits.Smep);
                lane.Registers.IsCr4Recorded = true;
                Emit(lane, TraceEvent.SetCr4(time, level, lane.Registers.Cr4));
                break;
            case HwType.Invlpg:
                ChangeOfRunning(lane, time, record[HwOperand.Linear], MapChangeKind.Changed);
                Emit(lane, TraceEvent.Invlpg(time, level, record[HwOperand.Linear]));
                break;
            case HwType.Invpcid:
                Emit(lane, TraceEvent.Invpcid(time, level, (byte)record[HwOperand.InvalidationType], (ushort)(record[HwOperand.DescriptorLow] & 0xFFF), record[HwOperand.Linear]));
                break;
            case HwType.Exception when record[HwOperand.Vector] == (ulong)ExceptionVector.PageFault:
                ChangeOfRunning(lane, time, record[HwOperand.Cr2], (record[HwOperand.ErrorCode] & 1) == 0 ? MapChangeKind.Made : MapChangeKind.Widened);
                break;
            case HwType.Interrupt:
                Interrupt(lane, time, level, record[HwOperand.Vector]);
                break;
            case HwType.VirtualEoi:
                Emit(lane, new TraceEvent { Time = time, Kind = RecordKind.Eoi, Level = level, A = record[HwOperand.Vector] & 0xFF });
                break;
            case HwType.Read or HwType.Write or HwType.Modify or HwType.Fetch:
                Access(lane, time, record);
                break;
            default:
                break;
        }
    }

    private void Load(Lane lane, ulong time, in HwRecord record, LevelChange change)
    {
        if (_vcpus.TryGetValue(_levels.Vmcs01Of(record[HwOperand.Vmcs]), out Vcpu? loaded) && loaded != lane.Vcpu && lane.Level == 0)
        {
            Schedule(lane, time, loaded);
        }

        Carry(lane, time, change);
    }

    private void Enter(Lane lane, ulong time, in HwRecord record, LevelChange change)
    {
        Vcpu vcpu = VcpuOf(_levels.Vmcs01(record.Cpu));
        if (lane.Level != 0)
        {
            Leave(lane, time);
        }

        Schedule(lane, time, vcpu);
        Carry(lane, time, change);
        int level = Math.Max(_levels.Level(record.Cpu), 1);
        vcpu.Learn(level, record);
        if (!vcpu.WasEntered)
        {
            RunBefore(lane, vcpu, time);
        }

        Establish(lane, time, level);
        if (!_known.L0Ept)
        {
            ShadowPaged(lane, vcpu, time, level, record);
        }

        if (vcpu.Unseen[level - 1])
        {
            vcpu.Unseen[level - 1] = false;
            _unrecorded.Add(new UnrecordedPlace(_appender.Records, UnrecordedState.LastCpu));
        }

        if (_known.L0Ept && lane.ExitLevel == 1 && lane.ExitReason == VmxExit.EptViolation && lane.Nested == LevelChange.None && record[HwOperand.Rip] == lane.ExitRip)
        {
            _unrecorded.Add(new UnrecordedPlace(_appender.Records, UnrecordedState.HostPages));
        }

        if (lane.PutOut)
        {
            lane.PutOut = false;
            _unrecorded.Add(new UnrecordedPlace(_appender.Records, UnrecordedState.PutOut));
        }

        if (vcpu.Open is { } open)
        {
            vcpu.Open = null;
            _unrecorded.Add(new UnrecordedPlace(_appender.Records, open));
        }

        EnterReal(lane, vcpu, time, level);
        lane.Level = level;
        Resolve(lane, vcpu, level);
        CompareCr3(lane, time, record[HwOperand.Cr3]);
    }

    /// <summary>
    /// Without EPT the guest's paging instructions exit. The CR3 that it runs with next is the root of L0's shadow of its tables, one for each of its own, and stands for it. A page fault of L1 in its
    /// run loop, on a page that it had mapped before, that is not injected is a write to a table of L2's that L0 keeps read-only: L0 makes the table unsync, and the instruction runs again.
    /// </summary>
    private void ShadowPaged(Lane lane, Vcpu vcpu, ulong time, int level, in HwRecord entry)
    {
        Registers registers = level == 2 ? vcpu.L2 : vcpu.L1;
        if (registers.Cr4 == Cr4Bits.None)
        {
            registers.Cr4 = Cr4Bits.Pae | Cr4Bits.Pge | Cr4Bits.Pcide;
            registers.IsCr4Recorded = true;
            Emit(lane, TraceEvent.SetCr4(time, (byte)level, registers.Cr4));
        }

        ulong cr3 = entry[HwOperand.Cr3];
        if (registers.Cr3 != cr3)
        {
            registers.Cr3 = cr3;
            Emit(lane, TraceEvent.SetCr3(time, (byte)level, cr3 & FrameMask, (ushort)(cr3 & 0xFFF), noFlush: true));
        }

        if (lane.ExitLevel == 1 && lane.Nested == LevelChange.None && lane.ExitReason == VmxExit.ExceptionOrNmi && level == 1)
        {
            ulong page = lane.ExitQualification & PageMask;
            bool runsAgain = entry[HwOperand.IntrInfo] == 0 && entry[HwOperand.Rip] == lane.ExitRip;
            if (runsAgain && !vcpu.FaultedPages.Add(page) && vcpu.NestedTransitions > 0 && page >> 63 != 0)
            {
                Emit(lane, TraceEvent.MapChange(time, 1, MapTable.L2, 0, page, 0, MapChangeKind.Widened));
            }
        }

        if (lane.Nested != LevelChange.NestedEntry && lane.ExitReason is VmxExit.ExceptionOrNmi or VmxExit.CrAccess or VmxExit.Invlpg or null)
        {
            _unrecorded.Add(new UnrecordedPlace(_appender.Records, lane.ExitReason == VmxExit.Invlpg ? UnrecordedState.GuestEntry : UnrecordedState.GuestTables));
        }
    }

    private void EnterSynthesized(Lane lane, Vcpu vcpu, ulong time, int level)
    {
        _synthesized++;
        _synthesizedEntries.Add(_appender.Records);
        EnterReal(lane, vcpu, time, level);
    }

    private void EnterReal(Lane lane, Vcpu vcpu, ulong time, int level)
    {
        vcpu.WasEntered = true;
        (ulong vpid, ulong eptp) = !_asRecorded ? (0, 0) : level == 2 ? (vcpu.Vpid02, vcpu.Eptp02) : (vcpu.Vpid01, vcpu.Eptp01);
        Emit(lane, TraceEvent.VmEnter(time, level == 2 ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1, vcpu.Number, (ushort)vpid, eptp));
    }

    private void Exit(Lane lane, ulong time, in HwRecord record)
    {
        int level = _levels.LevelOf(record, -1);
        Vcpu vcpu = VcpuOf(_levels.Vmcs01(record.Cpu));
        if (lane.Level != level || lane.Vcpu != vcpu)
        {
            BeginInGuest(lane, time, vcpu, level, record);
        }

        VmxExit reason = (VmxExit)record[HwOperand.Reason];
        if (reason == VmxExit.Hlt)
        {
            Emit(lane, new TraceEvent { Time = time, Kind = RecordKind.Halt, Level = (byte)level });
        }

        if (level == 1 && reason is VmxExit.Vmlaunch or VmxExit.Vmresume)
        {
            if (vcpu.ReflectedViolation is { } made)
            {
                vcpu.ReflectedViolation = null;
                Emit(lane, TraceEvent.MapChange(time, 1, MapTable.Tdp12, Root12(vcpu), made & PageMask, PageBytes, MapChangeKind.Made));
            }
        }

        Emit(lane, TraceEvent.VmExit(time, level == 2 ? TransitionKind.L2ToL0 : TransitionKind.L1ToL0, vcpu.Number, reason, record[HwOperand.Qualification]));
        lane.Level = 0;
        lane.ExitReason = reason;
        lane.ExitLevel = level;
        lane.ExitQualification = record[HwOperand.Qualification];
        lane.ExitRip = record[HwOperand.Rip];
        lane.RealExits++;
        lane.Nested = LevelChange.None;
        lane.Violation = reason == VmxExit.EptViolation ? record[HwOperand.GuestPhysical] : null;
        lane.ViolationIsAbsent = ((EptViolationQualification)record[HwOperand.Qualification] & EptViolationQualification.Present) == 0;
        if (level == 1 && reason == VmxExit.Invlpg && !_known.L0Ept)
        {
            Emit(lane, TraceEvent.Invlpg(time, 1, record[HwOperand.Qualification]));
        }

        if (level == 1 && reason is VmxExit.Vmxon or VmxExit.Vmxoff)
        {
            vcpu.KnowsVmx = true;
            Emit(lane, reason == VmxExit.Vmxon ? TraceEvent.Vmxon(time, vcpu.Number) : TraceEvent.Vmxoff(time, vcpu.Number));
        }

        Emulate(lane, vcpu, time);
        if (level == 1 && reason == VmxExit.EptViolation)
        {
            ViolationOfL1(lane, vcpu, time, record);
        }
    }

    private void ViolationOfL1(Lane lane, Vcpu vcpu, ulong time, in HwRecord record)
    {
        ulong address = record[HwOperand.GuestPhysical];
        bool isWrite = (record[HwOperand.Qualification] & 2) != 0;
        if (lane.ViolationIsAbsent)
        {
            Emit(lane, TraceEvent.MapChange(time, 0, MapTable.Tdp01, vcpu.Eptp01, address & PageMask, PageBytes, MapChangeKind.Made));
        }
        else if (!isWrite || vcpu.NestedTransitions == 0)
        {
            Emit(lane, TraceEvent.MapChange(time, 0, MapTable.Tdp01, vcpu.Eptp01, address & PageMask, PageBytes, MapChangeKind.Widened));
        }
    }

    // L1's INVVPID or INVEPT, which was read just before its exit, takes effect when L0 emulates it.
    private void Emulate(Lane lane, Vcpu vcpu, ulong time)
    {
        if (lane.Attempt is not { } attempt)
        {
            return;
        }

        lane.Attempt = null;
        byte type = (byte)attempt[HwOperand.InvalidationType];
        if (attempt.Type == HwType.GuestInvept)
        {
            Emit(lane, TraceEvent.Invept(time, 1, type, attempt[HwOperand.Eptp]));
            return;
        }

        vcpu.Open ??= vcpu.KnowsVmx ? null : UnrecordedState.FirstInvvpid;
        Emit(lane, TraceEvent.Invvpid(time, 1, type, (ushort)attempt[HwOperand.Vpid], attempt[HwOperand.Linear]));
    }

    private void Carry(Lane lane, ulong time, LevelChange change)
    {
        if (lane.Vcpu is not { } vcpu)
        {
            return;
        }

        if (change == LevelChange.NestedEntry && !vcpu.InL2)
        {
            if (vcpu.NestedTransitions == 0 && lane.ExitReason == VmxExit.Vmresume)
            {
                RunL2Before(lane, vcpu, time);
            }

            EnterNested(lane, vcpu, time);
        }
        else if (change == LevelChange.NestedExit && vcpu.InL2)
        {
            ExitNested(lane, vcpu, time, lane.ExitReason ?? VmxExit.ExternalInterrupt);
        }
    }

    // L2 was launched before the recording: vmcs02 was loaded and EPTP02 made then.
    private void RunL2Before(Lane lane, Vcpu vcpu, ulong time)
    {
        _synthesizedEntries.Add(_appender.Records);
        EnterNested(lane, vcpu, time);
        EnterSynthesized(lane, vcpu, time, 2);
        Emit(lane, TraceEvent.VmExit(time, TransitionKind.L2ToL0, vcpu.Number, VmxExit.ExternalInterrupt));
        ExitNested(lane, vcpu, time, VmxExit.ExternalInterrupt);
        EnterSynthesized(lane, vcpu, time, 1);
        Emit(lane, TraceEvent.VmExit(time, TransitionKind.L1ToL0, vcpu.Number, VmxExit.Vmresume));
        _synthesized += 4;
    }

    private void EnterNested(Lane lane, Vcpu vcpu, ulong time)
    {
        RecordedVmcs12 vmcs12 = _vmcs12s.Current(vcpu.Vmcs01);
        VmControls controls = vmcs12.Controls ?? ((vcpu.Vpid02 != vcpu.Vpid01 ? VmControls.EnableVpid : VmControls.None) | (vcpu.UsesEpt ? VmControls.EnableEpt : VmControls.None));
        uint vpid12 = (controls & VmControls.EnableVpid) != 0 ? vmcs12.Vpid ?? 1 : 0;
        Emit(lane, TraceEvent.NestedEnter(time, vcpu.Number, (ulong)vmcs12.Number, controls, vpid12, Root12(vcpu)));
        if (!vcpu.KnowsVmx)
        {
            vcpu.KnowsVmx = true;
            vcpu.Open = UnrecordedState.FirstNestedEntry;
            foreach (Vcpu other in _vcpus.Values.Where(other => other != vcpu && other.Vm == vcpu.Vm))
            {
                other.Open ??= UnrecordedState.FirstNestedEntryElsewhere;
            }
        }

        vcpu.InL2 = true;
        vcpu.NestedTransitions++;
        lane.Nested = LevelChange.NestedEntry;
    }

    private void ExitNested(Lane lane, Vcpu vcpu, ulong time, VmxExit reason)
    {
        if (lane.Violation is { } withheld && !lane.ViolationIsAbsent && lane.ExitLevel == 2 && Root12(vcpu) is not 0 and ulong root12)
        {
            Emit(lane, TraceEvent.MapChange(time, 1, MapTable.Tdp12, root12, withheld & PageMask, 0, MapChangeKind.Restricted));
        }

        Emit(lane, TraceEvent.VmExit(time, TransitionKind.L2ToL1, vcpu.Number, reason));
        vcpu.InL2 = false;
        vcpu.NestedTransitions++;
        vcpu.ReflectedViolation = lane.ViolationIsAbsent ? lane.Violation : null;
        lane.Nested = LevelChange.NestedExit;
    }

    // Brings the vCPU to the level that is about to be entered, where the recording did not show how it came there.
    private void Establish(Lane lane, ulong time, int level)
    {
        Vcpu vcpu = lane.Vcpu!;
        if (level == 2 && !vcpu.InL2)
        {
            EnterSynthesized(lane, vcpu, time, 1);
            Emit(lane, TraceEvent.VmExit(time, TransitionKind.L1ToL0, vcpu.Number, VmxExit.Vmresume));
            _synthesizedEntries.Add(_appender.Records);
            EnterNested(lane, vcpu, time);
            _synthesized += 2;
        }
        else if (level == 1 && vcpu.InL2)
        {
            EnterSynthesized(lane, vcpu, time, 2);
            Emit(lane, TraceEvent.VmExit(time, TransitionKind.L2ToL0, vcpu.Number, VmxExit.ExternalInterrupt));
            ExitNested(lane, vcpu, time, VmxExit.ExternalInterrupt);
            _synthesized += 2;
        }
    }

    private void BeginInGuest(Lane lane, ulong time, Vcpu vcpu, int level, in HwRecord record)
    {
        if (lane.Level != 0)
        {
            Leave(lane, time);
        }

        Schedule(lane, time, vcpu);
        vcpu.Learn(level, record);
        Establish(lane, time, level);
        EnterSynthesized(lane, vcpu, time, level);
        lane.Level = level;
        CompareCr3(lane, time, record[HwOperand.Cr3]);
    }

    // The vCPU was there before the recording: its VMCS was loaded and its root made then.
    private void RunBefore(Lane lane, Vcpu vcpu, ulong time)
    {
        EnterSynthesized(lane, vcpu, time, 1);
        Emit(lane, TraceEvent.VmExit(time, TransitionKind.L1ToL0, vcpu.Number, VmxExit.ExternalInterrupt));
        _synthesized++;
    }

    private void Leave(Lane lane, ulong time)
    {
        Emit(lane, TraceEvent.VmExit(time, lane.Level == 2 ? TransitionKind.L2ToL0 : TransitionKind.L1ToL0, lane.Vcpu!.Number, VmxExit.ExternalInterrupt));
        lane.Level = 0;
        _synthesized++;
    }

    private void Schedule(Lane lane, ulong time, Vcpu vcpu)
    {
        if (lane.Vcpu == vcpu)
        {
            return;
        }

        if (lane.Vcpu is { } before)
        {
            Emit(lane, new TraceEvent { Time = time, Kind = RecordKind.SchedOut, A = before.Number });
            before.Lane = null;
            if (lane.Nested != LevelChange.None)
            {
                lane.PutOut = true;
                before.Open ??= UnrecordedState.PutOut;
            }
        }

        if (vcpu.Lane is { } elsewhere)
        {
            // Put out there without a trace of it: its VMCS was not followed by another one.
            Emit(elsewhere, new TraceEvent { Time = Math.Max(time, elsewhere.Time), Kind = RecordKind.SchedOut, A = vcpu.Number });
            elsewhere.Vcpu = null;
        }

        if (vcpu.LastLane is { } last && last != lane)
        {
            Emit(last, new TraceEvent { Time = Math.Max(time, last.Time), Kind = RecordKind.Migrate, A = vcpu.Number, B = (ulong)lane.Number });
        }

        Emit(lane, new TraceEvent { Time = time, Kind = RecordKind.SchedIn, A = vcpu.Number });
        lane.Vcpu = vcpu;
        vcpu.Lane = lane;
        vcpu.LastLane = lane;
    }

    private void Mark(Lane lane, ulong time, in HwRecord record)
    {
        ulong command = record[HwOperand.Command];
        string text = command switch
        {
            1 => string.Create(CultureInfo.InvariantCulture, $"window {record[HwOperand.Argument]} begins"),
            2 => string.Create(CultureInfo.InvariantCulture, $"window {record[HwOperand.Argument]} ends"),
            3 or 4 => "memory window begins",
            _ => "recording ends",
        };
        if (command == 2 && _lanes.Length > 1)
        {
            foreach (Vcpu vcpu in _vcpus.Values)
            {
                vcpu.Unseen[0] = vcpu.Unseen[1] = true;
            }
        }

        if (command is 1 or 2)
        {
            foreach (Lane other in _lanes.Where(l => l.Level != 0))
            {
                Leave(other, time);
            }
        }

        Emit(lane, TraceEvent.Mark(time, (byte)lane.Level, text));

        // A memory window may go on, but its events do not.
        _isBeyondEvents = command == 2;
    }

    private static bool IsEvent(HwType type) =>
        type is not (HwType.Context or HwType.Read or HwType.Write or HwType.Modify or HwType.Fetch or HwType.Walk or HwType.MemwindowStart or HwType.MemwindowEnd);

    // Behind the last event of the recording its context holds, until accesses come from elsewhere.
    private bool IsOtherContext(Lane lane, in HwRecord record) =>
        record.NonRoot != (lane.Level > 0) || (lane.Registers.Cr3 != ulong.MaxValue && lane.Registers.Cr3 != record[HwOperand.Cr3]) || (record.NonRoot && _levels.Vmcs01(record.Cpu) != _levels.Vmcs01Of(record[HwOperand.Vmcs]));

    private void SetContext(Lane lane, ulong time, in HwRecord record)
    {
        int ofLevel = record.NonRoot ? Math.Max(_levels.Level(record.Cpu), 1) : 0;
        lane.Window = new WindowContext(ofLevel, record[HwOperand.Cr3] & FrameMask, _known.PageSizes.TablesOf(record));
        lane.Cpl = (int)record[HwOperand.Cpl] & 3;
        if (!record.NonRoot)
        {
            if (lane.Level == 0)
            {
                CompareCr3(lane, time, record[HwOperand.Cr3]);
            }

            return;
        }

        Vcpu vcpu = VcpuOf(_levels.Vmcs01(record.Cpu));
        int level = Math.Max(_levels.Level(record.Cpu), 1);
        if (lane.Level != level || lane.Vcpu != vcpu)
        {
            BeginInGuest(lane, time, vcpu, level, record);
        }
        else
        {
            CompareCr3(lane, time, record[HwOperand.Cr3]);
        }
    }

    private void CompareCr3(Lane lane, ulong time, ulong cr3)
    {
        if (lane.Registers.Cr3 != cr3 && (_known.L0Ept || lane.Level == 0))
        {
            SetCr3(lane, time, cr3, noFlush: true);
        }
    }

    private void SetCr3(Lane lane, ulong time, ulong cr3, bool noFlush)
    {
        Registers registers = lane.Registers;
        byte level = (byte)lane.Level;
        ushort pcid = (ushort)(cr3 & 0xFFF);
        Cr4Bits cr4 = registers.Cr4 | Cr4Bits.Pae | Cr4Bits.Pge | (pcid != 0 ? Cr4Bits.Pcide : Cr4Bits.None);
        if (cr4 != registers.Cr4 && !registers.IsCr4Recorded)
        {
            registers.Cr4 = cr4;
            Emit(lane, TraceEvent.SetCr4(time, level, cr4));
        }

        registers.Cr3 = cr3;
        bool hasPcid = registers.Cr4.HasFlag(Cr4Bits.Pcide);
        Emit(lane, TraceEvent.SetCr3(time, level, cr3 & FrameMask, hasPcid ? pcid : (ushort)0, noFlush));
    }

    private void Interrupt(Lane lane, ulong time, byte level, ulong vector)
    {
        ulong source = vector == (ulong)HostVector.LocalTimer ? 2UL : vector >= (ulong)HostVector.NestedPostedInterrupt ? 1UL : 0;
        Emit(lane, new TraceEvent { Time = time, Kind = RecordKind.Interrupt, Level = level, A = source, B = vector & 0xFF, C = lane.Vcpu?.Number ?? 0, D = level });
    }

    private void Access(Lane lane, ulong time, in HwRecord record)
    {
        AccessType type = record.Type switch { HwType.Read => AccessType.Read, HwType.Fetch => AccessType.Execute, _ => AccessType.Write };
        ulong address = record[HwOperand.Linear];
        ulong size = Math.Clamp(record[HwOperand.Size], 1, MaxAccessSize);
        ulong inPage = PageBytes - (address & (PageBytes - 1));
        lane.Time = Math.Max(lane.Time, time);
        TellPageSizes(lane, address);
        _appender.Access(lane.Number, lane.Time, address, type, lane.Cpl, (int)Math.Min(size, inPage));
        if (size > inPage)
        {
            TellPageSizes(lane, address + inPage);
            _appender.Access(lane.Number, lane.Time, address + inPage, type, lane.Cpl, (int)(size - inPage));
        }
    }

    // The change is one of the page that is there, if the window tells how large it is.
    private void ChangeOfRunning(Lane lane, ulong time, ulong address, MapChangeKind change)
    {
        TellPageSizes(lane, address);
        ulong size = Math.Max(PageBytes, lane.Tables?.SizeOf(address) ?? 0);
        Emit(lane, TraceEvent.MapChange(time, (byte)lane.Level, (MapTable)lane.Level, lane.Registers.Root, address & ~(size - 1), size, change));
    }

    private void TellPageSizes(Lane lane, ulong address)
    {
        if (lane.Tables is { } tables && tables.TryTell(address, out ulong first, out ulong size, out ulong secondLevel))
        {
            Emit(lane, TraceEvent.PageSizes(lane.Time, (byte)lane.Level, lane.Registers.Root, first, size, secondLevel));
        }
    }

    private void Note(Lane lane, ulong time, in HwRecord record)
    {
        bool isInvept = record.Type == HwType.Invept;
        int type = (int)record[HwOperand.InvalidationType];
        bool isAll = type == 2;
        _key.Add(new AnswerKeyEntry(
            _appender.Records, time, lane.Number, lane.Vcpu?.Number ?? -1, isInvept, type, isInvept ? record[HwOperand.Eptp] : record[HwOperand.Vpid],
            isInvept ? 0 : record[HwOperand.Linear], isAll ? FlushTarget.All : FlushTarget.Other, lane.ExitReason, lane.ExitLevel, lane.RealExits, lane.Nested,
            lane.Vcpu?.NestedTransitions ?? 0, 0));
        lane.Unresolved.Add(_key.Count - 1);
        if (_asRecorded && lane.Level == 0)
        {
            Emit(lane, isInvept
                ? TraceEvent.Invept(time, 0, (byte)type, record[HwOperand.Eptp])
                : TraceEvent.Invvpid(time, 0, (byte)type, (ushort)record[HwOperand.Vpid], record[HwOperand.Linear]));
        }
    }

    // Whose VPID or EPT pointer an invalidation named is known when the next entry shows the VMCS.
    private void Resolve(Lane lane, Vcpu vcpu, int level)
    {
        foreach (int index in lane.Unresolved)
        {
            AnswerKeyEntry entry = _key[index];
            FlushTarget target = entry.Target;
            if (target != FlushTarget.All)
            {
                ulong operand = entry.Operand;
                target = entry.IsInvept
                    ? operand == vcpu.Eptp02 && operand != 0 ? FlushTarget.Eptp02 : operand == vcpu.Eptp01 ? FlushTarget.Eptp01 : FlushTarget.Other
                    : operand == vcpu.Vpid02 && operand != 0 && operand != vcpu.Vpid01 ? FlushTarget.Vpid02 : operand == vcpu.Vpid01 ? FlushTarget.Vpid01 : FlushTarget.Other;
            }

            _key[index] = entry with { Target = target, NextLevel = level };
        }

        lane.Unresolved.Clear();
    }

    private void Emit(Lane lane, TraceEvent e)
    {
        e.Time = lane.Time = Math.Max(lane.Time, e.Time);
        _appender.Event(lane.Number, e);
    }

    private Vcpu VcpuOf(ulong vmcs01)
    {
        if (!_vcpus.TryGetValue(vmcs01, out Vcpu? vcpu))
        {
            vcpu = new Vcpu((ushort)_vcpus.Count, vmcs01) { Vm = _known.Vms.Of(vmcs01), UsesEpt = _known.UsesEpt.Contains(vmcs01), FirstRoot12 = _known.Ept12(vmcs01).FirstRootOf(vmcs01) };
            _vcpuNamed?.Invoke(vcpu.Number, vcpu.Vm);
            if (_known.FirstEntryOfL2.TryGetValue(vmcs01, out HwRecord entry))
            {
                vcpu.Learn(2, entry);
            }

            _vcpus.Add(vmcs01, vcpu);
        }

        return vcpu;
    }

    // EPTP02 stands for an EPTP12 that the recording does not show: L0 keeps one for each.
    private ulong Root12(Vcpu vcpu)
    {
        RecordedVmcs12 vmcs12 = _vmcs12s.Current(vcpu.Vmcs01);
        bool usesEpt = vmcs12.Controls is { } controls ? (controls & VmControls.EnableEpt) != 0 : vcpu.UsesEpt;
        return !usesEpt ? 0 : vmcs12.Eptp ?? (vcpu.FirstRoot12 != 0 ? vcpu.FirstRoot12 : vcpu.Eptp02);
    }

    /// <summary>What must be known of an L1 vCPU (by its vmcs01) before its first nested entry, and is only seen afterwards.</summary>
    private sealed class FirstPass(IReadOnlyList<RemoteFlush> remoteFlushes, IReadOnlyList<ListedPage> pageSizes)
    {
        private readonly Dictionary<ulong, VmxExit> _lastExitOfL2 = [];
        private readonly SortedDictionary<int, Ept12Tables> _ept12 = [];
        private ulong? _controls;
        private long _index;

        /// <summary>Index of the last record that is an event, and no memory access.</summary>
        public long LastEvent { get; private set; } = -1;

        public VirtualMachines Vms { get; } = new();

        public Vmcs12s Vmcs12s { get; } = new(null);

        public Ept12Tables Ept12(ulong vmcs01)
        {
            if (!_ept12.TryGetValue(Vms.Of(vmcs01), out Ept12Tables? tables))
            {
                tables = new Ept12Tables(Vmcs12s);
                _ept12.Add(Vms.Of(vmcs01), tables);
            }

            return tables;
        }

        public WindowPageSizes PageSizes { get; } = new();

        public LevelTracker Levels { get; } = new();

        public NewVcpus NewVcpus { get; } = new();

        public HostFlushes HostFlushes { get; } = new(remoteFlushes);

        public Queue<Ept12Event> Ept12Events { get; } = [];

        public Dictionary<ulong, HwRecord> FirstEntryOfL2 { get; } = [];

        public HashSet<ulong> UsesEpt { get; } = [];

        // Some VM-entry had "enable EPT", or there is none.
        public bool L0Ept => _controls is null || ((SecondaryControls?)_controls & SecondaryControls.EnableEpt) != 0;

        public void Take(in HwRecord record)
        {
            LevelChange change = Levels.Observe(record);
            ulong vmcs01 = Levels.Vmcs01(record.Cpu);
            PageSizes.Take(record);
            NewVcpus.Take(_index, record);
            int level = record.Type == HwType.Vmexit ? Levels.LevelOf(record, -1) : Levels.Level(record.Cpu);
            if (level == 1 && record.Type is HwType.Vmentry or HwType.Vmexit)
            {
                Vms.Take(vmcs01, record[HwOperand.Eptp]);
            }

            Vmcs12s.Take(_index, record, vmcs01, Vms.Of(vmcs01), level);
            Ept12(vmcs01).Take(_index, record, Levels, change);
            HostFlushes.Take(_index, record, Levels.LevelOf(record, -1));
            LastEvent = IsEvent(record.Type) ? _index : LastEvent;
            _index++;
            _controls = record.Type == HwType.Vmentry ? _controls.GetValueOrDefault() | record[HwOperand.CpuControls2] : _controls;
            switch (record.Type)
            {
                case HwType.Vmentry when Levels.Level(record.Cpu) == 2:
                    FirstEntryOfL2.TryAdd(vmcs01, record);
                    break;
                case HwType.Vmexit when Levels.LevelOf(record, -1) == 2:
                    _lastExitOfL2[vmcs01] = (VmxExit)record[HwOperand.Reason];
                    break;
                case HwType.GuestInvept:
                    UsesEpt.Add(vmcs01);
                    break;
                default:
                    break;
            }

            if (change == LevelChange.NestedExit && _lastExitOfL2.GetValueOrDefault(vmcs01) == VmxExit.EptViolation)
            {
                UsesEpt.Add(vmcs01);
            }
        }

        public IReadOnlyList<string> Setup() =>
        [
            .. Vms.Count > 1 ? (string[])[string.Create(CultureInfo.InvariantCulture, $"{Vms.Count} virtual machines of L0, told apart by their EPT pointers.")] : [],
            .. UsesEpt.Count > 0 || FirstEntryOfL2.Count > 0
                ? (string[])[Vmcs12s.HasFields
                    ? "vmcs12s, with their vpid12, EPTP12 and controls, are those that L1 loaded and wrote."
                    : "L1's writes to vmcs12 were not recorded: vpid12 is inferred from L1's INVVPIDs, EPTP12 from its INVEPTs and page-table writes, the controls from vmcs02."]
                : [],
        ];

        public void Complete()
        {
            foreach (ListedPage page in pageSizes)
            {
                PageSizes.Take(page);
            }

            PageSizes.Complete();
            foreach (VmcsLink link in Levels.Links)
            {
                NewVcpus.Exclude(link.Vmcs02);
            }

            foreach (Ept12Event e in _ept12.Values.SelectMany(tables => tables.Events()).OrderBy(e => e.Record))
            {
                Ept12Events.Enqueue(e);
            }
        }
    }

    private sealed record WindowContext(int Level, ulong Root, WindowPageSizes.WindowTables Tables);

    private sealed class Registers
    {
        public ulong Cr3 { get; set; } = ulong.MaxValue;

        public Cr4Bits Cr4 { get; set; }

        // A MOV CR4 was seen: nothing is inferred any more.
        public bool IsCr4Recorded { get; set; }

        public ulong Root => Cr3 == ulong.MaxValue ? 0 : Cr3 & FrameMask;
    }

    private sealed class Lane(int number)
    {
        private readonly Registers _host = new();

        public int Number { get; } = number;

        public ulong Time { get; set; }

        public int Level { get; set; }

        public int Cpl { get; set; }

        public Vcpu? Vcpu { get; set; }

        public WindowContext? Window { get; set; }

        // The memory window's tables, as long as its last context lasts.
        public WindowPageSizes.WindowTables? Tables => Window is { } window && window.Level == Level && window.Root == Registers.Root ? window.Tables : null;

        public HwRecord? Attempt { get; set; }

        public VmxExit? ExitReason { get; set; }

        public int ExitLevel { get; set; }

        // A vCPU left this CPU between exit and entry, after a nested transition.
        public bool PutOut { get; set; }

        public ulong ExitQualification { get; set; }

        public ulong ExitRip { get; set; }

        public long RealExits { get; set; }

        public LevelChange Nested { get; set; }

        public ulong? Violation { get; set; }

        public bool ViolationIsAbsent { get; set; }

        public List<int> Unresolved { get; } = [];

        public Registers Registers => Level switch { 0 => _host, 1 => Vcpu!.L1, _ => Vcpu!.L2 };
    }

    private sealed class Vcpu(ushort number, ulong vmcs01)
    {
        public ushort Number { get; } = number;

        public ulong Vmcs01 { get; } = vmcs01;

        public bool InL2 { get; set; }

        // vmcs01 and vmcs02 may have been loaded on another CPU while nothing was recorded.
        public bool[] Unseen { get; } = new bool[2];

        // Or created in the recording, so that its first entry is its first.
        public bool WasEntered { get; set; }

        public long NestedTransitions { get; set; }

        public ulong Vpid01 { get; private set; }

        public ulong Vpid02 { get; private set; }

        public ulong Eptp01 { get; private set; }

        public ulong Eptp02 { get; private set; }

        public ulong FirstRoot12 { get; init; }

        // Pages of L1 that faulted and were mapped, without EPT in L0.
        public HashSet<ulong> FaultedPages { get; } = [];

        public bool UsesEpt { get; init; }

        public int Vm { get; init; }

        // Its VMXON, its creation or a nested entry was recorded: whether L2 ran on it is known.
        public bool KnowsVmx { get; set; }

        // What decides flushes before its next entry and was not recorded.
        public UnrecordedState? Open { get; set; }

        public ulong? ReflectedViolation { get; set; }

        public Lane? Lane { get; set; }

        public Lane? LastLane { get; set; }

        public Registers L1 { get; } = new();

        public Registers L2 { get; } = new();

        public void Learn(int level, in HwRecord record)
        {
            if (level == 2)
            {
                (Vpid02, Eptp02) = (record[HwOperand.Vpid], record[HwOperand.Eptp]);
            }
            else
            {
                (Vpid01, Eptp01) = (record[HwOperand.Vpid], record[HwOperand.Eptp]);
            }
        }
    }
}
