using System.IO.Compression;

namespace Sim.Workloads.Formats;

/// <summary>The content of gzip members (RFC 1952), one behind the other, each with its checksum and length; zeros may pad the end, anything else behind the last member is refused.</summary>
internal sealed class GzipInput : ReadOnlyStream
{
    private readonly Tail _compressed;
    private readonly GZipStream _members;
    private bool _ended;

    /// <summary>Without the switch, System.IO.Compression takes a member that is cut short for one that ends there.</summary>
    static GzipInput() => AppContext.SetSwitch("System.IO.Compression.UseStrictValidation", true);

    /// <summary>At the first byte of the first member; owned.</summary>
    public GzipInput(Stream compressed)
    {
        _compressed = new Tail(compressed);
        _members = new GZipStream(_compressed, CompressionMode.Decompress);
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        int read = _members.Read(buffer);
        if (read == 0 && buffer.Length > 0 && !_ended)
        {
            _ended = true;
            _compressed.RefuseRest();
        }

        return read;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _members.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>
    /// Hands the compressed bytes out in blocks, the last block byte by byte. GZipStream looks at one byte behind a member for the next member and swallows the rest of what it
    /// was handed without a word; this way the rest is still here.
    /// </summary>
    private sealed class Tail(Stream inner) : ReadOnlyStream
    {
        private byte[] _block = [];
        private byte[] _next = new byte[1 << 14];
        private int _used;
        private int _filled;
        private int _nextFilled = -1;
        private byte _last;
        private bool _endSeen;

        public override int Read(Span<byte> buffer)
        {
            if (_used == _filled)
            {
                Advance();
            }

            int most = _nextFilled == 0 ? 1 : buffer.Length;
            int read = Math.Min(Math.Min(most, buffer.Length), _filled - _used);
            if (read == 0)
            {
                _endSeen |= buffer.Length > 0;
                return 0;
            }

            _block.AsSpan(_used, read).CopyTo(buffer);
            _used += read;
            _last = buffer[read - 1];
            return read;
        }

        /// <summary>Called when GZipStream has found its end: what it was not handed, and the byte that made it stop, must be padding.</summary>
        public void RefuseRest()
        {
            if (_endSeen)
            {
                return;
            }

            bool padding = _last == 0;
            for (Span<byte> rest = stackalloc byte[512]; padding;)
            {
                int read = Read(rest);
                if (read == 0)
                {
                    return;
                }

                padding = !rest[..read].ContainsAnyExcept((byte)0);
            }

            throw new InvalidDataException("behind the last gzip member comes something that is none");
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }

            base.Dispose(disposing);
        }

        private void Advance()
        {
            if (_nextFilled < 0)
            {
                _nextFilled = inner.Read(_next);
                _block = new byte[_next.Length];
            }

            (_block, _next) = (_next, _block);
            (_filled, _used) = (_nextFilled, 0);
            _nextFilled = _filled == 0 ? 0 : inner.Read(_next);
        }
    }
}
