using System.Diagnostics;
using System.Globalization;
using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Kvm;
using Sim.Reports.Results;
using Sim.Reports.Timelines;
using Sim.Workloads.Formats;

namespace Sim.Experiments;

/// <summary>
/// Runs every policy of a configuration, on each of its machines, over one trace. Each block is decoded once and replayed by all; results are the same, byte for
/// byte, for any number of jobs.
/// </summary>
public sealed class Experiment
{
    private const int BatchBlocks = 4;

    private readonly RunConfiguration _configuration;
    /// <summary>Physical CPUs that all runs of an experiment simulate together at most: half a MiB each, and their statistics.</summary>
    private const int MostCpus = 1_536;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly Func<TraceHeader, CancellationToken, Func<RunPlan, IReplay>> _machines;

    /// <summary>An experiment with the real machine.</summary>
    public Experiment(RunConfiguration configuration)
    {
        _configuration = configuration;
        _machines = (trace, breakOff) => plan =>
        {
            MachineSpec machine = plan.Variant.Machine with { RemoteFlushesRecorded = trace.RecordsRemoteFlushes };
            if (plan.Delivery is { } delivery)
            {
                return Timeline is null ? new DeliveringReplay(machine, plan.Policy, delivery, plan.Variant.Interrupts, trace.Lanes, breakOff)
                    : throw new ConfigurationException("A timeline shows the records of the trace at their times, and interrupt paths move them. Leave --timeline or the interrupt path out.");
            }

            Machine Make(Action<IssuedInvalidation>? observer) => new(machine, Components.Policy(plan.Policy, machine.Profile.Vendor), configuration.Replay, trace.Lanes, observer);
            return Timeline is { } timeline ? new TimelineReplay(Make, configuration, trace.Lanes, timeline) : new MachineReplay(Make(null));
        };
    }

    /// <summary>An experiment with other machines: trace, then policy, to machine.</summary>
    internal Experiment(RunConfiguration configuration, Func<TraceHeader, Func<string, IReplay>> machines)
    {
        _configuration = configuration;
        _machines = (trace, _) =>
        {
            Func<string, IReplay> machine = machines(trace);
            return plan => machine(plan.Policy);
        };
    }

    /// <summary>Threads over runs. With more than one, the next blocks are decoded meanwhile.</summary>
    public int Jobs { get; init; } = 1;

    /// <summary>Told after every few blocks how many records were replayed, and which share of all that is (0 to 1; null if nobody can say).</summary>
    public Action<ulong, double?>? Progress { get; init; }

    /// <summary>Where the only policy's measured window is written down, event by event; null for nowhere. The caller completes it.</summary>
    public ChromeTraceWriter? Timeline { get; init; }

    /// <summary>A trace that no machine can have made is replayed all the same; its results say so. Otherwise it is refused at the first such record.</summary>
    public bool Unverified { get; init; }

    /// <summary>The command as typed, for provenance.</summary>
    public string CommandLine { get; init; } = "";

    /// <summary>Replays a trace file, or standard input if the path is "-".</summary>
    /// <param name="path">Path of the trace.</param>
    /// <param name="cancellation">Stops the run; the result is then partial.</param>
    /// <exception cref="ConfigurationException">The windows do not fit the trace, or a policy does not fit the machine.</exception>
    /// <exception cref="TraceFormatException">The trace is damaged.</exception>
    public RunSet Run(string path, CancellationToken cancellation = default)
    {
        ulong? total = null;
        if (_configuration.Windows.NeedTotal)
        {
            if (path == "-")
            {
                throw new ConfigurationException("A window given in percent needs the number of records, which a pipe does not tell beforehand. Use a count or until:MARK, or read the trace from a file.");
            }

            total = CountRecords(path, cancellation);
        }

        using TraceFile trace = TraceFile.Open(path);
        double? bytes = File.Exists(path) ? new FileInfo(path).Length : null;
        return Run(trace, trace.Name, trace.Format, WholeHash, total, () => trace.BytesRead / bytes, cancellation);

        string? WholeHash()
        {
            trace.ReadRest(cancellation);
            return trace.Sha256;
        }
    }

    /// <summary>Replays a trace from any source.</summary>
    /// <param name="source">The trace at its first block.</param>
    /// <param name="name">Its name in the results.</param>
    /// <param name="totalRecords">Records in it, if known; needed for windows in percent.</param>
    /// <param name="cancellation">Stops the run; the result is then partial.</param>
    public RunSet Run(ITraceSource source, string name, ulong? totalRecords = null, CancellationToken cancellation = default) =>
        Run(source, name, "memory", () => null, totalRecords, () => null, cancellation);

