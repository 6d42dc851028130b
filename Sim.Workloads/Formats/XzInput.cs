using SharpCompress.Common;
using SharpCompress.Compressors.Xz;

namespace Sim.Workloads.Formats;

/// <summary>The content of .xz streams (The .xz File Format 1.1.0), one behind the other with padding of four zeros between them, each block with its check.</summary>
internal sealed class XzInput : ReadOnlyStream
{
    private const int PaddingUnit = 4;

    private readonly Pushback _compressed;
    private XZStream _stream;
    private bool _ended;

    /// <summary>At the first byte of the first stream; owned.</summary>
    public XzInput(Stream compressed)
    {
        _compressed = new Pushback(compressed);
        _stream = new XZStream(_compressed);
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        try
        {
            while (buffer.Length > 0 && !_ended)
            {
                int read = _stream.Read(buffer);
                if (read > 0)
                {
                    return read;
                }

                _ended = !NextStream();
            }

            return 0;
        }
        catch (Exception e) when (e is SharpCompressException or EndOfStreamException or ArgumentException or OverflowException or OutOfMemoryException or IndexOutOfRangeException or NotSupportedException or NotImplementedException)
        {
            throw new InvalidDataException(
                e switch
                {
                    EndOfStreamException or IncompleteArchiveException => "the .xz stream is cut short",
                    OverflowException or OutOfMemoryException => "the .xz stream asks for a dictionary that this machine has no memory for",
                    _ => ".xz: " + e.Message.ReplaceLineEndings(" "),
                },
                e);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _stream.Dispose();
            _compressed.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Goes over padding to the next stream; false at the end of the input.</summary>
    private bool NextStream()
    {
        Span<byte> unit = stackalloc byte[PaddingUnit];
        while (true)
        {
            int read = _compressed.ReadAtLeast(unit, PaddingUnit, throwOnEndOfStream: false);
            if (read == 0)
            {
                return false;
            }

            if (read < PaddingUnit)
            {
                throw new InvalidDataException("behind the last .xz stream comes something that is none");
            }

            if (unit.ContainsAnyExcept((byte)0))
            {
                if (!Signatures.Xz.StartsWith(unit))
                {
                    throw new InvalidDataException("behind the last .xz stream comes something that is none");
                }

                _compressed.PutBack(unit);
                _stream = new XZStream(_compressed);
                return true;
            }
        }
    }

    /// <summary>An input that takes back a few bytes that were looked at, and knows where it is: blocks are padded by their place.</summary>
    private sealed class Pushback(Stream inner) : ReadOnlyStream
    {
        private byte[] _back = [];
        private int _used;
        private long _position;

        public override long Position
        {
            get => _position;
            set => throw new NotSupportedException();
        }

        /// <summary>These bytes come again.</summary>
        public void PutBack(ReadOnlySpan<byte> bytes)
        {
            _back = bytes.ToArray();
            _used = 0;
            _position -= bytes.Length;
        }

        public override int Read(Span<byte> buffer)
        {
            int read = Math.Min(buffer.Length, _back.Length - _used);
            if (read == 0)
            {
                read = inner.Read(buffer);
            }
            else
            {
                _back.AsSpan(_used, read).CopyTo(buffer);
                _used += read;
            }

            _position += read;
            return read;
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
