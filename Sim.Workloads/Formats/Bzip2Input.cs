using SharpCompress.Common;
using SharpCompress.Compressors;
using SharpCompress.Compressors.BZip2;

namespace Sim.Workloads.Formats;

/// <summary>The content of bzip2 streams, one behind the other, each block with its checksum. What follows the last stream and is none is refused, which the library alone would pass over.</summary>
internal sealed class Bzip2Input : ReadOnlyStream
{
    private readonly Stream _inner;
    private readonly Feed _compressed;
    private BZip2Stream? _stream;
    private bool _ended;

    /// <summary>At the first byte of the first stream; owned.</summary>
    public Bzip2Input(Stream compressed)
    {
        _inner = compressed;
        _compressed = new Feed(compressed);
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        try
        {
            while (buffer.Length > 0 && !_ended)
            {
                _stream ??= BZip2Stream.Create(_compressed, CompressionMode.Decompress, decompressConcatenated: false);
                int read = _stream.Read(buffer);
                if (read > 0)
                {
                    return read;
                }

                _stream = null;
                ReadOnlySpan<byte> next = _compressed.Peek(Signatures.Bzip2Bytes);
                _ended = next.IsEmpty;
                if (!_ended && !Signatures.IsBzip2(next))
                {
                    throw new InvalidDataException("behind the last bzip2 stream comes something that is none");
                }
            }

            return 0;
        }
        catch (Exception e) when (e is SharpCompressException or IOException or ArgumentException or InvalidOperationException or IndexOutOfRangeException or OverflowException or NullReferenceException && e is not InvalidDataException)
        {
            throw new InvalidDataException(e is EndOfStreamException or IncompleteArchiveException ? "the last bzip2 stream is cut short" : "bzip2: " + e.Message.ReplaceLineEndings(" "), e);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _compressed.Dispose();
            _inner.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Hands out byte by byte, as the decoder asks for them, and lets the next ones be looked at. The decoder disposes it with each stream's end, which means nothing: it owns nothing.</summary>
    private sealed class Feed(Stream inner) : ReadOnlyStream
    {
        private readonly byte[] _buffer = new byte[1 << 14];
        private int _at;
        private int _filled;

        /// <summary>The next bytes, or all there are.</summary>
        public ReadOnlySpan<byte> Peek(int bytes)
        {
            if (_filled - _at < bytes)
            {
                _buffer.AsSpan(_at, _filled - _at).CopyTo(_buffer);
                _filled -= _at;
                _at = 0;
                _filled += inner.ReadAtLeast(_buffer.AsSpan(_filled), bytes - _filled, throwOnEndOfStream: false);
            }

            return _buffer.AsSpan(_at, Math.Min(bytes, _filled - _at));
        }

        public override int ReadByte() => _at < _filled || Refill() ? _buffer[_at++] : -1;

        public override int Read(Span<byte> buffer)
        {
            if (_at == _filled && !Refill())
            {
                return 0;
            }

            int read = Math.Min(buffer.Length, _filled - _at);
            _buffer.AsSpan(_at, read).CopyTo(buffer);
            _at += read;
            return read;
        }

        private bool Refill()
        {
            _at = 0;
            _filled = inner.Read(_buffer, 0, _buffer.Length);
            return _filled > 0;
        }
    }
}
