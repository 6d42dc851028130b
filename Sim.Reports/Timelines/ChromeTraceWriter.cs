using System.Globalization;
using System.Text.Json;
using Sim.Core;
using Sim.Core.Files;
using Sim.Reports.Views;

namespace Sim.Reports.Timelines;

/// <summary>
/// Writes a timeline in the Trace Event Format (JSON object format) that Perfetto's UI and chrome://tracing open: threads with slices, instants, counters and flows.
/// Events go to the disk as they come, so memory does not grow. The file appears whole or not at all.
/// </summary>
/// <remarks>Source: "Trace Event Format", Google, section "JSON Object Format". Timestamps are microseconds; the exact reference cycle is in each event's arguments.</remarks>
public sealed class ChromeTraceWriter : IDisposable
{
    private const int Process = 1;
    private const int FlushAt = 1 << 16;

    private readonly long _kilohertz;
    private readonly OutputFile _output;
    private readonly Stream _file;
    private readonly Utf8JsonWriter _json;
    private NestsimException? _failure;

    /// <summary>Begins a file.</summary>
    /// <param name="path">Its name; it is written under another one beside it until it is complete.</param>
    /// <param name="title">Name of the process in the viewer.</param>
    /// <param name="kilohertz">Frequency of the reference clock.</param>
    /// <exception cref="ConfigurationException">It cannot be written.</exception>
    /// <param name="inputs">Files that are read for it: it must be none of them.</param>
    public ChromeTraceWriter(string path, string title, long kilohertz, params IEnumerable<string> inputs)
    {
        _kilohertz = kilohertz;
        _output = OutputFile.Check(path, "timeline", inputs);
        _file = _output.Open();
        _json = new Utf8JsonWriter(_file, new JsonWriterOptions { SkipValidation = true });
        _json.WriteStartObject();
        _json.WriteString("displayTimeUnit", "ns");
        _json.WriteStartArray("traceEvents");
        Metadata("process_name", 0, title);
    }

    /// <summary>Something is there already that the file will take the place of.</summary>
    public bool Replaces => !_output.IsInPlace && File.Exists(_output.Path);

    /// <summary>Names a thread; threads are shown in the order of their numbers.</summary>
    public void Thread(int thread, string name) => Metadata("thread_name", thread, name);

    /// <summary>A stretch of time on a thread.</summary>
    /// <param name="thread">The thread.</param>
    /// <param name="name">What is written on it.</param>
    /// <param name="category">For the viewer's filters.</param>
    /// <param name="from">First cycle.</param>
    /// <param name="to">Cycle behind the last one.</param>
    /// <param name="arguments">Details.</param>
    public void Slice(int thread, string name, string category, ulong from, ulong to, params IReadOnlyList<(string Name, string Value)> arguments)
    {
        Begin("X", thread, name, category, from);
        _json.WritePropertyName("dur");
        // The difference of what is written, so that a slice ends exactly where the next one begins.
        _json.WriteRawValue(Text(Microseconds(to) - Microseconds(from)));
        Arguments(from, arguments);
        End();
    }

    /// <summary>A moment on a thread.</summary>
    public void Instant(int thread, string name, string category, ulong at, params IReadOnlyList<(string Name, string Value)> arguments)
    {
        Begin("i", thread, name, category, at);
        _json.WriteString("s", "t");
        Arguments(at, arguments);
        End();
    }

    /// <summary>A moment on all threads.</summary>
    public void Moment(int thread, string name, string category, ulong at)
    {
        Begin("i", thread, name, category, at);
        _json.WriteString("s", "g");
        Arguments(at, []);
        End();
    }

    /// <summary>Values of a counter from now on, stacked in the viewer.</summary>
    public void Counter(string name, ulong at, params IReadOnlyList<(string Name, long Value)> values)
    {
        Begin("C", 0, name, "counter", at);
        _json.WriteStartObject("args");
        foreach ((string series, long value) in values)
        {
            _json.WriteNumber(InertText.OneLine(series), value);
        }

        _json.WriteEndObject();
        End();
    }

    /// <summary>An arrow begins in the slice that is on the thread at that moment.</summary>
    /// <param name="thread">The thread.</param>
    /// <param name="name">The same at both ends.</param>
    /// <param name="id">The same at both ends, and unique.</param>
    /// <param name="at">The moment.</param>
    public void FlowBegins(int thread, string name, long id, ulong at) => Flow("s", thread, name, id, at);

    /// <summary>An arrow ends in the slice that is on the thread at that moment.</summary>
    public void FlowEnds(int thread, string name, long id, ulong at) => Flow("f", thread, name, id, at);

    /// <summary>Ends the file and gives it its name.</summary>
    /// <exception cref="ConfigurationException">It cannot be written, now or since some event before: what is simulated does not stop for that.</exception>
    public void Complete()
    {
        if (_failure is not null)
        {
            throw _failure;
        }

        _json.WriteEndArray();
        _json.WriteEndObject();
        _json.Flush();
        _file.WriteByte((byte)'\n');
        _output.Commit();
    }

    /// <summary>Removes what was written unless it was completed.</summary>
    public void Dispose()
    {
        _json.Reset();
        _json.Dispose();
        _output.Dispose();
    }

    private void Flow(string phase, int thread, string name, long id, ulong at)
    {
        Begin(phase, thread, name, "flow", at);
        _json.WriteNumber("id", id);
        if (phase == "f")
        {
            _json.WriteString("bp", "e");
        }

        End();
    }

    private void Metadata(string what, int thread, string name)
    {
        _json.WriteStartObject();
        _json.WriteString("ph", "M");
        _json.WriteNumber("pid", Process);
        _json.WriteNumber("tid", thread);
        _json.WriteString("name", what);
        _json.WriteStartObject("args");
        _json.WriteString("name", InertText.OneLine(name));
        _json.WriteEndObject();
        End();
    }

    private void Begin(string phase, int thread, string name, string category, ulong at)
    {
        _json.WriteStartObject();
        _json.WriteString("ph", phase);
        _json.WriteNumber("pid", Process);
        _json.WriteNumber("tid", thread);
        _json.WritePropertyName("ts");
        _json.WriteRawValue(Text(Microseconds(at)));
        _json.WriteString("name", InertText.OneLine(name));
        _json.WriteString("cat", category);
    }

    private void Arguments(ulong at, IReadOnlyList<(string Name, string Value)> arguments)
    {
        _json.WriteStartObject("args");
        _json.WriteNumber("cycle", at);
        foreach ((string name, string value) in arguments)
        {
            _json.WriteString(name, InertText.OneLine(value));
        }

        _json.WriteEndObject();
    }

    private void End()
    {
        _json.WriteEndObject();
        if (_failure is not null)
        {
            _json.Reset();
        }
        else if (_json.BytesPending > FlushAt)
        {
            try
            {
                _json.Flush();
            }
            catch (NestsimException e)
            {
                _failure = e;
                _json.Reset();
            }
        }
    }

    /// <summary>Microseconds to the picosecond, the same on every machine.</summary>
    private decimal Microseconds(ulong cycles) => Math.Round(cycles * 1000m / _kilohertz, 6, MidpointRounding.ToEven);

    private static string Text(decimal microseconds) => microseconds.ToString("0.######", CultureInfo.InvariantCulture);
}