    private RunSet Run(ITraceSource source, string name, string format, Func<string?> sha256, ulong? total, Func<double?> shareOfFile, CancellationToken cancellation)
    {
        Windows windows = _configuration.Windows;
        if (windows.NeedTotal)
        {
            windows = windows.Resolve(total ?? throw new ConfigurationException("A window given in percent needs the number of records. Use a count or until:MARK."));
        }

        string path = name;
        name = Path.GetFileName(path);
        _configuration.CheckVendor(source.Header, name);
        if ((long)source.Header.Lanes * _configuration.RunCount is > MostCpus and var cpus)
        {
            throw new ConfigurationException(
                $"{name} has {source.Header.Lanes} lanes, so that {(_configuration.RunCount == 1 ? "this run" : $"these {_configuration.RunCount} runs together")} would simulate {cpus} CPUs, more than {MostCpus}. Replay a trace with fewer lanes, or fewer policies at once.");
        }

        DateTime started = DateTime.UtcNow;
        long clock = Stopwatch.GetTimestamp();
        WindowCursor cursor = new(windows);
        // A stop waits for the block that is being replayed, so that all runs end at one record; but not for one that takes long.
        using CancellationTokenSource breakOff = new();
        using CancellationTokenRegistration stop = cancellation.Register(() => breakOff.CancelAfter(Patience));
        Func<RunPlan, IReplay> machine = _machines(source.Header, breakOff.Token);
        PolicyRun[] runs = [.. _configuration.Variants.SelectMany(variant => Cases(variant)).Select(plan => new PolicyRun(plan, machine, windows.Interval))];
        if (Timeline is not null && runs.Length > 1)
        {
            throw new ConfigurationException($"A timeline shows one run, and this experiment has {runs.Length}. Name one policy, one seed and one machine.");
        }

        TraceCounts replayed = new();
        CpuProfile profile = _configuration.Machine.Profile;
        WindowRoundTrips roundTrips = new(profile.Vendor, source.Header.Lanes);
        ReplayVerification verification = new(path, source.Header.Lanes, Unverified);
        bool interrupted = Replay(source, cursor, verification, runs, replayed, roundTrips, records => windows.Records is { } all ? (double)records / all : shareOfFile(), cancellation);
        if (!interrupted && cursor.Shortage() is { } shortage)
        {
            throw new ConfigurationException($"{name}: {shortage}.");
        }

        RunResult[] results = [.. runs.Select(run => verification.Judged(run.Finish(replayed)))];
        double seconds = Stopwatch.GetElapsedTime(clock).TotalSeconds;
        Provenance provenance = new(
            ToolInfo.Version,
            _configuration.Machine.Profile.Name,
            _configuration.Reference,
            _configuration.Hash,
            _configuration.Json,
            _configuration.Origins,
            new TraceIdentity(name, format, sha256(), source.Header.Lanes, source.Header.Folded, source.Header.Properties),
            replayed.Windows)
        {
            Doubts = [.. verification.Doubts, .. ResultDoubts.Of(source.Header, _configuration)],
            Base = roundTrips.Base(profile, source.Header),
        };
        Session session = new(
            CommandLine,
            started.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture),
            ToolInfo.Runtime,
            ToolInfo.OperatingSystem,
            ToolInfo.Cpu,
            Jobs,
            Math.Round(seconds, 6),
            Math.Round(replayed.Records * (ulong)runs.Length / Math.Max(seconds, 1e-9)),
            PeakMemory());
        return new RunSet(interrupted, provenance, results, session);
    }

    /// <summary>Replays the trace through all runs and counts what was replayed; true if it was stopped before its end.</summary>
    private bool Replay(ITraceSource source, WindowCursor cursor, ReplayVerification verification, PolicyRun[] runs, TraceCounts replayed, WindowRoundTrips roundTrips, Func<ulong, double?> share, CancellationToken cancellation)
    {
        DecodedBlock[] now = Batch();
        DecodedBlock[] next = Jobs > 1 ? Batch() : now;
        ParallelOptions options = new() { MaxDegreeOfParallelism = Math.Max(1, Jobs) };
        ulong records = 0;
        int filled = Fill(now, source, cursor, verification);
        while (filled > 0)
        {
            if (cancellation.IsCancellationRequested)
            {
                return true;
            }

            int ready = filled;
            DecodedBlock[] blocks = now;
            if (Jobs > 1)
            {
                DecodedBlock[] ahead = next;
                Task<int> decode = Task.Run(() => Fill(ahead, source, cursor, verification), CancellationToken.None);
                Parallel.ForEach(runs, options, run => ReplayAll(run, blocks, ready));
                (now, next) = (next, now);
                filled = decode.GetAwaiter().GetResult();
            }
            else
            {
                foreach (PolicyRun run in runs)
                {
                    ReplayAll(run, blocks, ready);
                }

                filled = -1;
            }

            for (int i = 0; i < ready; i++)
            {
                records += (ulong)blocks[i].Block.RecordCount;
                replayed.Add(blocks[i]);
                roundTrips.Take(blocks[i]);
            }

            Progress?.Invoke(records, share(records));
            if (filled < 0)
            {
                filled = Fill(now, source, cursor, verification);
            }
        }

        return false;
    }

    /// <summary>Runs on one machine: every policy with every way to deliver interrupts.</summary>
    private IEnumerable<RunPlan> Cases(Variant variant)
    {
        InterruptDelivery?[] deliveries = _configuration.Interrupts.Deliveries is { Count: > 0 } asked ? [.. asked] : [null];
        return _configuration.Policies.SelectMany(policy => deliveries.Select(delivery => new RunPlan(policy, delivery, variant)));
    }

    private static DecodedBlock[] Batch() => [.. Enumerable.Range(0, BatchBlocks).Select(_ => new DecodedBlock())];

    private static int Fill(DecodedBlock[] batch, ITraceSource source, WindowCursor cursor, ReplayVerification verification)
    {
        int filled = 0;
        while (filled < batch.Length && batch[filled].Fill(source, cursor, verification))
        {
            filled++;
        }

        return filled;
    }

    private static void ReplayAll(PolicyRun run, DecodedBlock[] blocks, int count)
    {
        for (int i = 0; i < count; i++)
        {
            run.Replay(blocks[i]);
        }
    }

    private static ulong CountRecords(string path, CancellationToken cancellation)
    {
        using TraceFile trace = TraceFile.Open(path);
        TraceBlock block = new();
        ulong records = 0;
        while (trace.Read(block))
        {
            cancellation.ThrowIfCancellationRequested();
            records += (ulong)block.RecordCount;
        }

        return records;
    }

    private static long PeakMemory()
    {
        using Process process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }
}
