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

    private sealed class PipedOutput : Stream
    {
        private readonly FileStream _pipe = new(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

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

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
