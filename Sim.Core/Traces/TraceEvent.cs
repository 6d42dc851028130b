using Sim.Core.Architecture;

namespace Sim.Core.Traces;

/// <summary>
/// One record that is not an access. <see cref="RecordSchema"/> names the operands A to F for each kind; the typed factories and
/// <c>As...</c> views below are the way to write and read them.
/// </summary>
public struct TraceEvent : IEquatable<TraceEvent>
{
    /// <summary>In a <see cref="RecordKind.FlushRequest"/>: every vCPU that there is, or no vCPU in particular.</summary>
    public const ushort AnyVcpu = ushort.MaxValue;

    /// <summary>Reference cycles since the start of the trace.</summary>
    public ulong Time;

    /// <summary>What happened.</summary>
    public RecordKind Kind;

    /// <summary>Level (0, 1 or 2) that executed or suffered it.</summary>
    public byte Level;

    /// <summary>First operand; its name is in <see cref="RecordSchema"/>.</summary>
    public ulong A;

    /// <summary>Second operand.</summary>
    public ulong B;

    /// <summary>Third operand.</summary>
    public ulong C;

    /// <summary>Fourth operand.</summary>
    public ulong D;

    /// <summary>Fifth operand.</summary>
    public ulong E;

    /// <summary>Sixth operand.</summary>
    public ulong F;

    /// <summary>Free text of a <see cref="RecordKind.Mark"/>; null elsewhere.</summary>
    public string? Text;

    /// <summary>The operand in slot 0 (A) to 5 (F).</summary>
    public ulong this[int slot]
    {
        readonly get => slot switch { 0 => A, 1 => B, 2 => C, 3 => D, 4 => E, 5 => F, _ => throw new ArgumentOutOfRangeException(nameof(slot)) };
        set
        {
            switch (slot)
            {
                case 0: A = value; break;
                case 1: B = value; break;
                case 2: C = value; break;
                case 3: D = value; break;
                case 4: E = value; break;
                case 5: F = value; break;
                default: throw new ArgumentOutOfRangeException(nameof(slot));
            }
        }
    }

    /// <summary>Cycles without memory accesses.</summary>
    public static TraceEvent Work(ulong time, byte level, ulong cycles) => new() { Time = time, Kind = RecordKind.Work, Level = level, A = cycles };

    /// <summary>MOV to CR3: <paramref name="root"/> is the page-frame address (CR3 bits 51:12), <paramref name="noFlush"/> is source bit 63.</summary>
    public static TraceEvent SetCr3(ulong time, byte level, ulong root, ushort pcid = 0, bool noFlush = false) =>
        new() { Time = time, Kind = RecordKind.SetCr3, Level = level, A = root, B = pcid, C = noFlush ? 1UL : 0 };

    /// <summary>MOV to CR4 with the new values of the bits in <see cref="Cr4Bits"/>.</summary>
    public static TraceEvent SetCr4(ulong time, byte level, Cr4Bits value) => new() { Time = time, Kind = RecordKind.SetCr4, Level = level, A = (ulong)value };

    /// <summary>INVLPG.</summary>
    public static TraceEvent Invlpg(ulong time, byte level, ulong address) => new() { Time = time, Kind = RecordKind.Invlpg, Level = level, A = address };

    /// <summary>INVPCID of type 0 to 3.</summary>
    public static TraceEvent Invpcid(ulong time, byte level, byte type, ushort pcid, ulong address = 0) =>
        new() { Time = time, Kind = RecordKind.Invpcid, Level = level, A = type, B = pcid, C = address };

    /// <summary>INVVPID of type 0 to 3.</summary>
    public static TraceEvent Invvpid(ulong time, byte level, byte type, ushort vpid, ulong address = 0) =>
        new() { Time = time, Kind = RecordKind.Invvpid, Level = level, A = type, B = vpid, C = address };

    /// <summary>INVEPT of type 1 (single context) or 2 (global).</summary>
    public static TraceEvent Invept(ulong time, byte level, byte type, ulong eptp) => new() { Time = time, Kind = RecordKind.Invept, Level = level, A = type, B = eptp };

    /// <summary>INVLPGA.</summary>
    public static TraceEvent Invlpga(ulong time, byte level, uint asid, ulong address) =>
        new() { Time = time, Kind = RecordKind.Invlpga, Level = level, A = asid, B = address };

    /// <summary>A paging-structure entry changed; <paramref name="root"/> names the table (CR3 frame or EPTP12), <paramref name="size"/> is in bytes.</summary>
    public static TraceEvent MapChange(ulong time, byte level, MapTable table, ulong root, ulong address, ulong size, MapChangeKind change) =>
        new() { Time = time, Kind = RecordKind.MapChange, Level = level, A = (ulong)table, B = root, C = address, D = size, E = (ulong)change };

    /// <summary>A real VM-entry (L0 to L1 or L0 to L2); VPID and EPTP are what hardware used, as far as it was recorded: as-recorded replay needs them.</summary>
    public static TraceEvent VmEnter(ulong time, TransitionKind kind, ushort vcpu, ushort vpid = 0, ulong eptp = 0) =>
        new() { Time = time, Kind = RecordKind.VmEnter, Level = 0, A = (ulong)kind, B = vcpu, D = vpid, E = eptp };

    /// <summary>A nested VM-entry, with what vmcs12 (or vmcb12) says.</summary>
    public static TraceEvent NestedEnter(ulong time, ushort vcpu, ulong vmcs12, VmControls controls, uint vpid12, ulong eptp12) =>
        new() { Time = time, Kind = RecordKind.VmEnter, Level = 1, A = (ulong)TransitionKind.L1ToL2, B = vcpu, C = vmcs12, D = vpid12, E = eptp12, F = (ulong)controls };

