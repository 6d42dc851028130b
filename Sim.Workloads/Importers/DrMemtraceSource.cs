using System.Globalization;
using System.Text.RegularExpressions;
using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Importers;

/// <summary>How the files of a drmemtrace recording become lanes.</summary>
public enum DrLanes
{
    /// <summary>One lane, on which threads follow one another by their timestamps.</summary>
    One,

    /// <summary>A lane for each file: a thread, or a core of a core-sharded recording.</summary>
    Files,
}

/// <summary>A page whose size a recording tells.</summary>
/// <param name="Address">First address.</param>
/// <param name="Bytes">Size.</param>
internal readonly record struct DrPage(ulong Address, ulong Bytes);

/// <summary>
/// Reads a drmemtrace recording. Its threads are interleaved by their timestamps: the one with the earliest runs until its next timestamp, of equals the first file. Time is the number of
/// the instruction in that order, on every lane; data accesses have the time of their instruction. CPL is 0 in the kernel's parts of system calls and context switches and, in recordings of a
/// whole system, in the upper half; else 3. Where another process runs, CR3 changes. Prefetches, cache flushes and instructions that are not fetched again are passed over.
/// </summary>
/// <remarks>Format: DynamoRIO drcachesim/common/trace_entry.h at 05e31650; order: DEPENDENCY_TIMESTAMPS of its scheduler.</remarks>
internal sealed partial class DrMemtraceSource : ITraceSource
{
    private readonly IReadOnlyList<(string Name, DrMemtraceFile File)> _files;
    private readonly DrClock _clock;
    private readonly string _name;
    private readonly DrLanes _lanes;
    private readonly Queue<DrPage> _pages;
    private readonly PriorityQueue<int, (ulong Timestamp, int File)> _waiting = new();
    private int _running = -1;
    private ulong _records;

    /// <summary>Files with their clock, which they share; all are owned.</summary>
    /// <exception cref="TraceFormatException">They do not belong together.</exception>
    public DrMemtraceSource(IReadOnlyList<(string Name, DrMemtraceFile File)> files, DrClock clock, string name, DrLanes lanes, IReadOnlyList<DrPage> pages)
    {
        (_files, _clock, _name, _lanes, _pages) = (files, clock, name, lanes, new Queue<DrPage>(pages));
        DrMemtraceFile first = files[0].File;
        for (int i = 0; i < files.Count; i++)
        {
            DrMemtraceFile file = files[i].File;
            if (file.Version != first.Version || (file.Type & DrFileType.Architecture) != (first.Type & DrFileType.Architecture))
            {
                throw new TraceFormatException(
                    files[i].Name,
                    "offset 0",
                    $"version {first.Version}, {Architecture(first.Type)}, as in {files[0].Name}",
                    $"version {file.Version}, {Architecture(file.Type)}",
                    "Files of different recordings lie in one folder; sort them out.");
            }

            _waiting.Enqueue(i, (file.Timestamp, i));
        }

        Header = new TraceHeader(lanes == DrLanes.Files ? files.Count : 1, Folded: false, "1/1", Properties(first)) { Doubts = [.. Doubts(files)] };
    }

    /// <inheritdoc/>
    public TraceHeader Header { get; }

    /// <inheritdoc/>
    public bool Read(TraceBlock block)
    {
        block.Clear();
        block.FirstRecord = _records;
        block.Lane = 0;
        while (_pages.Count > 0 && block.EventCount < TraceBlock.MaxEvents)
        {
            DrPage page = _pages.Dequeue();
            block.AddEvent(TraceEvent.PageSizes(0, 0, 0, page.Address, page.Bytes, 0));
        }

        if (block.EventCount == 0)
        {
            Fill(block);
        }

        _records += (ulong)block.RecordCount;
        if (_records == 0)
        {
            throw new TraceFormatException(_name, "its end", "at least one access", "none", "Record again.");
        }

        return block.RecordCount > 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((string _, DrMemtraceFile file) in _files)
        {
            file.Dispose();
        }
    }

