using System.Globalization;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;

namespace Sim.Workloads.Importers;

/// <summary>
/// A folder as <c>drrun -t drmemtrace -offline</c> and raw2trace leave it: a file for each thread, in it or in its folder trace, maybe with v2p.textproto, which tells page sizes.
/// </summary>
internal static class DrMemtraceFolder
{
    private const string MappingFile = "v2p.textproto";
    private const string MappingPageSize = "page_size";
    private const string MappingAddress = "virtual_address";

    /// <summary>True if a folder has files of a drmemtrace recording, made ready or not.</summary>
    public static bool IsOne(string path) => Directory.Exists(path) && (Files(path).Count > 0 || HasRaw(path));

    /// <summary>Opens all its files.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="lanes">How they become lanes.</param>
    /// <param name="inputs">The files as they lie there, in order, for their checksums.</param>
    /// <exception cref="ConfigurationException">The folder has no such files, or they may not be read.</exception>
    /// <exception cref="TraceFormatException">They are damaged, or do not belong together.</exception>
    public static ITraceSource Open(string path, DrLanes lanes, out IReadOnlyList<(string Name, TraceInput Input)> inputs)
    {
        IReadOnlyList<string> names = Files(path);
        if (names.Count == 0)
        {
            throw new ConfigurationException(HasRaw(path)
                ? $"The folder '{path}' has what DynamoRIO recorded and not yet the trace. Make it: drrun -t drmemtrace -indir '{path}'."
                : $"The folder '{path}' has no files of a drmemtrace recording (*.trace.zip and the like), and no other trace is a folder. Give the path of a trace file.");
        }

        DrClock clock = new();
        List<(string Name, TraceInput Input)> raw = [];
        List<(string Name, DrMemtraceFile File)> files = [];
        try
        {
            foreach (string name in names)
            {
                raw.Add((name, new TraceInput(TraceFile.OpenFile(name), name, hashed: true)));
                files.Add((name, new DrMemtraceFile(TraceFile.Unwrap(raw[^1].Input, name, out _), name, clock)));
            }

            inputs = raw;
            return new DrMemtraceSource(files, clock, path, lanes, Pages(path));
        }
        catch
        {
            foreach ((string _, TraceInput input) in raw)
            {
                input.Dispose();
            }

            throw;
        }
    }

    private static bool HasRaw(string path) => Directory.Exists(Path.Combine(path, "raw"));

    /// <summary>The trace files, in ordinal order of their names: what is neither a schedule nor a list.</summary>
    private static IReadOnlyList<string> Files(string path)
    {
        string trace = Path.Combine(path, "trace");
        string folder = Directory.Exists(trace) ? trace : path;
        return
        [
            .. Directory.GetFiles(folder).Where(file => Path.GetFileName(file) is var name && (name.Contains(".trace", StringComparison.Ordinal) || name.Contains(".memtrace", StringComparison.Ordinal)))
                .Order(StringComparer.Ordinal),
        ];
    }

    /// <summary>The pages of which v2p.textproto tells a size, in its order.</summary>
    private static List<DrPage> Pages(string path)
    {
        string? file = new[] { path, Path.Combine(path, "trace"), Path.Combine(path, "raw") }.Select(folder => Path.Combine(folder, MappingFile)).FirstOrDefault(File.Exists);
        List<ulong> addresses = [];
        ulong size = 0;
        int number = 0;
        foreach (string line in file is null ? [] : File.ReadLines(file))
        {
            number++;
            string[] words = line.Split(':', StringSplitOptions.TrimEntries);
            if (words is not [MappingPageSize or MappingAddress, _])
            {
                continue;
            }

            bool hex = words[1].StartsWith("0x", StringComparison.OrdinalIgnoreCase);
            if (!ulong.TryParse(hex ? words[1].AsSpan(2) : words[1], hex ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture, out ulong value)
                || (words[0] == MappingPageSize && (value is not (1 << 12 or 1 << 21 or 1 << 30) || (size != 0 && size != value))))
            {
                throw new TraceFormatException(file!, string.Create(CultureInfo.InvariantCulture, $"line {number}"), "a number; of page_size one of 4096, 2097152, 1073741824", $"'{words[1]}'", "The file is damaged.");
            }

            if (words[0] == MappingPageSize)
            {
                size = value;
            }
            else
            {
                addresses.Add(value);
            }
        }

        return size == 0 ? [] : [.. addresses.Select(address => new DrPage(address & ~(size - 1), size)).Distinct()];
    }
}
