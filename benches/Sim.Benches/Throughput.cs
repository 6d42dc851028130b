using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Kvm;
using Sim.Workloads.Formats;

namespace Sim.Benches;

/// <summary>
/// Whole-program throughput: a trace file decoded and replayed under one policy on one core, against a minimal C loop that does the same
/// lookups (64/4 and 1536/12, true LRU) on an array in memory. Only ratios of one run mean anything on a shared machine.
/// </summary>
public static class Throughput
{
    private const ulong Fetch = 1UL << 63;
    private const int Passes = 20;

    /// <summary>The traces are short: each is measured as so many copies of itself in one file, so that start-up is not what is measured.</summary>
    private const int Times = 8;

    /// <summary>Measures each trace; without arguments, the user traces in traces/. Throws if a trace cannot be read or there is no C compiler.</summary>
    public static int Run(IReadOnlyList<string> traces)
    {
        string root = RepositoryFolder.Root;
        if (traces.Count == 0)
        {
            traces = Directory.GetFiles(Path.Combine(root, "traces"), "*.nst.gz").Where(file => !Path.GetFileName(file).StartsWith("nested", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal).ToArray();
        }

        string loop = Compile(root);
        Console.WriteLine("M accesses/s on one core, best of 20 passes. 'C every' looks up each access, 'C folded' each record, from an array in memory; Nestsim reads, checks and decodes the file (without the SHA-256 of provenance), one policy, attribution on.");
        Console.WriteLine($"{"trace",-20} {"accesses",12} {"records",10} {"L1 miss %",9} {"Nestsim",9} {"C every",9} {"C folded",9} {"of C every",10} {"of C folded",11}");
        foreach (string trace in traces)
        {
            string native = Path.Combine(Path.GetTempPath(), "nestsim-throughput.nst");
            Unpack(trace, native);
            if (trace == traces[0])
            {
                // The run time compiles the hot loops for good while they run: not what is measured.
                _ = TimeNestsim(native);
            }

            Line(Path.GetFileName(trace), native, loop);
            File.Delete(native);
        }

        return 0;
    }

    private static void Line(string name, string trace, string loop)
    {
        string every = Path.GetTempFileName();
        string folded = Path.GetTempFileName();
        try
        {
            (long accesses, long records) = Export(trace, every, folded);
            (double cEvery, long misses) = TimeC(loop, every);
            (double cFolded, _) = TimeC(loop, folded);
            double nestsim = TimeNestsim(trace);
            double million(double seconds) => accesses / seconds / 1e6;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{name,-20} {accesses,12:N0} {records,10:N0} {100.0 * misses / accesses,9:F2} {million(nestsim),9:F1} {million(cEvery),9:F1} {million(cFolded),9:F1} {cEvery / nestsim,10:P0} {cFolded / nestsim,11:P0}"));
        }
        finally
        {
            File.Delete(every);
            File.Delete(folded);
        }
    }

    /// <summary>Writes the trace uncompressed, several times over, one after the other.</summary>
    private static void Unpack(string trace, string native)
    {
        TraceBlock block = new();
        using TraceFile first = TraceFile.Open(trace);
        using TraceFileWriter writer = TraceFile.Create(native, first.Header);
        ulong start = 0;
        for (int time = 0; time < Times; time++)
        {
            ulong end = start;
            using TraceFile source = TraceFile.Open(trace);
            while (source.Read(block))
            {
                for (int i = 0; i < block.AccessCount; i++)
                {
                    block.Time[i] += start;
                }

                for (int i = 0; i < block.EventCount; i++)
                {
                    block.Events[i].Time += start;
                }

                end = block.LastTime;
                writer.Write(block);
            }

            start = end;
        }

        writer.Complete();
    }

    private static double TimeNestsim(string trace)
    {
        CpuProfile profile = Reference.Profile;
        TraceBlock block = new();
        double best = double.MaxValue;
        for (int pass = 0; pass < Passes; pass++)
        {
            Machine machine = new(new MachineSpec { Profile = profile, L0Pages = PageSize.Size4K }, new Kvm612(), ReplayKind.ByPolicy, 1);
            long start = Stopwatch.GetTimestamp();
            using (NativeTraceReader file = new(File.OpenRead(trace), trace))
            {
                while (file.Read(block))
                {
                    machine.Replay(block, 0, block.RecordCount);
                }
            }

            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
            machine.CheckConservation();
        }

        return best;
    }

    private static (double Seconds, long Misses) TimeC(string loop, string file)
    {
        using Process process = Process.Start(new ProcessStartInfo(loop, [file, Passes.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardOutput = true })!;
        string[] fields = process.StandardOutput.ReadToEnd().Split(' ');
        process.WaitForExit();
        return (long.Parse(fields[3], CultureInfo.InvariantCulture) / 1e9, long.Parse(fields[2], CultureInfo.InvariantCulture));
    }

    private static (long Accesses, long Records) Export(string trace, string everyPath, string foldedPath)
    {
        using TraceFile file = TraceFile.Open(trace);
        using FileStream every = File.Create(everyPath);
        using FileStream folded = File.Create(foldedPath);
        TraceBlock block = new();
        ulong[] run = new ulong[4096];
        long accesses = 0;
        long records = 0;
        while (file.Read(block))
        {
            for (int i = 0; i < block.AccessCount; i++)
            {
                ulong word = ((block.Address[i] << 16) >> 28) | (AccessFlags.Type(block.Flags[i]) == AccessType.Execute ? Fetch : 0);
                run.AsSpan().Fill(word);
                folded.Write(MemoryMarshal.AsBytes(run.AsSpan(0, 1)));
                for (uint left = block.Repeat[i]; left > 0;)
                {
                    int part = (int)Math.Min(left, (uint)run.Length);
                    every.Write(MemoryMarshal.AsBytes(run.AsSpan(0, part)));
                    left -= (uint)part;
                }

                accesses += block.Repeat[i];
                records++;
            }
        }

        return (accesses, records);
    }

    private static string Compile(string root)
    {
        string output = Path.Combine(Path.GetTempPath(), "nestsim-tlb-loop");
        using Process compiler = Process.Start("cc", ["-O2", "-march=native", "-o", output, Path.Combine(root, "benches", "baseline", "tlb_loop.c")])!;
        compiler.WaitForExit();
        return compiler.ExitCode == 0 ? output : throw new InvalidOperationException("The C compiler failed; install one (package gcc).");
    }
}
