using Sim.Core;
using Sim.Core.Files;
using Sim.Workloads.Formats;

namespace Sim.Captures.Ftrace;

/// <summary>Whose view of nested KVM a recording holds.</summary>
public enum CaptureKind
{
    /// <summary>The hardware's: every VM-entry, VM-exit and invalidation (<see cref="HwLog.HwLogReader"/>).</summary>
    Hardware,

    /// <summary>The kernel's: tracepoints as text (<see cref="TracepointReader"/>).</summary>
    KernelEvents,
}

/// <summary>Opens the text of a capture or kernel trace: plain, gzip, xz or zstd, found by content.</summary>
public static class CaptureText
{
    private const int HeadBytes = 8;
    private const int FirstLineBytes = 128;

    /// <summary>What messages call a file: its path, or <c>stdin</c> for "-".</summary>
    public static string NameOf(string path) => path == "-" ? "stdin" : path;

    /// <summary>Whose view a recording holds, by its first line. Text that is not clearly the hardware's is taken for the kernel's. <paramref name="name"/> names it in messages.</summary>
    /// <exception cref="ConfigurationException">There is no such file, it may not be read.</exception>
    /// <exception cref="TraceFormatException">It is empty, binary, or damaged compressed data.</exception>
    public static CaptureKind KindOf(string path, string name)
    {
        using TraceInput content = OpenText(path);
        ReadOnlySpan<byte> head = content.Peek(FirstLineBytes);
        if (head.IsEmpty || head.ContainsAnyInRange((byte)0x00, (byte)0x08))
        {
            throw new TraceFormatException(
                name, "offset 0", "the text of a hardware capture or of kernel events", head.IsEmpty ? "an empty file" : Signatures.Describe(head),
                "Kernel events are the output of 'trace-cmd report' or 'perf script', or tracefs' file trace.");
        }

        return IsHardware(head) ? CaptureKind.Hardware : CaptureKind.KernelEvents;
    }

    /// <summary>True if a file's first line is that of a hardware capture or of a memory window.</summary>
    /// <exception cref="ConfigurationException">There is no such file, it may not be read.</exception>
    public static bool IsHardwareCapture(string path)
    {
        using TraceInput content = OpenText(path);
        return IsHardware(content.Peek(FirstLineBytes));
    }

    /// <summary>The decompressed content of a file, or of standard input if <paramref name="path"/> is "-". The caller owns the stream.</summary>
    /// <exception cref="ConfigurationException">There is no such file, it may not be read.</exception>
    public static Stream Open(string path) => OpenText(path);

    private static TraceInput OpenText(string path) => Unwrap(InputFile.Open(path, "capture", "Give the path of a text file, or - for standard input."), NameOf(path));

    private static TraceInput Unwrap(Stream stream, string name)
    {
        TraceInput content = new(stream, name, hashed: false);

        // Wrapped in any case: an input can be looked into only once.
        return new TraceInput(Compression.Unwrap(content, content.Peek(HeadBytes)) ?? content, name, hashed: false);
    }

    // TICKS ICOUNT CPU MODE TYPE, or the context line of a memory window cut after its first line: C CPU MODE CPL.
    private static bool IsHardware(ReadOnlySpan<byte> head)
    {
        TextCursor cursor = new(head);
        return cursor.Skip("C "u8)
            ? cursor.Decimal(out _) && (cursor.Skip(" R "u8) || cursor.Skip(" G "u8))
            : cursor.Decimal(out _) && cursor.Skip(" "u8) && cursor.Decimal(out _) && cursor.Skip(" "u8) && cursor.Decimal(out _) && (cursor.Skip(" R "u8) || cursor.Skip(" G "u8));
    }
}
