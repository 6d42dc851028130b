using System.Buffers;
using System.Text;

namespace Sim.Workloads.Formats;

/// <summary>A format that is recognised and not read: what it is called, and the commands that make something readable of it.</summary>
/// <param name="Name">What users call it.</param>
/// <param name="Hint">What to do, with the command.</param>
internal sealed record UnreadFormat(string Name, string Hint);

/// <summary>Formats of other tools that people have traces in, that hold no memory accesses as such, or hold them in a way that its own tools read better.</summary>
internal static class UnreadFormats
{
    private const int PacketBytes = 16;

    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdefABCDEF");

    private static readonly UnreadFormat PerfData = new(
        "perf.data",
        "'perf script -i FILE > FILE.txt' makes text of KVM's events, which 'nestsim trace events' and 'trace lift' read. Intel PT inside tells instructions and no data: "
        + "(echo address,type; perf script -i FILE --itrace=i0ns -F ip | awk '{print \"0x\"$1\",x\"}') > FILE.csv (docs/memory-traces.md#not-read).");

    private static readonly UnreadFormat TraceDat = new("trace.dat", "'trace-cmd report -i FILE > FILE.txt' makes text that 'nestsim trace events' and 'trace lift' read.");

    private static readonly UnreadFormat ProcessorTrace = new(
        "Intel Processor Trace packets",
        "They tell instructions and no data. With the perf.data they belong to: (echo address,type; perf script -i perf.data --itrace=i0ns -F ip | awk '{print \"0x\"$1\",x\"}') > FILE.csv (docs/memory-traces.md#not-read).");

    private static readonly UnreadFormat Gem5 = new(
        "a gem5 protobuf trace",
        "gem5's 'util/decode_packet_trace.py FILE FILE.txt' makes text, and awk -F, 'BEGIN {print \"type,address,size,time\"} /^[rw],/ {print $1\",\"$2\",\"$3\",\"$5}' FILE.txt > FILE.csv "
        + "a CSV of it, if its fields are command, address, size, flags, tick (docs/memory-traces.md#not-read).");

    private static readonly UnreadFormat Sift = new(
        "a SIFT trace of Sniper", "'sift/siftdump FILE' of Sniper prints it; record the same run with a Pin or DynamoRIO tracer instead, whose files are read (docs/memory-traces.md#not-read).");

    private static readonly UnreadFormat Ramulator = new(
        "a Ramulator trace",
        "It holds the misses of caches, by physical address, so that no TLB can be simulated with it. If its addresses are linear and complete, '(echo address,type; awk '{print $1\",\"$2}' FILE) > FILE.csv' makes a CSV (docs/memory-traces.md#not-read).");

    /// <summary>The format that content begins like, or null.</summary>
    public static UnreadFormat? Of(ReadOnlySpan<byte> head) =>
        head.StartsWith("PERFILE2"u8) || head.StartsWith("2ELIFREP"u8) ? PerfData
        : head.StartsWith((ReadOnlySpan<byte>)[0x17, 0x08, 0x44, (byte)'t', (byte)'r', (byte)'a', (byte)'c', (byte)'i', (byte)'n', (byte)'g']) ? TraceDat
        : IsStreamBoundary(head) ? ProcessorTrace
        : head.StartsWith("gem5"u8) ? Gem5
        : head.StartsWith("TFIS"u8) || head.StartsWith("SIFT"u8) ? Sift
        : IsRamulator(head) ? Ramulator
        : null;

    /// <summary>PSB, with which every trace of packets begins: 02 82, eight times (SDM vol. 3, Intel Processor Trace packets).</summary>
    private static bool IsStreamBoundary(ReadOnlySpan<byte> head)
    {
        if (head.Length < PacketBytes)
        {
            return false;
        }

        for (int i = 0; i < PacketBytes; i += 2)
        {
            if (head[i] != 0x02 || head[i + 1] != 0x82)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>A first line "0x12340 R", "LD 0x12340", "ST 12340", or "3 20734016" with a third number or none.</summary>
    private static bool IsRamulator(ReadOnlySpan<byte> head)
    {
        int end = head.IndexOf((byte)'\n');
        if (end is < 3 or > 80)
        {
            return false;
        }

        string[] words = Encoding.Latin1.GetString(head[..end]).TrimEnd('\r').Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return words switch
        {
            [var address, "R" or "W"] => IsNumber(address),
            ["LD" or "ST", var address] => IsNumber(address),
            [var gap, var address] => IsDecimal(gap) && IsDecimal(address),
            [var gap, var address, var writeBack] => IsDecimal(gap) && IsDecimal(address) && IsDecimal(writeBack),
            _ => false,
        };
    }

    private static bool IsNumber(string word) => IsDecimal(word) || (word.StartsWith("0x", StringComparison.Ordinal) && word.Length > 2 && word.AsSpan(2).IndexOfAnyExcept(HexDigits) < 0);

    private static bool IsDecimal(string word) => word.Length > 0 && word.AsSpan().IndexOfAnyExceptInRange('0', '9') < 0;
}
