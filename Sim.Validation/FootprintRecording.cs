using System.Security.Cryptography;
using Sim.Captures.Ftrace;
using Sim.Captures.HwLog;
using Sim.Core.Files;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Core;
using Sim.Workloads.Footprints;
using Sim.Workloads.Formats;

namespace Sim.Validation;

/// <summary>A recording of nested guests with memory accesses: a memory window of a hardware capture, or a nested trace. It can be read again and again.</summary>
/// <param name="Name">For tables and errors.</param>
/// <param name="Lanes">Lanes of its trace.</param>
/// <param name="WriteTo">Writes the whole trace into a sink.</param>
public sealed record FootprintRecording(string Name, int Lanes, Action<ITraceSink> WriteTo)
{
    /// <summary>A recording in a file; <paramref name="progress"/> is told now and then how many more lines of a capture were read.</summary>
    /// <exception cref="ConfigurationException">There is no such file, or it is standard input.</exception>
    /// <exception cref="TraceFormatException">It is neither a hardware capture nor a trace.</exception>
    public static FootprintRecording Open(string path, Action<long>? progress = null)
    {
        if (path == "-")
        {
            throw new ConfigurationException("A recording is read more than once, and a pipe can be read only once. Save it to a file and name that.");
        }

        string name = Path.GetFileName(path);
        if (CaptureText.IsHardwareCapture(path))
        {
            using HwLogReader reader = OpenLog();
            int lanes = Lift.HeaderOf(reader, name).Lanes;
            return new FootprintRecording(name, lanes, sink => Lift.Run(OpenLog, sink, lanes));
        }

        using TraceFile trace = TraceFile.Open(path);
        return new FootprintRecording(name, trace.Header.Lanes, Copy);

        HwLogReader OpenLog() => new(CaptureText.Open(path), path, progress);

        void Copy(ITraceSink sink)
        {
            using TraceFile source = TraceFile.Open(path);
            TraceBlock block = new();
            while (source.Read(block))
            {
                sink.Write(block);
            }
        }
    }

    /// <summary>Learns a model from files, of which some were recorded without tracing.</summary>
    /// <exception cref="ConfigurationException">One of them has no whole stay of a hypervisor with memory accesses.</exception>
    public static FootprintModel Learn(
        IReadOnlyList<string> paths, IReadOnlyCollection<string> untraced, string name, string summary, Vendor vendor, string kernel, Action<long>? progress = null)
    {
        FootprintLearner learner = new();
        List<FootprintSource> sources = [];
        foreach (string path in paths)
        {
            FootprintRecording recording = Open(path, progress);
            recording.WriteTo(learner.Window(recording.Lanes, untraced.Contains(path)));
            (long nested, long stays) = learner.Counts[^1];
            if (stays == 0)
            {
                throw new ConfigurationException($"'{path}' has no memory accesses of L0 or L1 between two transitions: nothing can be learned from it. Take a memory window or a nested trace.");
            }

            using FileStream file = InputFile.OpenNamed(path, "recording", "Give the path of a recording.");
            sources.Add(new FootprintSource(recording.Name, Convert.ToHexStringLower(SHA256.HashData(file)), nested, stays));
        }

        return learner.Learn(name, summary, vendor, kernel, sources);
    }
}
