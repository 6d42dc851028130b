using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Kvm;
using Sim.Kvm.Interrupts;
using Sim.Workloads.Formats;

namespace Sim.Experiments.Tests.Interrupts;

/// <summary>Without a load, a replay under an interrupt path is a replay: the machine does the same, record by record.</summary>
[TestFixture]
internal sealed class PlainTwinTests
{
    private static IEnumerable<TestCaseData> Cases =>
        from trace in new[] { "nested-kvm-two-processes", "nested-kvm-exits", "nested-python-timer", "nested-gzip-svm" }
        from path in trace.EndsWith("svm", StringComparison.Ordinal) ? new[] { "none", "avic" } : ["none", "posted", "ipiv"]
        select new TestCaseData(trace, path);

    [TestCaseSource(nameof(Cases))]
    public void Without_a_load_every_statistic_of_the_machine_is_that_of_a_plain_replay(string trace, string path)
    {
        bool amd = trace.EndsWith("svm", StringComparison.Ordinal);
        MachineSpec spec = RunConfiguration.Load(null, [new Assignment("profile", amd ? "zen-4" : "skylake-sp", "test")]).Machine;
        using TraceFile file = TraceFile.Open(Path.Combine(Folder(), trace + ".nst.gz"));
        spec = spec with { RemoteFlushesRecorded = file.Header.RecordsRemoteFlushes };
        string policy = amd ? "nsvm-5.8" : "kvm-6.12";
        Machine plain = new(spec, Components.Policies.Create(policy), ReplayKind.ByPolicy, file.Header.Lanes);
        InterruptReplay coupled = new(
            spec, Components.Policies.Create(policy), ReplayKind.ByPolicy, file.Header.Lanes, new InterruptSpec { Profile = spec.Profile }, Components.InterruptPaths.Create(path),
            Components.ApicvUpdateRules.Create("deferred"), new InterruptLoad { Recorded = false });
        TraceBlock block = new();
        while (file.Read(block))
        {
            plain.Replay(block, 0, block.RecordCount);
            coupled.Replay(block, 0, block.RecordCount);
        }

        coupled.Finish();
        string[] expected = Told(plain.Snapshot());
        Assert.That(Told(coupled.Snapshot()).Where(IsOfTheMachine), Is.EqualTo(expected));
        Assert.That(coupled.Findings, Is.Empty);
        Assert.That(coupled.Snapshot().Sum("irq.exits") + coupled.Snapshot()["cycles.interrupts"], Is.Zero);
        Assert.That(coupled.Now, Is.GreaterThan(1_000_000));
    }

    [Test]
    public void A_measured_window_begins_at_the_same_record_as_that_of_a_plain_replay([Values(1, 20_011, 70_000)] int warmUp)
    {
        MachineSpec spec = RunConfiguration.Load(null, [new Assignment("profile", "skylake-sp", "test")]).Machine;
        using TraceFile file = TraceFile.Open(Path.Combine(Folder(), "nested-kvm-exits.nst.gz"));
        Machine plain = new(spec, Components.Policies.Create("kvm-6.12"), ReplayKind.ByPolicy, file.Header.Lanes);
        InterruptReplay coupled = new(
            spec, Components.Policies.Create("kvm-6.12"), ReplayKind.ByPolicy, file.Header.Lanes, new InterruptSpec { Profile = spec.Profile }, Components.InterruptPaths.Create("posted"),
            Components.ApicvUpdateRules.Create("deferred"), new InterruptLoad { Recorded = false });
        TraceBlock block = new();
        (StatSheet Plain, StatSheet Coupled)? begin = null;
        for (int before = 0; file.Read(block); before += block.RecordCount)
        {
            int first = Math.Clamp(warmUp - before, 0, block.RecordCount);
            plain.Replay(block, 0, first);
            coupled.Replay(block, 0, first);
            if (begin is null && first < block.RecordCount)
            {
                coupled.Settle();
                begin = (plain.Snapshot(), coupled.Snapshot());
            }

            plain.Replay(block, first, block.RecordCount - first);
            coupled.Replay(block, first, block.RecordCount - first);
        }

        coupled.Finish();
        string[] expected = Told(plain.Snapshot().Since(begin!.Value.Plain));
        Assert.That(Told(coupled.Snapshot().Since(begin.Value.Coupled)).Where(IsOfTheMachine), Is.EqualTo(expected));
    }

    private static bool IsOfTheMachine(string line) => !line.StartsWith("irq.", StringComparison.Ordinal) && !line.StartsWith("trace.irq", StringComparison.Ordinal) && !line.StartsWith("cycles.interrupts", StringComparison.Ordinal);

    private static string[] Told(StatSheet sheet) => [.. sheet.Stats.Select(stat => $"{stat.Key} = {stat.Value}")];

    private static string Folder()
    {
        DirectoryInfo at = new(AppContext.BaseDirectory);
        while (!Directory.Exists(Path.Combine(at.FullName, "traces")))
        {
            at = at.Parent!;
        }

        return Path.Combine(at.FullName, "traces");
    }
}
