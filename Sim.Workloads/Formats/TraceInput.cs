using System.Security.Cryptography;
using Sim.Core;

namespace Sim.Workloads.Formats;

/// <summary>
/// An input stream that lets its head be looked at before it is read, that can hash what passes, and that turns a decompressor's complaint into a
/// <see cref="TraceFormatException"/>.
/// </summary>
internal sealed class TraceInput : Stream
{
    private readonly Stream _inner;
    private readonly string _name;
    private readonly IncrementalHash? _hash;
    private byte[] _head = [];
    private int _headUsed;
    private long _position;
    private string? _sha256;

    /// <summary>Wraps and owns <paramref name="inner"/>, which is at its first byte.</summary>
    public TraceInput(Stream inner, string name, bool hashed)
    {
        _inner = inner;
        _name = name;
        _hash = hashed ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
    }

    /// <summary>SHA-256 of all bytes in lower-case hexadecimal; null before the end was reached, or if a seek left bytes unread.</summary>
    public string? Sha256 => Volatile.Read(ref _sha256);

    /// <summary>Bytes taken from the wrapped stream so far.</summary>
    public long BytesRead { get; private set; }

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => _inner.CanSeek;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => _inner.Length;

    /// <inheritdoc/>
    public override long Position
    {
        get => _position;
        set => Seek(value, SeekOrigin.Begin);
    }

    private bool Skipped { get; set; }

    /// <summary>The first <paramref name="bytes"/> bytes, or all there are, without consuming them. Only before the first read.</summary>
    public ReadOnlySpan<byte> Peek(int bytes)
    {
        byte[] head = new byte[bytes];
        int filled = 0;
        for (int read; filled < bytes && (read = ReadInner(head.AsSpan(filled))) > 0; filled += read)
        {
        }

        _head = head[..filled];
        return _head;
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        int read;
        if (_headUsed < _head.Length)
        {
            read = Math.Min(buffer.Length, _head.Length - _headUsed);
            _head.AsSpan(_headUsed, read).CopyTo(buffer);
            _headUsed += read;
        }
        else
        {
            read = ReadInner(buffer);
        }

        _position += read;
        return read;
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <summary>Reads what is left, so that the hash is that of the whole input. Does nothing after a seek.</summary>
    public void Drain(CancellationToken cancellation = default)
    {
        if (Skipped || _sha256 is not null)
        {
            return;
        }

        byte[] buffer = new byte[1 << 16];
        while (!cancellation.IsCancellationRequested && Read(buffer.AsSpan()) > 0)
        {
        }
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin)
    {
        long target = origin switch { SeekOrigin.Begin => offset, SeekOrigin.Current => _position + offset, _ => Length + offset };
        Skipped = true;
        _headUsed = _head.Length;
        return _position = _inner.Seek(target, SeekOrigin.Begin);
    }

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _inner.Dispose();
            _hash?.Dispose();
        }

        base.Dispose(disposing);
    }

    private int ReadInner(Span<byte> buffer)
    {
        int read;
        try
        {
            read = _inner.Read(buffer);
        }
        catch (InvalidDataException e)
        {
            throw new TraceFormatException(_name, $"offset {_position} of the decompressed content", "compressed data", "damage: " + e.Message.TrimEnd('.'), "The file is damaged or cut short; get it again.", e);
        }

        BytesRead += read;
        if (_hash is not null && !Skipped && _sha256 is null && buffer.Length > 0)
        {
            if (read > 0)
            {
                _hash.AppendData(buffer[..read]);
            }
            else
            {
                Volatile.Write(ref _sha256, Convert.ToHexStringLower(_hash.GetHashAndReset()));
            }
        }

        return read;
    }
}
