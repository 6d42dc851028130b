using Sim.Captures;
using Sim.Core;
using Sim.Core.Files;
using Sim.Core.Traces;
using Sim.Workloads.Footprints;
using Sim.Workloads.Formats;

namespace Sim.Experiments;

/// <summary>The traces that a request's file becomes: itself, or lifted, and woven with each program where it has no memory accesses. Temporary files are gone when it is disposed.</summary>
internal sealed class AdviceInput : IDisposable
{
    /// <summary>The models of Linux 6.12 on VMX stand for all: they are the only ones that were learnt so far.</summary>
    private const string DefaultFootprints = "kvm-6.12-vmx";

    /// <summary>Most accesses of L2's program in all; divided by its stays, it limits each.</summary>
    private const ulong ProgramAccesses = 4_000_000;

    private const ulong MostInOneStay = 20_000;
    private const ulong LeastInOneStay = 50;

    private readonly List<(string Path, string Name)> _traces = [];
    private string? _folder;

    private AdviceInput()
    {
    }

    /// <summary>Traces to replay, and what to call them.</summary>
    public IReadOnlyList<(string Path, string Name)> Traces => _traces;

    /// <summary>The footprints that were woven in; null if the input has accesses of its own.</summary>
    public string? Footprints { get; private set; }

    /// <summary>The header of the first trace.</summary>
    public TraceHeader Header { get; private set; } = TraceHeader.Default;

    /// <summary>Makes the traces.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="kilohertz">The reference clock of the CPU for a trace's header.</param>
    /// <exception cref="ConfigurationException">The file is not there, or holds nothing to replay.</exception>
    /// <exception cref="TraceFormatException">It is damaged, or neither a trace nor a recording.</exception>
    public static AdviceInput Of(AdviceRequest request, Func<TraceHeader, long> kilohertz)
    {
        if (request.Path == "-")
        {
            throw new ConfigurationException("Advice reads its input more than once, and a pipe can be read only once. Save it to a file and name that.");
        }

        if (!File.Exists(request.Path))
        {
            throw new ConfigurationException($"There is no file '{request.Path}'. Give the path of a trace or of a recording of KVM (docs/advise.md).");
        }

        AdviceInput input = new();
        try
        {
            input.Make(request, kilohertz);
            return input;
        }
        catch
        {
            input.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_folder is not null)
        {
            Directory.Delete(_folder, recursive: true);
            Unfinished.Remove(_folder);
        }
    }

    private void Make(AdviceRequest request, Func<TraceHeader, long> kilohertz)
    {
        string name = Path.GetFileName(request.Path);
        string path = TraceFile.IsTrace(request.Path) ? request.Path : Lifted(request.Path);
        (ulong accesses, ulong l2Stays, ulong transitions) = Count(path);
        if (transitions == 0)
        {
            throw new ConfigurationException(
                $"{request.Path} has no VM-entry or VM-exit: a flush policy decides nothing in it. Weave it as L2 of a nested guest first (nestsim trace weave), or give a recording of KVM (docs/advise.md).");
        }

        if (accesses > 0)
        {
            using TraceFile trace = TraceFile.Open(path);
            Header = trace.Header;
            _traces.Add((path, name));
            return;
        }

        FootprintModel model = FootprintLibrary.Read(request.Footprints ?? DefaultFootprints);
        Footprints = model.Name;
        TraceHeader events;
        using (TraceFile lifted = TraceFile.Open(path))
        {
            events = lifted.Header;
        }

        FootprintWeaveOptions options = new() { L2Limit = Math.Clamp(ProgramAccesses / Math.Max(l2Stays, 1), LeastInOneStay, MostInOneStay) };
        if (events.RealKilohertz is { } real)
        {
            options = options with { Cycles = (ulong)kilohertz(events), Ticks = (ulong)real };
        }

        foreach (string program in request.Programs.Count > 0 ? request.Programs : ProgramLibrary.Names)
        {
            string found = ProgramLibrary.Find(program);
            string woven = Temporary($"{_traces.Count}.nst");
            TraceHeader header;
            using (TraceFile l2 = TraceFile.Open(found))
            {
                header = FootprintWeaver.Header(events, model, l2.Header, options);
            }

            using TraceFileWriter writer = TraceFile.CreateDraft(woven, header);
            FootprintWeaveSummary summary = FootprintWeaver.Weave(() => TraceFile.Open(path), () => TraceFile.Open(found), model, options, writer);
            writer.Complete(summary.Doubts);
            _traces.Add((woven, $"{name} with {Path.GetFileName(program)}"));
            Header = header;
        }
    }

    private string Lifted(string recording)
    {
        string trace = Temporary("lifted.nst");
        using LiftedRecording lifted = LiftedRecording.Of(recording, trace);
        lifted.Complete();
        return trace;
    }

    private static (ulong Accesses, ulong L2Stays, ulong Transitions) Count(string path)
    {
        (ulong accesses, ulong l2Stays, ulong transitions) = (0, 0, 0);
        using TraceFile trace = TraceFile.Open(path);
        TraceBlock block = new();
        while (trace.Read(block))
        {
            accesses += (ulong)block.AccessCount;
            for (int e = 0; e < block.EventCount; e++)
            {
                bool isEntry = block.Events[e].Kind == RecordKind.VmEnter;
                transitions += isEntry || block.Events[e].Kind == RecordKind.VmExit ? 1UL : 0;
                l2Stays += isEntry && block.Events[e].Transition == TransitionKind.L0ToL2 ? 1UL : 0;
            }
        }

        return (accesses, l2Stays, transitions);
    }

    private string Temporary(string name)
    {
        if (_folder is null)
        {
            _folder = Directory.CreateTempSubdirectory("nestsim-advise-").FullName;
            Unfinished.Add(_folder);
        }

        return Path.Combine(_folder, name);
    }
}
