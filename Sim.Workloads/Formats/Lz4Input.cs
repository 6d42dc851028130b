using K4os.Compression.LZ4.Streams;

namespace Sim.Workloads.Formats;

/// <summary>The content of LZ4 frames (LZ4 Frame Format 1.6), one behind the other.</summary>
internal sealed class Lz4Input : ReadOnlyStream
{
    private readonly LookAhead _compressed;
    private Stream? _frame;
    private bool _ended;

    /// <summary>At the first byte of the first frame; owned.</summary>
    public Lz4Input(Stream compressed) => _compressed = new LookAhead(compressed);

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        try
        {
            while (buffer.Length > 0 && !_ended)
            {
                _frame ??= LZ4Stream.Decode(_compressed, leaveOpen: true);
                int read = _frame.Read(buffer);
                if (read > 0)
                {
                    return read;
                }

                _frame.Dispose();
                _frame = null;
                _ended = _compressed.IsAtEnd();
            }

            return 0;
        }
        catch (Exception e) when (e is EndOfStreamException)
        {
            throw new InvalidDataException("the last LZ4 frame is cut short", e);
        }
        catch (Exception e) when (e is IOException or ArgumentException or InvalidOperationException or IndexOutOfRangeException or NotSupportedException or NotImplementedException or OverflowException or OutOfMemoryException)
        {
            throw new InvalidDataException("LZ4: " + e.Message.ReplaceLineEndings(" "), e);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _frame?.Dispose();
            _compressed.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>A stream that can say whether it is at its end.</summary>
    private sealed class LookAhead(Stream inner) : ReadOnlyStream
    {
        private int _next = -1;

        /// <summary>True if there is no byte more.</summary>
        public bool IsAtEnd()
        {
            if (_next < 0)
            {
                _next = inner.ReadByte();
            }

            return _next < 0;
        }

        public override int Read(Span<byte> buffer)
        {
            if (_next < 0 || buffer.IsEmpty)
            {
                return inner.Read(buffer);
            }

            buffer[0] = (byte)_next;
            _next = -1;
            return 1;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
