using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Reports.Results;
using Sim.Workloads;
using Sim.Workloads.Formats;

namespace Sim.Experiments.Tests.Replay;

/// <summary>Nothing counted depends on how runs of accesses are folded or split: results are equal byte for byte, with their safety counts and stories.</summary>
[TestFixture]
public sealed class FoldingIndependenceTests
{
    private const int Accesses = 30_000;
    private const int PerBlock = 8_000;

    private static IEnumerable<string> Traces => Directory.GetFiles(RepositoryFolder.Of("traces"), "*.nst.gz").Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal);

    private static IEnumerable<string> Scenarios => Directory.GetFiles(RepositoryFolder.Of("traces", "scenarios"), "*.scenario").Select(path => Path.GetFileName(path)!)
        .Where(name => !name.StartsWith("irq-", StringComparison.Ordinal)).Order(StringComparer.Ordinal);

    [TestCaseSource(nameof(Traces))]
    public void A_shipped_trace_gives_the_same_bytes_split_and_folded(string name) => Check(Read(RepositoryFolder.Of("traces", name), inflate: false), 7);

    /// <summary>Scenarios change mappings, so that safety is counted. They have no runs: each access is made one of several, of reads and writes.</summary>
    [TestCaseSource(nameof(Scenarios))]
    public void A_scenario_with_runs_gives_the_same_bytes_split_and_folded(string name) => Check(Read(RepositoryFolder.Of("traces", "scenarios", name), inflate: true), 13);

    /// <summary>The oracle once counted records: 165,021 wrong uses of one folding and 106,714 of another.</summary>
    [Test]
    public void Wrong_uses_are_counted_by_reference()
    {
        MemoryTrace trace = Read(RepositoryFolder.Of("traces", "nested-gzip-svm.nst.gz"), inflate: false);
        RunConfiguration zen4 = RunConfiguration.Load(null, [new Assignment("profile", "zen-4", "test"), new Assignment("policies", "[\"never\"]", "test")]);
        long[] counts = [.. new[] { trace, Split(trace, new Rng(3)), Fold(trace) }.Select(each => Run(zen4, each).Runs[0].Safety!.Findings.Sum(finding => finding.Count))];

        Assert.That(counts, Is.All.EqualTo(counts[0]).And.All.Positive);
    }

    private static void Check(MemoryTrace trace, ulong seed)
    {
        IReadOnlyList<Assignment> suggested = RunConfiguration.SuggestedBy(trace.Header);
        Vendor vendor = RunConfiguration.Load(null, [], suggested).Machine.Profile.Vendor;
        string policies = vendor == Vendor.Amd ? "[\"never\",\"nsvm-l2-asid\"]" : "[\"never\",\"kvm-5.14\",\"kvm-6.12\"]";
        RunConfiguration configuration = RunConfiguration.Load(null, [new Assignment("policies", policies, "test")], suggested);
        MemoryTrace split = Split(trace, new Rng(seed));
        RunSet expected = Run(configuration, trace);
        Assert.Multiple(() =>
        {
            foreach ((string what, MemoryTrace other) in new[] { ("split", split), ("folded", Fold(trace)), ("split, then folded", Fold(split)) })
            {
                string text = RunSetJson.ToText(Run(configuration, other) with { Provenance = expected.Provenance }, withSession: false);
                Assert.That(text, Is.EqualTo(RunSetJson.ToText(expected, withSession: false)), what);
            }
        });
    }

    private static RunSet Run(RunConfiguration configuration, MemoryTrace trace)
    {
        trace.Rewind();
        return new Experiment(configuration).Run(trace, "trace");
    }

    /// <summary>The first records of a trace, in blocks that have room; with <paramref name="inflate"/> each access as a run on its page.</summary>
    private static MemoryTrace Read(string path, bool inflate)
    {
        using TraceFile file = TraceFile.Open(path);
        MemoryTrace trace = new(file.Header);
        TraceBlock block = new();
        Rng rng = new(11);
        int left = Accesses;
        while (left > 0 && file.Read(block))
        {
            left -= Copy(block, trace, left, (to, i) =>
            {
                byte flags = block.Flags[i];
                to.AddAccess(block.Time[i], block.Address[i], flags, block.Repeat[i]);
                for (ulong extra = inflate ? rng.Below(4) : 0; extra > 0; extra--)
                {
                    AccessType type = AccessFlags.Type(flags) == AccessType.Execute ? AccessType.Execute : (AccessType)rng.Below(2);
                    to.AddAccess(block.Time[i], block.Address[i] & ~0xFFFUL, (byte)((flags & ~AccessFlags.TypeMask) | (int)type), 1 + (uint)rng.Below(3));
                }
            });
        }

        return trace;
    }

    /// <summary>The same trace with runs cut in two at random places.</summary>
    private static MemoryTrace Split(MemoryTrace trace, Rng rng) => Rewritten(trace, (block, to, i) =>
    {
        uint first = block.Repeat[i] == 1 ? 1 : 1 + (uint)rng.Below(block.Repeat[i]);
        to.AddAccess(block.Time[i], block.Address[i], block.Flags[i], first);
        if (first < block.Repeat[i])
        {
            to.AddAccess(block.Time[i], block.Address[i], block.Flags[i], block.Repeat[i] - first);
        }
    });

    private static MemoryTrace Rewritten(MemoryTrace trace, Action<TraceBlock, TraceBlock, int> access)
    {
        MemoryTrace made = new(trace.Header);
        TraceBlock block = new();
        trace.Rewind();
        while (trace.Read(block))
        {
            Copy(block, made, int.MaxValue, (to, i) => access(block, to, i));
        }

        return made;
    }

    /// <summary>The same trace with each block folded.</summary>
    private static MemoryTrace Fold(MemoryTrace trace)
    {
        MemoryTrace made = new(trace.Header);
        TraceBlock block = new();
        trace.Rewind();
        while (trace.Read(block))
        {
            Folding folding = new(made, trace.Header.Lanes);
            folding.Write(block);
            folding.Complete();
        }

        return made;
    }

    private static int Copy(TraceBlock block, MemoryTrace made, int most, Action<TraceBlock, int> access)
    {
        TraceBlock to = new() { Lane = block.Lane };
        int e = 0;
        int i = 0;
        for (; i <= block.AccessCount; i++)
        {
            for (; e < block.EventCount && block.EventPosition[e] == i; e++)
            {
                to.AddEvent(block.Events[e]);
            }

            if (i == block.AccessCount || i == most)
            {
                break;
            }

            access(to, i);
            if (to.AccessCount >= PerBlock || to.EventCount >= TraceBlock.MaxEvents / 2)
            {
                made.Write(to);
                to = new TraceBlock { Lane = block.Lane };
            }
        }

        if (to.RecordCount > 0)
        {
            made.Write(to);
        }

        return i;
    }
}
