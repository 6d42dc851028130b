using System.Buffers.Binary;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;

namespace Sim.Workloads.Importers;

/// <summary>ChampSim's instruction records of 64 bytes (<c>input_instr</c>).</summary>
[Component("champsim", Summary = "ChampSim instructions of 64 bytes (input_instr): fetches, loads and stores of one program.")]
public sealed class ChampSimFormat : ITraceFormat
{
    /// <inheritdoc/>
    public bool Sniff(ReadOnlySpan<byte> head) => ChampSimLayout.Plain.Fits(head);

    /// <inheritdoc/>
    public ITraceSource Open(Stream stream, string name) => new ChampSimSource(stream, name, ChampSimLayout.Plain);
}

/// <summary>ChampSim's instruction records of 96 bytes with an address space (<c>cloudsuite_instr</c>).</summary>
[Component("champsim-cloudsuite", Summary = "ChampSim instructions of 96 bytes with an address space (cloudsuite_instr): fetches, loads and stores.")]
public sealed class ChampSimCloudsuiteFormat : ITraceFormat
{
    /// <inheritdoc/>
    public bool Sniff(ReadOnlySpan<byte> head) => ChampSimLayout.Cloudsuite.Fits(head);

    /// <inheritdoc/>
    public ITraceSource Open(Stream stream, string name) => new ChampSimSource(stream, name, ChampSimLayout.Cloudsuite);
}

/// <summary>
/// Where the fields of an instruction are. The format has no header and no magic, little-endian numbers, and the compiler's padding: program counter (8 bytes), is-branch,
/// branch-taken (1 each), registers, then addresses that are written and addresses that are read (8 each, 0: none), and in cloudsuite's an address space (2).
/// </summary>
/// <remarks>Format: ChampSim inc/trace_instruction.h, at 2ff25011 and later.</remarks>
/// <param name="Name">What ChampSim calls it.</param>
/// <param name="Bytes">Size of a record.</param>
/// <param name="Stores">Offset of the addresses that are written.</param>
/// <param name="StoreCount">How many there are.</param>
/// <param name="AddressSpace">Offset of the address space, or 0.</param>
internal sealed record ChampSimLayout(string Name, int Bytes, int Stores, int StoreCount, int AddressSpace)
{
    /// <summary>Addresses that are read, behind those that are written.</summary>
    public const int LoadCount = 4;

    /// <summary>Most records of one instruction: its fetch, loads, stores.</summary>
    public const int MostAccesses = 1 + LoadCount + 4;

    private const int LongestInstruction = 15;
    private const int ShortestHead = 2;

    /// <summary><c>input_instr</c>.</summary>
    public static ChampSimLayout Plain { get; } = new("input_instr", 64, 16, 2, 0);

    /// <summary><c>cloudsuite_instr</c>.</summary>
    public static ChampSimLayout Cloudsuite { get; } = new("cloudsuite_instr", 96, 24, 4, 88);

    /// <summary>Offset of the addresses that are read.</summary>
    public int Loads => Stores + (StoreCount * sizeof(ulong));

    /// <summary>What is wrong with an instruction, or null.</summary>
    public static string? Fault(ReadOnlySpan<byte> instruction)
    {
        ulong pc = BinaryPrimitives.ReadUInt64LittleEndian(instruction);
        if (pc == 0 || !ProgramAccess.IsCanonical(pc))
        {
            return $"program counter 0x{pc:x}";
        }

        return instruction[8] > 1 || instruction[9] > 1 ? $"is-branch {instruction[8]}, branch-taken {instruction[9]}" : null;
    }

    /// <summary>
    /// True if a file's first bytes are instructions, which only their content can tell: every program counter and address canonical, flags 0 or 1, and most instructions that take
    /// no branch followed by the one behind them.
    /// </summary>
    public bool Fits(ReadOnlySpan<byte> head)
    {
        if (DrMemtraceFormat.Begins(head))
        {
            return false;
        }

        int count = head.Length / Bytes;
        if (count < ShortestHead || (head.Length < TraceFile.HeadBytes && head.Length % Bytes != 0))
        {
            // One instruction is recognised if it is all there is.
            return count == 1 && head.Length == Bytes && IsInstruction(head) && BinaryPrimitives.ReadUInt64LittleEndian(head) >= ProgramAccess.MostBytes;
        }

        int straight = 0;
        int followed = 0;
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> instruction = head.Slice(i * Bytes, Bytes);
            if (!IsInstruction(instruction))
            {
                return false;
            }

            if (i + 1 < count && instruction[9] == 0)
            {
                ulong distance = BinaryPrimitives.ReadUInt64LittleEndian(head[((i + 1) * Bytes)..]) - BinaryPrimitives.ReadUInt64LittleEndian(instruction);
                straight++;
                followed += distance <= LongestInstruction ? 1 : 0;
            }
        }

        return followed * 2 >= straight;
    }

    private bool IsInstruction(ReadOnlySpan<byte> instruction)
    {
        if (Fault(instruction) is not null || instruction[9] > instruction[8])
        {
            return false;
        }

        for (int at = Stores; at < Loads + (LoadCount * sizeof(ulong)); at += sizeof(ulong))
        {
            if (!ProgramAccess.IsCanonical(BinaryPrimitives.ReadUInt64LittleEndian(instruction[at..])))
            {
                return false;
            }
        }

        return true;
    }
}
