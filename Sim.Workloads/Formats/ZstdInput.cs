using ZstdSharp;

namespace Sim.Workloads.Formats;

/// <summary>The content of zstd frames (RFC 8878), one behind the other.</summary>
/// <param name="compressed">At the first byte of the first frame; owned.</param>
internal sealed class ZstdInput(Stream compressed) : ReadOnlyStream
{
    private readonly DecompressionStream _frames = new(compressed, checkEndOfStream: true, leaveOpen: false);

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        try
        {
            return _frames.Read(buffer);
        }
        catch (Exception e) when (e is ZstdException or EndOfStreamException)
        {
            throw new InvalidDataException(e is EndOfStreamException ? "the last zstd frame is cut short" : "zstd: " + e.Message, e);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _frames.Dispose();
        }

        base.Dispose(disposing);
    }
}