    /// <summary>L0 takes a vCPU out of L2 by force (svm_leave_nested, vmx_leave_nested): a VM-exit to L1 that L1 is not told, of level 0.</summary>
    public static TraceEvent ForcedLeave(ulong time, ushort vcpu) => VmExit(time, TransitionKind.L2ToL1, vcpu, uint.MaxValue) with { Level = 0 };

    /// <summary>A VM-exit: <paramref name="reason"/> is the SDM's basic exit reason or the APM's exit code; for L2ToL1 it is the reason L1 is told.</summary>
    public static TraceEvent VmExit(ulong time, TransitionKind kind, ushort vcpu, uint reason, ulong qualification = 0) =>
        new() { Time = time, Kind = RecordKind.VmExit, Level = kind == TransitionKind.L1ToL0 ? (byte)1 : (byte)2, A = (ulong)kind, B = vcpu, C = reason, D = qualification };

    /// <summary>A VM-exit of VMX.</summary>
    public static TraceEvent VmExit(ulong time, TransitionKind kind, ushort vcpu, VmxExit reason, ulong qualification = 0) => VmExit(time, kind, vcpu, (uint)reason, qualification);

    /// <summary>A VM-exit of SVM.</summary>
    public static TraceEvent VmExit(ulong time, TransitionKind kind, ushort vcpu, SvmExit reason, ulong qualification = 0) => VmExit(time, kind, vcpu, (uint)reason, qualification);

    /// <summary>
    /// L0's walk of EPT12 for L2's guest-physical <paramref name="address"/>: <paramref name="root"/> is EPTP12 (its page is the table of level 4), <paramref name="size"/> in bytes that
    /// of EPT12's mapping, and the tables are L1-physical page addresses, 0 where the walk ends above or the page is not known.
    /// </summary>
    public static TraceEvent Tdp12Walk(ulong time, ulong root, ulong address, ulong size, ulong table3, ulong table2, ulong table1) =>
        new() { Time = time, Kind = RecordKind.Tdp12Walk, A = root, B = address, C = size, D = table3, E = table2, F = table1 };

    /// <summary>A vCPU is created or reset.</summary>
    public static TraceEvent Reset(ulong time, ushort vcpu) => new() { Time = time, Kind = RecordKind.Reset, A = vcpu };

    /// <summary>
    /// A flush request that L0 raised on one vCPU, or on all of them (<see cref="AnyVcpu"/>). <paramref name="afterServiceOf"/> is the vCPU (<see cref="AnyVcpu"/>: none) that had
    /// already carried out what was pending on it for its next entry, and was past the loading of its root or in the midst of it, when this was raised.
    /// </summary>
    public static TraceEvent FlushRequest(ulong time, RequestedFlush request, ushort vcpu = AnyVcpu, ushort afterServiceOf = AnyVcpu) =>
        new() { Time = time, Kind = RecordKind.FlushRequest, Level = 0, A = (ulong)request, B = vcpu, C = afterServiceOf };

    /// <summary>VMXON of L1.</summary>
    public static TraceEvent Vmxon(ulong time, ushort vcpu) => new() { Time = time, Kind = RecordKind.Vmxon, Level = 1, A = vcpu };

    /// <summary>VMXOFF of L1.</summary>
    public static TraceEvent Vmxoff(ulong time, ushort vcpu) => new() { Time = time, Kind = RecordKind.Vmxoff, Level = 1, A = vcpu };

    /// <summary>How large the pages around an address are; the sizes in bytes, <paramref name="secondLevel"/> 0 if it is not known.</summary>
    public static TraceEvent PageSizes(ulong time, byte level, ulong root, ulong address, ulong size, ulong secondLevel) =>
        new() { Time = time, Kind = RecordKind.PageSizes, Level = level, A = root, B = address, C = size, D = secondLevel };

    /// <summary>A named moment.</summary>
    public static TraceEvent Mark(ulong time, byte level, string text) => new() { Time = time, Kind = RecordKind.Mark, Level = level, Text = text };

    /// <summary>The direction of a VmEnter or VmExit.</summary>
    public readonly TransitionKind Transition => (TransitionKind)A;

    /// <summary>The vCPU of a VmEnter, VmExit, SchedIn, SchedOut, Migrate, Reset, Vmxon or Vmxoff.</summary>
    public readonly ushort Vcpu => (ushort)(Kind is RecordKind.VmEnter or RecordKind.VmExit ? B : A);

    /// <inheritdoc/>
    public readonly bool Equals(TraceEvent other) =>
        Time == other.Time && Kind == other.Kind && Level == other.Level && A == other.A && B == other.B && C == other.C && D == other.D && E == other.E && F == other.F
        && Text == other.Text;

    /// <inheritdoc/>
    public override readonly bool Equals(object? obj) => obj is TraceEvent other && Equals(other);

    /// <inheritdoc/>
    public override readonly int GetHashCode() => HashCode.Combine(Time, Kind, A, B, C);

    /// <summary>Equality of every field.</summary>
    public static bool operator ==(TraceEvent left, TraceEvent right) => left.Equals(right);

    /// <summary>Inequality of any field.</summary>
    public static bool operator !=(TraceEvent left, TraceEvent right) => !left.Equals(right);

    /// <summary>The record as one line of the text twin, without its time.</summary>
    public override readonly string ToString() => RecordSchema.Describe(this);
}
