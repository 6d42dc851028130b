using System.Globalization;
using System.Numerics;
using Sim.Core.Traces;

namespace Sim.Workloads.Operations;

/// <summary>How bad a finding is.</summary>
public enum FindingSeverity
{
    /// <summary>Legal, but rarely meant.</summary>
    Warning,

    /// <summary>No machine can have done this: results of a replay would be wrong.</summary>
    Error,
}

/// <summary>The invariants that <see cref="TraceVerifier"/> checks. Their numbers are stable: V01 is <see cref="TimeOrder"/>.</summary>
public enum TraceInvariant
{
    /// <summary>Times of a lane do not go back, and stay below <see cref="TraceVerifier.MostTime"/>.</summary>
    TimeOrder = 1,

    /// <summary>Blocks come in the order of their first record's time, and belong to a lane that the header announces.</summary>
    BlockOrder = 2,

    /// <summary>Entries and exits of a lane pair, and nested ones come when L0 can carry them out; VMXON and VMXOFF of a vCPU take turns, with no nested entry behind VMXOFF.</summary>
    Transitions = 3,

    /// <summary>An event is of the level that runs.</summary>
    Level = 4,

    /// <summary>Every field is at most <see cref="FieldSpec.Maximum"/>, the kind is known, and controls name nothing that is not defined. A warning for operands of L1's INVVPID and INVEPT, which fail then.</summary>
    FieldRange = 5,

    /// <summary>Linear addresses are canonical: 48 bits, or 57 where the level has set CR4.LA57. A warning for L1's INVVPID, which fails then.</summary>
    Canonical = 6,

    /// <summary>An access stands for at least one reference, and its flags name a type and a size that exist.</summary>
    AccessFields = 7,

    /// <summary>A nested entry that enables VPID has a VPID that is not 0 (else it is a failed VM-entry: SDM vol. 3, checks on VMX controls).</summary>
    Vpid12 = 8,

    /// <summary>The cycles of a Work pass before the lane's next record.</summary>
    WorkFits = 9,
}

/// <summary>One thing that <see cref="TraceVerifier"/> found.</summary>
/// <param name="Number">1 for the first finding of the trace.</param>
/// <param name="Severity">How bad.</param>
/// <param name="Invariant">What does not hold.</param>
/// <param name="Record">Index of the record over all lanes in file order.</param>
/// <param name="Lane">Its lane.</param>
/// <param name="Time">Its time in reference cycles.</param>
/// <param name="Expected">What should be there.</param>
/// <param name="Found">What is there.</param>
public sealed record TraceFinding(ulong Number, FindingSeverity Severity, TraceInvariant Invariant, ulong Record, int Lane, ulong Time, string Expected, string Found)
{
    /// <summary>"V03 error at record 12, lane 0, time 99: expected ..., found ...".</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"V{(int)Invariant:00} {Severity.ToString().ToLowerInvariant()} at record {Record}, lane {Lane}, time {Time}: expected {Expected}, found {Found}");
}

/// <summary>The outcome of a verification.</summary>
/// <param name="Records">Records checked.</param>
/// <param name="Errors">Errors, those not listed included.</param>
/// <param name="Warnings">Warnings, those not listed included.</param>
/// <param name="Findings">The first findings in file order.</param>
public sealed record TraceVerification(ulong Records, ulong Errors, ulong Warnings, IReadOnlyList<TraceFinding> Findings)
{
    /// <summary>True if there is no error; warnings may be there.</summary>
    public bool IsValid => Errors == 0;
}

/// <summary>
/// Checks what any trace must obey, whatever its format: <see cref="TraceInvariant"/>. It is fed block by block, by <c>trace verify</c> and in front of every replay; stretches of accesses that
/// are in order cost next to nothing.
/// </summary>
public sealed class TraceVerifier
{
    /// <summary>Times are below 2^62: a century of cycles, and room to add to.</summary>
    public const ulong MostTime = 1UL << 62;

    private const int CanonicalBits48 = 48;
    private const int CanonicalBits57 = 57;

    private readonly int _maxFindings;
    private readonly List<TraceFinding> _findings = [];
    private readonly Lane[] _lanes;
    private ulong _records;
    private ulong _errors;
    private ulong _warnings;
    private ulong _lastFirstTime;

    /// <summary>A verifier at the first record of a trace of so many lanes. All findings are counted, the first <paramref name="maxFindings"/> are kept.</summary>
    public TraceVerifier(int lanes, int maxFindings)
    {
        _maxFindings = maxFindings;
        _lanes = new Lane[lanes];
        for (int lane = 0; lane < lanes; lane++)
        {
            _lanes[lane] = new Lane(lanes > 1);
        }
    }

