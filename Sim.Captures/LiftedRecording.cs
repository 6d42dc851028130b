using Sim.Captures.Ftrace;
using Sim.Captures.HwLog;
using Sim.Core;
using Sim.Core.Files;
using Sim.Core.Traces;
using Sim.Workloads.Formats;

namespace Sim.Captures;

/// <summary>A recording of a real hypervisor that was lifted into a trace file, of whichever kind it is. The file appears when <see cref="Complete"/> is called; disposed before that, it leaves nothing behind.</summary>
public sealed class LiftedRecording : IDisposable
{
    private const string AsRecordedProperty = "as_recorded";

    private readonly TraceFileWriter _writer;

    private LiftedRecording(TraceFileWriter writer) => _writer = writer;

    /// <summary>What came out of a hardware log; null if the recording is kernel events.</summary>
    public LiftResult? Hardware { get; private set; }

    /// <summary>What came out of kernel events; null if the recording is a hardware log.</summary>
    public TracepointLiftResult? Kernel { get; private set; }

    /// <summary>What the trace rests on that the recording does not say.</summary>
    public IReadOnlyList<Doubt> Doubts => Hardware?.Doubts ?? Kernel!.Doubts;

    /// <summary>Lifts. A list of page sizes beside a memory window is read with it.</summary>
    /// <param name="recording">Path of the recording: a hardware log, or kernel events as text. It is read more than once, so it cannot be a pipe.</param>
    /// <param name="output">Path of the trace.</param>
    /// <param name="format">Format of the trace; null: by its name.</param>
    /// <param name="asRecorded">L0's own flushes, and the VPID and EPTP of each entry, stay in the trace.</param>
    /// <param name="progress">Told how many more lines were read.</param>
    /// <exception cref="ConfigurationException">The recording is not there, or has no operands to keep as recorded.</exception>
    /// <exception cref="TraceFormatException">It is damaged, of no known kind, or there is nothing in it to lift.</exception>
    public static LiftedRecording Of(string recording, string output, string? format = null, bool asRecorded = false, Action<long>? progress = null)
    {
        if (CaptureText.KindOf(recording, recording) == CaptureKind.Hardware)
        {
            return OfHardware(recording, output, format, asRecorded, progress);
        }

        return !asRecorded ? OfKernelEvents(recording, output, format, progress) : throw new ConfigurationException(
            $"--as-recorded: '{recording}' holds kernel events, which do not say what VPIDs, EPT pointers and addresses the hardware got. Lift it without, or lift a hardware capture.");
    }

    /// <summary>Ends the trace, with its doubts in the header; it and the files that are told here appear together.</summary>
    public void Complete(params IReadOnlyList<OutputFile> together) => _writer.Complete(Doubts, together);

    /// <inheritdoc/>
    public void Dispose() => _writer.Dispose();

    private static LiftedRecording OfHardware(string recording, string output, string? format, bool asRecorded, Action<long>? progress)
    {
        IReadOnlyList<ListedPage>? pageSizes = PageSizeList.Beside(recording) is { } list ? PageSizeList.Read(list) : null;
        TraceHeader header;
        using (HwLogReader reader = Open())
        {
            header = Lift.HeaderOf(reader, Path.GetFileName(recording), pageSizes is not null);
        }

        header = asRecorded ? header with { Properties = new SortedDictionary<string, string>(header.Properties.ToDictionary(), StringComparer.Ordinal) { [AsRecordedProperty] = "yes" } } : header;
        return Written(
            TraceFile.CreateDraft(output, header, format, recording),
            lifted => lifted.Hardware = Lift.Run(Open, lifted._writer, header.Lanes, asRecorded, pageSizes: pageSizes));

        HwLogReader Open() => new(CaptureText.Open(recording), recording, progress);
    }

    private static LiftedRecording OfKernelEvents(string recording, string output, string? format, Action<long>? progress)
    {
        KernelSurvey survey;
        using (TracepointReader reader = Open())
        {
            survey = KernelSurvey.Of(reader);
        }

        using TracepointReader events = Open();
        return Written(
            TraceFile.CreateDraft(output, TracepointLift.HeaderOf(survey, Path.GetFileName(recording)), format, recording),
            lifted => lifted.Kernel = TracepointLift.Run(events, survey, lifted._writer));

        TracepointReader Open() => new(CaptureText.Open(recording), recording, progress);
    }

    private static LiftedRecording Written(TraceFileWriter writer, Action<LiftedRecording> lift)
    {
        LiftedRecording lifted = new(writer);
        try
        {
            lift(lifted);
            return lifted;
        }
        catch
        {
            lifted.Dispose();
            throw;
        }
    }
}
