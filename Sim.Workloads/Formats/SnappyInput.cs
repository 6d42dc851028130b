using System.Buffers.Binary;
using Sim.Workloads.Formats.Native;
using Snappier;

namespace Sim.Workloads.Formats;

/// <summary>
/// The content of a snappy stream in the framing format (google/snappy, framing_format.txt), with the two kinds of chunk without a checksum that DynamoRIO adds (2 and 3,
/// drcachesim/common/snappy_consts.h). Where a chunk has a checksum, it is checked. The format has no end: a file that is cut between two chunks looks whole, and only the trace inside can tell.
/// Chunks of the kinds that the format reserves are refused, because one bit makes one of them out of a chunk with content.
/// </summary>
/// <param name="compressed">At the stream's identifier; owned.</param>
internal sealed class SnappyInput(Stream compressed) : ReadOnlyStream
{
    private const byte Compressed = 0;
    private const byte Plain = 1;
    private const byte CompressedUnchecked = 2;
    private const byte PlainUnchecked = 3;
    private const byte Padding = 0xFE;
    private const byte Identifier = 0xFF;
    private const int HeaderBytes = 4;
    private const int ChecksumBytes = 4;
    private const int MostContent = 1 << 16;
    private const uint MaskOffset = 0xA282EAD8;

    private readonly byte[] _chunk = new byte[(1 << 17) + ChecksumBytes];
    private readonly byte[] _content = new byte[MostContent];
    private int _used;
    private int _filled;
    private bool _ended;
    private bool _begun;

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        while (_used == _filled && !_ended && buffer.Length > 0)
        {
            _ended = !NextChunk();
        }

        int read = Math.Min(buffer.Length, _filled - _used);
        _content.AsSpan(_used, read).CopyTo(buffer);
        _used += read;
        return read;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            compressed.Dispose();
        }

        base.Dispose(disposing);
    }

    private bool NextChunk()
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        int read = compressed.ReadAtLeast(header, HeaderBytes, throwOnEndOfStream: false);
        if (read == 0)
        {
            return _begun ? throw new InvalidDataException("the snappy stream is cut short: nothing follows its identifier") : false;
        }

        int length = read < HeaderBytes ? 0 : header[1] | (header[2] << 8) | (header[3] << 16);
        if (read < HeaderBytes || (length > _chunk.Length && header[0] < Padding))
        {
            throw new InvalidDataException(read < HeaderBytes ? "the last snappy chunk is cut short" : $"a snappy chunk of {length} bytes, more than any can have");
        }

        _used = _filled = 0;
        if (header[0] >= Padding)
        {
            Skip(header[0], length);
            return true;
        }

        _begun = false;
        Span<byte> chunk = _chunk.AsSpan(0, length);
        Fill(chunk);
        bool isChecked = header[0] is Compressed or Plain;
        if (header[0] > PlainUnchecked || (isChecked && length < ChecksumBytes))
        {
            throw new InvalidDataException($"a snappy chunk of kind {header[0]} with {length} bytes");
        }

        ReadOnlySpan<byte> body = isChecked ? chunk[ChecksumBytes..] : chunk;
        if (header[0] is Plain or PlainUnchecked)
        {
            if (body.Length > MostContent)
            {
                throw new InvalidDataException($"a snappy chunk with {body.Length} bytes of content, more than any can have");
            }

            body.CopyTo(_content);
            _filled = body.Length;
        }
        else if (!Snappy.TryDecompress(body, _content, out _filled))
        {
            throw new InvalidDataException("a snappy chunk that does not decompress");
        }

        if (isChecked && BinaryPrimitives.ReadUInt32LittleEndian(chunk) != Masked(Crc32C.Of(_content.AsSpan(0, _filled))))
        {
            throw new InvalidDataException("a snappy chunk whose checksum is another");
        }

        return true;
    }

    private static uint Masked(uint crc) => ((crc >> 15) | (crc << 17)) + MaskOffset;

    private void Skip(byte kind, int length)
    {
        _begun |= kind == Identifier;
        if (kind == Identifier && length != Signatures.SnappyName.Length)
        {
            throw new InvalidDataException("a snappy stream identifier of another length");
        }

        for (int left = length; left > 0;)
        {
            Span<byte> part = _chunk.AsSpan(0, Math.Min(left, _chunk.Length));
            Fill(part);
            left -= part.Length;
            if (kind == Identifier && !part.SequenceEqual(Signatures.SnappyName))
            {
                throw new InvalidDataException("a snappy stream identifier that is none");
            }
        }
    }

    private void Fill(Span<byte> buffer)
    {
        if (compressed.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false) < buffer.Length)
        {
            throw new InvalidDataException("the last snappy chunk is cut short");
        }
    }
}
