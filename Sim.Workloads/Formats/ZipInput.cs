using System.Buffers.Binary;
using System.IO.Compression;

namespace Sim.Workloads.Formats;

/// <summary>
/// The content of all files of a zip archive, in their order, one behind the other: how drmemtrace keeps the chunks of one thread. Read in one pass from its local headers; the
/// sizes and checksums there, and the number of files that its directory tells, are checked (APPNOTE.TXT 6.3.10).
/// </summary>
internal sealed class ZipInput : ReadOnlyStream
{
    private const uint LocalHeader = 0x04034B50;
    private const uint CentralHeader = 0x02014B50;
    private const uint Zip64End = 0x06064B50;
    private const uint Zip64Locator = 0x07064B50;
    private const uint End = 0x06054B50;
    private const ushort Encrypted = 1;
    private const ushort SizesFollow = 8;
    private const ushort Zip64Extra = 1;
    private const ushort Stored = 0;
    private const ushort Deflated = 8;

    private readonly Stream _archive;
    private Stream? _file;
    private Bounded? _bytes;
    private uint _crc;
    private uint _expectedCrc;
    private ulong _length;
    private ulong _expectedLength;
    private ulong _files;
    private bool _ended;

    /// <summary>At the archive's first byte; owned.</summary>
    public ZipInput(Stream archive) => _archive = archive;

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        while (buffer.Length > 0 && !_ended)
        {
            if (_file is null)
            {
                _ended = !NextFile();
                continue;
            }

            int read = _file.Read(buffer);
            if (read > 0)
            {
                _crc = Crc32.Continue(_crc, buffer[..read]);
                _length += (ulong)read;
                return read;
            }

            EndFile();
        }

        return 0;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _file?.Dispose();
            _archive.Dispose();
        }

        base.Dispose(disposing);
    }

    private static InvalidDataException Bad(string what) => new($"zip: {what}");

    private bool NextFile()
    {
        uint signature = U32();
        if (signature != LocalHeader)
        {
            ReadDirectory(signature);
            return false;
        }

        Span<byte> header = stackalloc byte[26];
        Fill(header);
        ushort flags = BinaryPrimitives.ReadUInt16LittleEndian(header[2..]);
        ushort method = BinaryPrimitives.ReadUInt16LittleEndian(header[4..]);
        _expectedCrc = BinaryPrimitives.ReadUInt32LittleEndian(header[10..]);
        ulong packed = BinaryPrimitives.ReadUInt32LittleEndian(header[14..]);
        _expectedLength = BinaryPrimitives.ReadUInt32LittleEndian(header[18..]);
        Skip(BinaryPrimitives.ReadUInt16LittleEndian(header[22..]));
        byte[] extra = new byte[BinaryPrimitives.ReadUInt16LittleEndian(header[24..])];
        Fill(extra);
        if ((flags & Encrypted) != 0)
        {
            throw Bad("the archive is encrypted; unpack it first");
        }

        if ((flags & SizesFollow) != 0)
        {
            throw Bad("the archive was written to a pipe and tells sizes only behind its files; unpack it, or give 'unzip -p FILE' through a pipe");
        }

        if (method is not (Stored or Deflated))
        {
            throw Bad($"compression method {method}, and not stored or deflated; unpack it first");
        }

        if (packed == uint.MaxValue || _expectedLength == uint.MaxValue)
        {
            ReadZip64(extra, ref packed);
        }

        _bytes = new Bounded(_archive, packed);
        _file = method == Stored ? _bytes : new DeflateStream(_bytes, CompressionMode.Decompress);
        _crc = 0;
        _length = 0;
        _files++;
        return true;
    }

    private void ReadZip64(ReadOnlySpan<byte> extra, ref ulong packed)
    {
        while (extra.Length >= 4)
        {
            ushort kind = BinaryPrimitives.ReadUInt16LittleEndian(extra);
            int size = BinaryPrimitives.ReadUInt16LittleEndian(extra[2..]);
            if (kind == Zip64Extra && size >= 16 && extra.Length >= 20)
            {
                _expectedLength = BinaryPrimitives.ReadUInt64LittleEndian(extra[4..]);
                packed = BinaryPrimitives.ReadUInt64LittleEndian(extra[12..]);
                return;
            }

            extra = extra[Math.Min(extra.Length, 4 + size)..];
        }

        throw Bad("a file of 4 GiB or more without its size");
    }

    private void EndFile()
    {
        if (_length != _expectedLength || _crc != _expectedCrc || _bytes!.Left > 0)
        {
            throw Bad(_bytes!.IsCut ? "the archive is cut short" : $"file {_files} of the archive has another length or checksum than its header says");
        }

        _file = null;
    }

    private void ReadDirectory(uint signature)
    {
        Span<byte> header = stackalloc byte[42];
        ulong told = 0;
        for (; signature == CentralHeader; signature = U32(), told++)
        {
            Fill(header);
            Skip(BinaryPrimitives.ReadUInt16LittleEndian(header[24..]));
            Skip(BinaryPrimitives.ReadUInt16LittleEndian(header[26..]));
            Skip(BinaryPrimitives.ReadUInt16LittleEndian(header[28..]));
        }

        if (signature == Zip64End)
        {
            Fill(header[..8]);
            Skip(BinaryPrimitives.ReadUInt64LittleEndian(header));
            signature = U32();
        }

        if (signature == Zip64Locator)
        {
            Skip(16);
            signature = U32();
        }

        if (signature != End)
        {
            throw Bad($"expected a file, the directory or its end, found the bytes {signature:x8}");
        }

        Fill(header[..18]);
        Skip(BinaryPrimitives.ReadUInt16LittleEndian(header[16..]));
        ushort counted = BinaryPrimitives.ReadUInt16LittleEndian(header[6..]);
        if (told != _files || (counted != ushort.MaxValue && counted != _files))
        {
            throw Bad($"the directory tells {counted} files, and there are {_files}");
        }

        if (_archive.ReadByte() >= 0)
        {
            throw Bad("behind the end of the archive comes something");
        }
    }

    private uint U32()
    {
        Span<byte> bytes = stackalloc byte[4];
        Fill(bytes);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    private void Fill(Span<byte> buffer)
    {
        if (_archive.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false) < buffer.Length)
        {
            throw Bad("the archive is cut short");
        }
    }

    private void Skip(ulong bytes)
    {
        Span<byte> part = stackalloc byte[256];
        for (; bytes > 0; bytes -= (ulong)part.Length)
        {
            part = part[..(int)Math.Min((ulong)part.Length, bytes)];
            Fill(part);
        }
    }

    /// <summary>The next bytes of a stream, as many as a header tells.</summary>
    private sealed class Bounded(Stream inner, ulong left) : ReadOnlyStream
    {
        /// <summary>Bytes not read yet.</summary>
        public ulong Left { get; private set; } = left;

        /// <summary>The stream ended before.</summary>
        public bool IsCut { get; private set; }

        public override int Read(Span<byte> buffer)
        {
            int read = inner.Read(buffer[..(int)Math.Min((ulong)buffer.Length, Left)]);
            IsCut |= read == 0 && Left > 0 && buffer.Length > 0;
            Left -= (ulong)read;
            return read;
        }
    }
}