    /// <summary>Reads a trace to its end and checks it. All findings are counted, the first <paramref name="maxFindings"/> are kept.</summary>
    /// <exception cref="Core.TraceFormatException">The file itself is damaged.</exception>
    public static TraceVerification Run(ITraceSource source, int maxFindings = 100)
    {
        TraceVerifier verifier = new(source.Header.Lanes, maxFindings);
        TraceBlock block = new();
        while (source.Read(block))
        {
            verifier.Check(block, block.RecordCount);
        }

        return verifier.Outcome;
    }

    /// <summary>What was found so far.</summary>
    public TraceVerification Outcome => new(_records, _errors, _warnings, _findings);

    /// <summary>The first error so far, whether it is kept among the findings or not; null if there is none.</summary>
    public TraceFinding? FirstError { get; private set; }

    /// <summary>Checks the first records of the trace's next block. Those behind them are of no interest, and no block comes behind it.</summary>
    public void Check(TraceBlock block, int count)
    {
        if ((uint)block.Lane >= (uint)_lanes.Length)
        {
            Report(FindingSeverity.Error, TraceInvariant.BlockOrder, block.Lane, block.FirstTime, $"a lane below {_lanes.Length}", $"{block.Lane}");
            _records += (ulong)count;
            return;
        }

        if (block.FirstTime < _lastFirstTime)
        {
            Report(FindingSeverity.Error, TraceInvariant.BlockOrder, block.Lane, block.FirstTime, $"a block that begins not before {_lastFirstTime}", $"{block.FirstTime}");
        }

        _lastFirstTime = block.FirstTime;
        Lane lane = _lanes[block.Lane];
        int access = 0;
        for (int e = 0; e <= block.EventCount && access + e < count; e++)
        {
            int end = Math.Min(e < block.EventCount ? block.EventPosition[e] : block.AccessCount, count - e);
            if (access < end && AreInOrder(lane, block, access, end - access))
            {
                lane.LastTime = block.Time[end - 1];
                lane.BusyUntil = 0;
                _records += (ulong)(end - access);
                access = end;
            }

            for (; access < end; access++)
            {
                CheckTime(lane, block.Lane, block.Time[access]);
                CheckAccess(lane, block, access);
                _records++;
            }

            if (e < block.EventCount && access + e < count)
            {
                CheckTime(lane, block.Lane, block.Events[e].Time);
                CheckEvent(lane, block.Lane, block.Events[e]);
                _records++;
            }
        }
    }

    /// <summary>True if nothing is wrong with a stretch of accesses: what <see cref="CheckTime"/> and <see cref="CheckAccess"/> look for one by one is not there.</summary>
    private static bool AreInOrder(Lane lane, TraceBlock block, int first, int count)
    {
        int bits = lane.CanonicalBits(lane.State.Level);
        ReadOnlySpan<ulong> times = block.Time.AsSpan(first, count);
        return times[0] >= Math.Max(lane.LastTime, lane.BusyUntil)
            && times[^1] < MostTime
            && !block.Repeat.AsSpan(first, count).Contains(0u)
            && !block.Flags.AsSpan(first, count).ContainsAnyExcept(Formats.NativeTraceReader.LegalFlags)
            && NeverGoBack(times)
            && AreCanonical(block.Address.AsSpan(first, count), bits);
    }

