using Microsoft.Win32.SafeHandles;

namespace Sim.Core.Files;

/// <summary>Standard output for bytes that a program makes for as long as somebody reads them.</summary>
public static class StandardOutput
{
    /// <summary>Opens it. Into a pipe that nobody reads any more, a write throws <see cref="PipeClosedException"/>; the console's own stream would take it for written.</summary>
    public static Stream Open()
    {
        // A file is written through the console's stream, which moves the place that others who write to the same file go on from.
        return FileStatus.Of("/dev/stdout") is { IsRegular: false, IsFolder: false } ? new PipedOutput() : Console.OpenStandardOutput();
    }

    private sealed class PipedOutput : WriteOnlyStream
    {
        private readonly FileStream _pipe = new(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            try
            {
                _pipe.Write(buffer);
            }
            catch (IOException e)
            {
                throw ErrorBoundary.Known(e)!;
            }
        }

        public override void Flush()
        {
        }
    }
}