    private static string Architecture(DrFileType type) => (type & DrFileType.Architecture) switch
    {
        DrFileType.X64 => "x86-64",
        DrFileType.Aarch64 => "AArch64",
        DrFileType.None => "an architecture that is not told",
        _ => "several architectures",
    };

    private static IEnumerable<Doubt> Doubts(IReadOnlyList<(string Name, DrMemtraceFile File)> files)
    {
        DrFileType all = files.Aggregate(DrFileType.None, (types, file) => types | file.File.Type);
        if ((all & (DrFileType.Filtered | DrFileType.FetchesFiltered | DrFileType.DataFiltered)) != 0)
        {
            string what = (all & DrFileType.FetchesFiltered) != 0 && (all & DrFileType.DataFiltered) == 0 ? "fetches" : (all & DrFileType.DataFiltered) != 0 && (all & DrFileType.FetchesFiltered) == 0 ? "data accesses" : "accesses";
            yield return new Doubt(DoubtKind.DataLoss, $"the trace was filtered while it was recorded: {what} that hit in the tracer's own first-level cache are missing, which a TLB would have seen");
        }

        if ((all & DrFileType.InstructionsOnly) != 0)
        {
            yield return new Doubt(DoubtKind.DataLoss, "the trace has no data accesses");
        }

        if ((all & DrFileType.Aarch64) != 0)
        {
            yield return new Doubt(DoubtKind.Other, "the program ran on AArch64, and is replayed as if its addresses were a program's on x86");
        }

        yield return new Doubt(DoubtKind.Clock, "the program's time is a count of instructions, 1/1 cycles each");
    }

    [GeneratedRegex(@"^drmemtrace\.(?<program>.+?)\.\d+\.\d+\.(?:mem)?trace")]
    private static partial Regex FileName { get; }

    private SortedDictionary<string, string> Properties(DrMemtraceFile first)
    {
        SortedDictionary<string, string> properties = new(StringComparer.Ordinal)
        {
            ["source"] = "drmemtrace",
            ["tracer"] = string.Create(CultureInfo.InvariantCulture, $"DynamoRIO drmemtrace, format version {first.Version}"),
            ["architecture"] = Architecture(first.Type),
            ["page-crossing accesses"] = "split in two",
            ["kernel"] = first.Type.HasFlag(DrFileType.WholeSystem) ? "whole system" : first.Type.HasFlag(DrFileType.KernelSyscalls) ? "system calls" : "not recorded",
            [first.Type.HasFlag(DrFileType.CoreSharded) ? "cores" : "threads"] = _files.Count.ToString(CultureInfo.InvariantCulture),
        };
        if (FileName.Match(Path.GetFileName(_files[0].Name)) is { Success: true } match)
        {
            properties["program"] = match.Groups["program"].Value;
        }

        if (first.PageSize != 0)
        {
            properties["base page size"] = string.Create(CultureInfo.InvariantCulture, $"{first.PageSize} (recorded)");
        }

        if (_pages.Count > 0)
        {
            properties[TraceHeader.PageSizesOf(MapTable.L0)] = TraceHeader.Recorded;
        }

        if (_files.Any(file => file.File.HasPhysicalAddresses))
        {
            properties["physical addresses"] = "recorded, not read";
        }

        return properties;
    }

    private void Fill(TraceBlock block)
    {
        while (_running >= 0 || _waiting.TryDequeue(out _running, out _))
        {
            int lane = _lanes == DrLanes.Files ? _running : 0;
            if (block.RecordCount > 0 && block.Lane != lane)
            {
                return;
            }

            block.Lane = lane;
            DrMemtraceFile file = _files[_running].File;
            if (block.EventCount == TraceBlock.MaxEvents)
            {
                return;
            }

            _clock.EnterProcess(block, file.Process);
            switch (file.Read(block))
            {
                case DrPause.BlockFull:
                    return;
                case DrPause.Timestamp:
                    _waiting.Enqueue(_running, (file.Timestamp, _running));
                    _running = -1;
                    break;
                default:
                    _running = -1;
                    break;
            }
        }

        _running = -1;
    }
}