    private static bool NeverGoBack(ReadOnlySpan<ulong> times)
    {
        int i = 1;
        for (; i + Vector<ulong>.Count <= times.Length; i += Vector<ulong>.Count)
        {
            if (Vector.LessThanAny(new Vector<ulong>(times[i..]), new Vector<ulong>(times[(i - 1)..])))
            {
                return false;
            }
        }

        for (; i < times.Length; i++)
        {
            if (times[i] < times[i - 1])
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>An address is canonical if adding the weight of its sign bit leaves nothing above it.</summary>
    private static bool AreCanonical(ReadOnlySpan<ulong> addresses, int bits)
    {
        ulong half = 1UL << (bits - 1);
        Vector<ulong> above = Vector<ulong>.Zero;
        int i = 0;
        for (; i + Vector<ulong>.Count <= addresses.Length; i += Vector<ulong>.Count)
        {
            above |= new Vector<ulong>(addresses[i..]) + new Vector<ulong>(half);
        }

        ulong any = 0;
        for (int element = 0; element < Vector<ulong>.Count; element++)
        {
            any |= above[element];
        }

        for (; i < addresses.Length; i++)
        {
            any |= addresses[i] + half;
        }

        return any >> bits == 0;
    }

    private void CheckTime(Lane lane, int number, ulong time)
    {
        if (time < lane.LastTime)
        {
            Report(FindingSeverity.Error, TraceInvariant.TimeOrder, number, time, $"a time not before {lane.LastTime}", $"{time}");
        }
        else if (time >= MostTime)
        {
            Report(FindingSeverity.Error, TraceInvariant.TimeOrder, number, time, $"a time below {MostTime}", $"{time}");
        }
        else if (time < lane.BusyUntil)
        {
            Report(FindingSeverity.Error, TraceInvariant.WorkFits, number, time, $"a time not before {lane.BusyUntil}, the end of the Work before", $"{time}");
        }

        lane.LastTime = time;
        lane.BusyUntil = 0;
    }

    private void CheckAccess(Lane lane, TraceBlock block, int i)
    {
        if (!Formats.NativeTraceReader.IsLegal(block.Flags[i]) || block.Repeat[i] == 0)
        {
            Report(FindingSeverity.Error, TraceInvariant.AccessFields, block.Lane, block.Time[i], "a type of 0 to 2, a size of 1 to 64 and a repeat", $"flags 0x{block.Flags[i]:x2}, repeat {block.Repeat[i]}");
        }

        int bits = lane.CanonicalBits(lane.State.Level);
        if (!IsCanonical(block.Address[i], bits))
        {
            Report(FindingSeverity.Error, TraceInvariant.Canonical, block.Lane, block.Time[i], $"a canonical address of {bits} bits", $"0x{block.Address[i]:x}");
        }
    }

    private void CheckEvent(Lane lane, int number, in TraceEvent e)
    {
        if (e.Kind == RecordKind.Access || (int)e.Kind >= RecordSchema.Kinds.Count || e.Level > Formats.NativeTraceReader.MaxLevel)
        {
            Report(FindingSeverity.Error, TraceInvariant.FieldRange, number, e.Time, "a known kind and a level of 0 to 2", $"kind {(byte)e.Kind} at level {e.Level}");
            return;
        }

        foreach (FieldSpec field in RecordSchema.Fields(e.Kind))
        {
            if (e[field.Slot] > field.Maximum)
            {
                Report(OperandSeverity(e), TraceInvariant.FieldRange, number, e.Time, $"{field.Name} of {e.Kind} of at most {field.Maximum}", $"{e[field.Slot]}");
            }
        }

        if (e.Kind == RecordKind.VmEnter)
        {
            CheckControls(number, e);
        }

        CheckLevel(lane, number, e);
        CheckAddress(lane, number, e);
        TransitionFault fault = lane.State.Take(e);
        if (fault.Exists)
        {
            Report(fault.IsWarning ? FindingSeverity.Warning : FindingSeverity.Error, TraceInvariant.Transitions, number, e.Time, fault.Expected, fault.Found);
        }

        if (e is { Kind: RecordKind.VmEnter, Transition: TransitionKind.L1ToL2, D: 0 } && ((VmControls)e.F).HasFlag(VmControls.EnableVpid))
        {
            Report(FindingSeverity.Warning, TraceInvariant.Vpid12, number, e.Time, "a vpid12 that is not 0 when VPID is enabled", "0: this nested VM-entry fails");
        }
        else if (e.Kind == RecordKind.Work)
        {
            lane.BusyUntil = e.Time + e.A < e.Time ? ulong.MaxValue : e.Time + e.A;
        }
        else if (e.Kind == RecordKind.SetCr4)
        {
            lane.La57[e.Level] = ((Cr4Bits)e.A).HasFlag(Cr4Bits.La57);
        }
    }

    private void CheckControls(int number, in TraceEvent e)
    {
        VmControls controls = (VmControls)e.F;
        if (e.Transition != TransitionKind.L1ToL2)
        {
            controls &= ~VmControls.EntryFails;
        }

        VmControls undefined = controls & ~VmControls.Defined;
        if (undefined != VmControls.None && controls <= VmControls.Defined)
        {
            Report(FindingSeverity.Error, TraceInvariant.FieldRange, number, e.Time, $"controls of VmEnter within 0x{(ulong)VmControls.Defined:x}", $"0x{e.F:x}");
        }

        if (!Enum.IsDefined(controls.TlbControl()))
        {
            Report(FindingSeverity.Error, TraceInvariant.FieldRange, number, e.Time, "a TLB_CONTROL of 0, 1, 3 or 7 in the controls of VmEnter", $"{(int)controls.TlbControl()}");
        }
    }

    private void CheckLevel(Lane lane, int number, in TraceEvent e)
    {
        byte running = lane.State.Level;
        switch (e.Kind)
        {
            case RecordKind.SetCr3 or RecordKind.SetCr4 or RecordKind.Invlpg when e.Level > 0 && running == 0:
                // L0 carries out an instruction of a guest, or loads the CR3 or CR4 that vmcs12 or vmcb12 has.
                break;
            case RecordKind.Work or RecordKind.SetCr3 or RecordKind.SetCr4 or RecordKind.Invlpg or RecordKind.Invpcid or RecordKind.Eoi or RecordKind.Halt or RecordKind.ApicMode:
                if (e.Level != running)
                {
                    Report(FindingSeverity.Error, TraceInvariant.Level, number, e.Time, $"{e.Kind} of L{running}, which runs", $"L{e.Level}");
                }

                break;
            case RecordKind.Vmxon or RecordKind.Vmxoff:
                if (e.Level != 1 || !(running == 1 || lane.State.EmulatesL1))
                {
                    Report(FindingSeverity.Error, TraceInvariant.Level, number, e.Time, $"{e.Kind} of L1 while it runs or L0 emulates it", $"L{e.Level} while L{running} runs");
                }

                break;
            case RecordKind.Invvpid or RecordKind.Invept or RecordKind.Invlpga:
                if (!(e.Level == 0 && running == 0) && !(e.Level == 1 && (running == 1 || lane.State.EmulatesL1)))
                {
                    Report(FindingSeverity.Error, TraceInvariant.Level, number, e.Time, $"{e.Kind} of L0 while it runs, or of L1 while it runs or L0 emulates it", $"L{e.Level} while L{running} runs");
                }

                break;
            case RecordKind.SchedOut or RecordKind.CpuOnline:
                if (running != 0)
                {
                    Report(FindingSeverity.Error, TraceInvariant.Level, number, e.Time, $"{e.Kind} while L0 runs", $"it while L{running} runs");
                }

                break;
            case RecordKind.VmEnter or RecordKind.VmExit:
                byte who = e.Transition switch { TransitionKind.L0ToL1 or TransitionKind.L0ToL2 => 0, TransitionKind.L1ToL2 or TransitionKind.L1ToL0 => 1, _ => 2 };
                if (e.Level != who && !(e.Level == 0 && e is { Kind: RecordKind.VmExit, Transition: TransitionKind.L2ToL1 }))
                {
                    Report(FindingSeverity.Error, TraceInvariant.Level, number, e.Time, $"{e.Transition} of level {who}", $"level {e.Level}");
                }

                break;
            default:
                break;
        }
    }

    private void CheckAddress(Lane lane, int number, in TraceEvent e)
    {
        ulong? address = e.Kind switch
        {
            RecordKind.Invlpg => e.A,
            RecordKind.Invlpga => e.B,
            RecordKind.Invpcid or RecordKind.Invvpid when e.A == 0 => e.C,
            RecordKind.MapChange when (MapTable)e.A <= MapTable.L2 => e.C,
            RecordKind.PageSizes => e.B,
            _ => null,
        };
        int bits = lane.CanonicalBits(e.Level);
        if (address is { } linear && !IsCanonical(linear, bits))
        {
            Report(OperandSeverity(e), TraceInvariant.Canonical, number, e.Time, $"a canonical address of {bits} bits in {e.Kind}", $"0x{linear:x}");
        }
    }

    /// <summary>A wrong operand of L1's INVVPID or INVEPT is legal in a trace: the instruction fails with VMfail.</summary>
    private static FindingSeverity OperandSeverity(in TraceEvent e) =>
        e is { Kind: RecordKind.Invvpid or RecordKind.Invept, Level: 1 } ? FindingSeverity.Warning : FindingSeverity.Error;

    private static bool IsCanonical(ulong address, int bits) => (ulong)((long)(address << (64 - bits)) >> (64 - bits)) == address;

    private void Report(FindingSeverity severity, TraceInvariant invariant, int lane, ulong time, string expected, string found)
    {
        if (severity == FindingSeverity.Error)
        {
            _errors++;
        }
        else
        {
            _warnings++;
        }

        bool isFirstError = FirstError is null && severity == FindingSeverity.Error;
        if (_findings.Count < _maxFindings || isFirstError)
        {
            TraceFinding finding = new(_errors + _warnings, severity, invariant, _records, lane, time, expected, found);
            FirstError = isFirstError ? finding : FirstError;
            if (_findings.Count < _maxFindings)
            {
                _findings.Add(finding);
            }
        }
    }

    private sealed class Lane(bool hasOtherLanes)
    {
        public LaneState State { get; } = new(hasOtherLanes);

        public ulong LastTime { get; set; }

        public ulong BusyUntil { get; set; }

        public bool[] La57 { get; } = new bool[Formats.NativeTraceReader.MaxLevel + 1];

        public int CanonicalBits(byte level) => La57[level] ? CanonicalBits57 : CanonicalBits48;
    }
}
