using System.Globalization;
using Sim.Core.Profiles;

namespace Sim.Core.Traces;

/// <summary>What a trace says about itself before its first record.</summary>
/// <param name="Lanes">Number of physical CPUs.</param>
/// <param name="Folded">True if runs on one page were folded into one access (hit counts stay exact through <see cref="TraceBlock.Repeat"/>).</param>
/// <param name="CyclesPerRecordTick">How record times were made: 1 if they are recorded cycles, else the assumed cycles per instruction, as "num/den".</param>
/// <param name="Properties">Free facts in ordinal order: source, command, generator, seed, L0, kernel.</param>
public sealed record TraceHeader(int Lanes, bool Folded, string CyclesPerRecordTick, IReadOnlyDictionary<string, string> Properties)
{
    /// <summary>Property of a trace whose <see cref="RecordKind.FlushRequest"/> records tell every remote flush of L0, so that its <see cref="RecordKind.MapChange"/> records imply none.</summary>
    public const string RemoteFlushes = "remote_flushes";

    /// <summary>Property that says whose virtualization the trace's exits and operands are, see <see cref="Vendor"/>.</summary>
    public const string VendorProperty = "vendor";

    /// <summary>Property of a trace whose times are those of the machine that was recorded, see <see cref="RealKilohertz"/>.</summary>
    public const string RealKilohertzProperty = "real_kilohertz";

    /// <summary>Value of <see cref="RemoteFlushes"/>, and of page sizes that the recording tells.</summary>
    public const string Recorded = "recorded";

    /// <summary>Value of page sizes that follow from something else that the recording tells.</summary>
    public const string Inferred = "inferred";

    private const string Intel = "intel";
    private const string Amd = "amd";

    /// <summary>
    /// Property that says how the page sizes of a table are known, if the trace tells them: <see cref="Recorded"/> or <see cref="Inferred"/>.
    /// </summary>
    public static string PageSizesOf(MapTable table) => table switch
    {
        MapTable.L0 => "page_sizes.l0",
        MapTable.L1 => "page_sizes.l1",
        MapTable.L2 => "page_sizes.l2",
        MapTable.Tdp01 => "page_sizes.tdp01",
        _ => "page_sizes.tdp12",
    };

    /// <summary>True if the trace tells every remote flush of L0 by a record of its own.</summary>
    public bool RecordsRemoteFlushes => Properties.TryGetValue(RemoteFlushes, out string? value) && value == Recorded;

    /// <summary>What the trace rests on that nobody has seen, in order of weight.</summary>
    public IReadOnlyList<Doubt> Doubts { get; init; } = [];

    /// <summary>Whose virtualization the trace's exits and operands are; null if it says nothing, as a program's trace does.</summary>
    public Vendor? Vendor => Properties.GetValueOrDefault(VendorProperty) switch
    {
        Intel => Profiles.Vendor.Intel,
        Amd => Profiles.Vendor.Amd,
        _ => UnsaidVendor,
    };

    /// <summary>Ticks of the trace's time in one millisecond of the recorded machine; null if its times are instruction counts, an emulator's, or made up.</summary>
    public long? RealKilohertz =>
        Properties.TryGetValue(RealKilohertzProperty, out string? value) && long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out long kilohertz) && kilohertz > 0 ? kilohertz : null;

    /// <summary>The vendor of traces that were made before <see cref="VendorProperty"/> was: weaves name their architecture unless it is VMX, and hardware captures are of VMX.</summary>
    private Vendor? UnsaidVendor =>
        Properties.TryGetValue("weave", out string? weave) ? weave.Split(' ').Contains("arch=svm") ? Profiles.Vendor.Amd : Profiles.Vendor.Intel
        : Properties.GetValueOrDefault("lifted") == "hardware capture" ? Profiles.Vendor.Intel
        : null;

    /// <summary>The value of <see cref="VendorProperty"/>.</summary>
    public static string VendorWord(Vendor vendor) => vendor == Profiles.Vendor.Amd ? Amd : Intel;

    /// <summary>A header with one lane, not folded, recorded cycles and no properties.</summary>
    public static TraceHeader Default { get; } = new(1, false, "1/1", new SortedDictionary<string, string>(StringComparer.Ordinal));
}

/// <summary>A trace being read, block by block, in one pass.</summary>
public interface ITraceSource : IDisposable
{
    /// <summary>What the trace says about itself.</summary>
    TraceHeader Header { get; }

    /// <summary>Refills <paramref name="block"/> with the next block; false at the end.</summary>
    /// <exception cref="TraceFormatException">The input is damaged or not what it claims to be.</exception>
    bool Read(TraceBlock block);
}

/// <summary>Where a trace is written, block by block.</summary>
public interface ITraceSink
{
    /// <summary>Writes one block. Blocks must come in order of their first record's time.</summary>
    void Write(TraceBlock block);
}

/// <summary>A trace that lives in memory: tests, scenarios, small generated inputs.</summary>
public sealed class MemoryTrace : ITraceSource, ITraceSink
{
    private readonly List<TraceBlock> _blocks = [];
    private int _next;

    /// <summary>An empty trace.</summary>
    public MemoryTrace(TraceHeader? header = null) => Header = header ?? TraceHeader.Default;

    /// <inheritdoc/>
    public TraceHeader Header { get; }

    /// <inheritdoc/>
    public void Write(TraceBlock block)
    {
        TraceBlock copy = new();
        copy.CopyFrom(block);
        _blocks.Add(copy);
    }

    /// <inheritdoc/>
    public bool Read(TraceBlock block)
    {
        if (_next == _blocks.Count)
        {
            return false;
        }

        block.CopyFrom(_blocks[_next++]);
        return true;
    }

    /// <summary>Starts again at the first block.</summary>
    public void Rewind() => _next = 0;

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
