using System.Buffers.Binary;
using System.Text;
using Sim.Workloads.Formats.Native;

namespace Sim.Workloads.Tests.Formats;

/// <summary>A native file taken apart by docs/trace-format.md, independently of the reader, to be changed and put together again with right checksums.</summary>
internal sealed class NativeSurgery
{
    public ushort Minor { get; set; }

    public string Json { get; set; } = "";

    public List<Block> Blocks { get; } = [];

    public static NativeSurgery Open(byte[] file)
    {
        NativeSurgery open = new() { Minor = BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(10)) };
        int length = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(16));
        open.Json = Encoding.UTF8.GetString(file, 20, length);
        for (int at = 24 + length; Encoding.ASCII.GetString(file, at, 4) == "NSTb";)
        {
            int payload = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(at + 32));
            open.Blocks.Add(new Block { Fields = file[(at + 4)..(at + 32)], Payload = file[(at + 44)..(at + 44 + payload)] });
            at += 44 + payload;
        }

        return open;
    }

    public byte[] Close()
    {
        PayloadWriter file = new();
        PayloadWriter index = new();
        PayloadWriter chain = new();
        Put(file, [0x89, (byte)'N', (byte)'S', (byte)'T', 13, 10, 26, 10, 1, 0, (byte)Minor, (byte)(Minor >> 8), 4, 3, 2, 1]);
        byte[] json = Encoding.UTF8.GetBytes(Json);
        file.UInt32((uint)json.Length);
        Put(file, json);
        file.UInt32(Sealed(chain, Crc32C.Of(file.Written)));
        ulong records = 0;
        foreach (Block block in Blocks)
        {
            index.UInt64((ulong)file.Length);
            Put(index, block.Fields.AsSpan(12));
            Put(index, block.Fields.AsSpan(0, 12));
            records += BinaryPrimitives.ReadUInt32LittleEndian(block.Fields.AsSpan(4)) + (ulong)BinaryPrimitives.ReadUInt32LittleEndian(block.Fields.AsSpan(8));
            PayloadWriter header = new();
            Put(header, "NSTb"u8);
            Put(header, block.Fields);
            header.UInt32((uint)block.Payload.Length);
            uint crc = Crc32C.Of(header.Written);
            header.UInt32(Sealed(chain, crc));
            header.UInt32(Sealed(chain, Crc32C.Of(block.Payload)));
            Put(file, header.Written);
            Put(file, block.Payload);
        }

        ulong footerAt = (ulong)file.Length;
        PayloadWriter footer = new();
        Put(footer, "NSTf"u8);
        footer.UInt64((ulong)Blocks.Count);
        footer.UInt64(records);
        Put(footer, index.Written);
        footer.UInt32(Crc32C.Of(chain.Written));
        footer.UInt32(Crc32C.Of(footer.Written));
        footer.UInt64(footerAt);
        Put(footer, "NSTend\r\n"u8);
        Put(file, footer.Written);
        return file.Written.ToArray();
    }

    private static uint Sealed(PayloadWriter chain, uint crc)
    {
        chain.UInt32(crc);
        return crc;
    }

    private static void Put(PayloadWriter to, ReadOnlySpan<byte> bytes) => bytes.CopyTo(to.Take(bytes.Length));

    /// <summary>Fields: lane, accesses, events (32 bits each), first record, first time (64 bits each).</summary>
    internal sealed class Block
    {
        public required byte[] Fields { get; set; }

        public required byte[] Payload { get; set; }
    }
}
