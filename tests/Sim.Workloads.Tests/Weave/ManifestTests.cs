using System.Text.Json;
using Sim.Core.Traces;
using Sim.Workloads.Formats;
using Sim.Workloads.Operations;

namespace Sim.Workloads.Tests.Weave;

/// <summary>The committed traces are what their manifest says.</summary>
[TestFixture]
public sealed class ManifestTests
{
    private const long MaxTotalBytes = 8_000_000;

    private static readonly string Folder = RepositoryFolder.Of("traces");

    private static IEnumerable<TestCaseData> Entries() =>
        JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "MANIFEST.json"))).RootElement.EnumerateArray()
            .Select(entry => new TestCaseData(entry).SetArgDisplayNames(entry.GetProperty("name").GetString()!));

    [TestCaseSource(nameof(Entries))]
    public void A_committed_trace_has_the_hash_and_the_counts_of_its_manifest_entry(JsonElement entry)
    {
        using TraceFile trace = TraceFile.Open(Path.Combine(Folder, entry.GetProperty("name").GetString()!));
        ulong records = 0;
        ulong accesses = 0;
        ulong transitions = 0;
        ulong nestedEntries = 0;
        ulong cycles = 0;
        TraceBlock block = new();
        while (trace.Read(block))
        {
            records += (ulong)block.RecordCount;
            cycles = block.LastTime;
            for (int i = 0; i < block.AccessCount; i++)
            {
                accesses += block.Repeat[i];
            }

            foreach (TraceEvent e in block.Events.AsSpan(0, block.EventCount))
            {
                if (e.Kind is RecordKind.VmEnter or RecordKind.VmExit)
                {
                    transitions++;
                    nestedEntries += e.Transition == TransitionKind.L1ToL2 ? 1UL : 0;
                }
            }
        }

        Assert.That(trace.Sha256, Is.EqualTo(entry.GetProperty("sha256").GetString()));
        Assert.That(
            (records, accesses, transitions, nestedEntries, cycles),
            Is.EqualTo((Number("records"), Number("accesses"), Number("transitions"), Number("nested_entries"), Number("cycles"))));
        Assert.That(nestedEntries > 0, Is.EqualTo(trace.Header.Properties["source"] != "lackey"));

        ulong Number(string name) => entry.GetProperty(name).GetUInt64();
    }

    [TestCaseSource(nameof(Entries))]
    public void A_committed_trace_has_no_finding_of_trace_verify(JsonElement entry)
    {
        using TraceFile trace = TraceFile.Open(Path.Combine(Folder, entry.GetProperty("name").GetString()!));
        TraceVerification verification = TraceVerifier.Run(trace);
        Assert.That(verification.Findings, Is.Empty);
        Assert.That(verification.Records, Is.EqualTo(entry.GetProperty("records").GetUInt64()));
    }

    [Test]
    public void Every_trace_file_is_in_the_manifest_and_all_together_stay_small()
    {
        FileInfo[] files = new DirectoryInfo(Folder).GetFiles("*.gz");
        Assert.That(
            files.Select(file => file.Name).Order(StringComparer.Ordinal),
            Is.EqualTo(Entries().Select(entry => ((JsonElement)entry.Arguments[0]!).GetProperty("name").GetString()!).Order(StringComparer.Ordinal)));
        Assert.That(files.Sum(file => file.Length), Is.LessThan(MaxTotalBytes));
    }
}
