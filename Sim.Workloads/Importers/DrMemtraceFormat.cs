using System.Buffers.Binary;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;

namespace Sim.Workloads.Importers;

/// <summary>One file of DynamoRIO's drmemtrace, as raw2trace makes it; a folder of them is <see cref="DrMemtraceFolder"/>.</summary>
[Component("drmemtrace", Summary = "DynamoRIO drmemtrace, a file or a folder *.dir of them: fetches, loads and stores of one program's threads, or of the kernel too.")]
public sealed class DrMemtraceFormat : ITraceFormat
{
    private const ulong MostVersion = 64;

    /// <inheritdoc/>
    public bool Sniff(ReadOnlySpan<byte> head) =>
        head.Length >= 2 * DrEntry.Bytes && (IsHeader(head, DrEntry.Bytes) || IsHeader32(head) || IsBigEndian(head));

    /// <inheritdoc/>
    public ITraceSource Open(Stream stream, string name)
    {
        byte[] head = new byte[2 * DrEntry.Bytes];
        int read = stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
        if (read == head.Length && !IsHeader(head, DrEntry.Bytes))
        {
            using (stream)
            {
                throw new TraceFormatException(
                    name,
                    "offset 0",
                    "a little-endian drmemtrace recording of a 64-bit program",
                    IsBigEndian(head) ? "a big-endian one" : "one of a 32-bit program",
                    IsBigEndian(head) ? "Let raw2trace of the machine that recorded it make it little-endian." : "Record the program's 64-bit build.");
            }
        }

        DrClock clock = new();
        return new DrMemtraceSource([(name, new DrMemtraceFile(new Rejoined(head.AsMemory(0, read), stream), name, clock))], clock, name, DrLanes.One, []);
    }

    /// <summary>True for a first entry of a 64-bit program's file, whatever follows it.</summary>
    internal static bool Begins(ReadOnlySpan<byte> head) =>
        head.Length >= DrEntry.Bytes && BinaryPrimitives.ReadUInt32LittleEndian(head) == DrEntry.Header && BinaryPrimitives.ReadUInt64LittleEndian(head[4..]) is > 0 and <= MostVersion;

    private static bool IsHeader(ReadOnlySpan<byte> head, int next)
    {
        ushort second = BinaryPrimitives.ReadUInt16LittleEndian(head[next..]);
        return Begins(head) && second is DrEntry.Marker or DrEntry.Thread or DrEntry.Footer;
    }

    private static bool IsHeader32(ReadOnlySpan<byte> head) =>
        BinaryPrimitives.ReadUInt32LittleEndian(head) == DrEntry.Header && BinaryPrimitives.ReadUInt32LittleEndian(head[4..]) is > 0 and <= (uint)MostVersion
        && BinaryPrimitives.ReadUInt16LittleEndian(head[DrEntry.Bytes32..]) is DrEntry.Marker or DrEntry.Thread or DrEntry.Footer;

    private static bool IsBigEndian(ReadOnlySpan<byte> head) =>
        BinaryPrimitives.ReadUInt16BigEndian(head) == DrEntry.Header && head[2] == 0 && head[3] == 0 && BinaryPrimitives.ReadUInt64BigEndian(head[4..]) is > 0 and <= MostVersion;

    /// <summary>A stream of which the first bytes were taken already.</summary>
    private sealed class Rejoined(ReadOnlyMemory<byte> head, Stream rest) : ReadOnlyStream
    {
        private int _used;

        public override int Read(Span<byte> buffer)
        {
            int read = Math.Min(buffer.Length, head.Length - _used);
            if (read == 0)
            {
                return rest.Read(buffer);
            }

            head.Span.Slice(_used, read).CopyTo(buffer);
            _used += read;
            return read;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                rest.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
