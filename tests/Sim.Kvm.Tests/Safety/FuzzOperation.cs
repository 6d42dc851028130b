using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Kvm.Tests.Safety;

/// <summary>What a fuzzed guest hypervisor, its guest, or the host does.</summary>
internal enum FuzzAction
{
    Read,
    Write,
    Enter,
    Exit,
    Change,
    MovToCr3,
    ToggleCr4,
    Invlpg,
    Invpcid,
    Invvpid,
    Invept,
    Invlpga,
    SwapLanes,
}

/// <summary>
/// One operation of <see cref="SafetyFuzz"/>, as data: it says the same in every state, so that a sequence of them can be recorded, shortened and replayed. An action reads only the fields
/// that it needs; one that makes no sense in the state it meets (a nested exit of L1) does nothing.
/// </summary>
internal readonly record struct FuzzOperation(FuzzAction Action, int Vcpu)
{
    /// <summary>Linear address; an address of EPT12 or host memory is what tables make of it.</summary>
    public ulong Address { get; init; }

    public MapTable Table { get; init; }

    public MapChangeKind Kind { get; init; }

    /// <summary>CR3, of the process whose tables are loaded or changed.</summary>
    public ulong Root { get; init; }

    public ushort Pcid { get; init; }

    /// <summary>MOV to CR3 with bit 63; a nested entry that ends before L2 runs; a change of memory that L2, not L1, uses.</summary>
    public bool Flag { get; init; }

    public ulong Vmcs12 { get; init; }

    public bool V12 { get; init; }

    public uint Id12 { get; init; }

    public ulong Eptp12 { get; init; }

    /// <summary>Type of INVPCID, INVVPID, INVEPT.</summary>
    public byte Type { get; init; }

    public Cr4Bits Bit { get; init; }

    public TlbControl TlbControl { get; init; }

    /// <summary>A number below 32 for what kind of operation this is: a change of each table is one of its own.</summary>
    public int KindOfOperation => Action == FuzzAction.Change ? 16 + (int)Table : (int)Action;

    /// <summary>An operation at random. One number makes all of it.</summary>
    public static FuzzOperation Draw(ref Rng rng, ReadOnlySpan<ulong> addresses, bool amd, bool ept, bool pcids)
    {
        ulong bits = rng.Next();
        FuzzOperation operation = new(ActionOf(Take(ref bits, 80), amd), Take(ref bits, 2))
        {
            Address = addresses[Rarely(ref bits, addresses.Length)],
            Table = Take(ref bits, ept ? 8 : 6) switch { 0 or 1 => MapTable.L1, 2 or 3 or 4 => MapTable.L2, 5 => MapTable.Tdp01, _ => MapTable.Tdp12 },
            Kind = (MapChangeKind)Take(ref bits, 5),
            Root = (ulong)Rarely(ref bits, 2) << 12,
            Pcid = (ushort)(Take(ref bits, 8) is 0 ? 2 : Take(ref bits, 2)),
            Flag = Take(ref bits, 2) != 0,
            Vmcs12 = (ulong)(Take(ref bits, 2) + 5) << 12,
            V12 = amd || Take(ref bits, 3) != 0,
            Id12 = (uint)Rarely(ref bits, 4) + 1,
            Eptp12 = Take(ref bits, 3) switch { 0 => 0, var eptp => (ulong)(eptp + 0x6F) << 12 },
            Type = (byte)Take(ref bits, 4),
            Bit = Take(ref bits, pcids ? 3 : 2) switch { 0 => Cr4Bits.Pge, 1 => Cr4Bits.Smep, _ => Cr4Bits.Pcide },
            TlbControl = amd ? Take(ref bits, 6) switch { 0 => TlbControl.FlushAll, 1 => TlbControl.FlushAsid, 2 => TlbControl.FlushAsidNonGlobal, _ => TlbControl.None } : TlbControl.None,
        };

        // A nested entry that does not get to run L2 is the rare one; a process mostly keeps its PCID, and comes back without a flush.
        return operation.Action switch
        {
            FuzzAction.Enter => operation with { Flag = operation.Flag && Take(ref bits, 3) == 0 },
            FuzzAction.MovToCr3 when Take(ref bits, 4) != 0 => operation with { Flag = operation.Flag || Take(ref bits, 2) != 0, Root = (operation.Pcid & 1UL) << 12 },
            _ => operation,
        };
    }

    public override string ToString() => $"vCPU {Vcpu}: " + Action switch
    {
        FuzzAction.Enter => $"nested entry, vmcs12 {Vmcs12:x}, {(V12 ? $"vpid12 {Id12}" : "no vpid12")}, EPTP12 {Eptp12:x}{(TlbControl == 0 ? "" : $", TLB_CONTROL {TlbControl}")}{(Flag ? ", exits at once" : "")}",
        FuzzAction.Exit => "nested exit",
        FuzzAction.Change => $"{Kind} in {Table}, root {Root:x}, {(Table is MapTable.Tdp01 or MapTable.Tdp12 ? $"what {(Flag ? "L2" : "L1")} maps " : "")}{Address:x}, EPTP12 {Eptp12:x}",
        FuzzAction.MovToCr3 => $"mov to CR3 {Root:x}, PCID {Pcid}{(Flag ? ", no flush" : "")}",
        FuzzAction.ToggleCr4 => $"toggles CR4.{Bit}",
        FuzzAction.Invpcid => $"invpcid {Type}, PCID {Pcid}, {Address:x}",
        FuzzAction.Invvpid => $"invvpid {Type}, vpid12 {Id12}, {Address:x}",
        FuzzAction.Invept => $"invept {(Type & 1) + 1}, EPTP12 {Eptp12:x}",
        FuzzAction.Invlpga => $"invlpga {Address:x}, ASID {Id12}",
        FuzzAction.SwapLanes => "the two vCPUs swap lanes",
        _ => $"{Action} {Address:x}",
    };

    private static FuzzAction ActionOf(int number, bool amd) => number switch
    {
        < 9 => FuzzAction.Enter,
        < 16 => FuzzAction.Exit,
        < 28 => FuzzAction.Change,
        < 37 => FuzzAction.MovToCr3,
        < 40 => FuzzAction.Invlpg,
        < 43 => FuzzAction.ToggleCr4,
        < 46 => FuzzAction.Invpcid,
        < 49 => amd ? FuzzAction.Invlpga : FuzzAction.Invvpid,
        < 51 => amd ? FuzzAction.Invlpga : FuzzAction.Invept,
        51 => FuzzAction.SwapLanes,
        < 61 => FuzzAction.Write,
        _ => FuzzAction.Read,
    };

    /// <summary>0 to bound - 1, half the time 0: operations about one thing meet more often.</summary>
    private static int Rarely(ref ulong bits, int bound) => Take(ref bits, 2) == 0 ? 0 : Take(ref bits, bound);

    private static int Take(ref ulong bits, int bound)
    {
        int taken = (int)(bits % (ulong)bound);
        bits /= (ulong)bound;
        return taken;
    }
}
