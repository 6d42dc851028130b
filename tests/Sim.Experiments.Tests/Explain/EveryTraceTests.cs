using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Reports.Explain;
using Sim.Reports.Results;
using Sim.Workloads.Formats;

namespace Sim.Experiments.Tests.Explain;

/// <summary>The decomposition of explain, for every pair of policies on every trace in traces/.</summary>
public sealed class EveryTraceTests
{
    /// <summary>
    /// Records of each trace: a stretch with nested transitions, short enough for all policies to replay all traces in seconds. Whole traces:
    /// <c>dotnet test ... -- TestRunParameters.Parameter(name="records", value="all")</c>.
    /// </summary>
    private static string Measured => TestContext.Parameters.Get("records", "30000");

    private static IEnumerable<string> Traces => Directory.GetFiles(RepositoryFolder.Of("traces"), "*.nst.gz").Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal);

    [Test]
    public void Each_dimension_sums_to_the_total_exactly_for_every_pair_of_policies([ValueSource(nameof(Traces))] string trace)
    {
        IReadOnlyList<RunResult> runs = RunAll(RepositoryFolder.Of("traces", trace));

        Assert.That(runs.Select(run => run.Failure), Is.All.Null);
        Assert.That(runs, Has.Count.GreaterThan(2));
        for (int i = 0; i < runs.Count; i++)
        {
            foreach (RunResult after in runs.Skip(i + 1))
            {
                RunResult before = runs[i];
                Decomposition decomposition = new(before, after);
                WalkCount total = TotalOf(after.Statistics) - TotalOf(before.Statistics);

                Assert.That(decomposition.Dimensions.Select(dimension => dimension.Name), Is.EqualTo(new[] { "level", "transition", "invalidation", "rule", "size", "page", "site" }));
                foreach (Dimension dimension in decomposition.Dimensions)
                {
                    Assert.That(dimension.Parts.Aggregate(default(WalkCount), (sum, part) => sum + part.Difference), Is.EqualTo(total), $"{before.Run} to {after.Run} by {dimension.Name}");
                }
            }
        }

        // A decomposition of nothing would show nothing.
        Assert.That(runs.Select(run => TotalOf(run.Statistics).Walks), Is.All.GreaterThan(0));
    }

    private static IReadOnlyList<RunResult> RunAll(string trace)
    {
        Vendor vendor = trace.Contains("svm", StringComparison.Ordinal) ? Vendor.Amd : Vendor.Intel;
        string[] policies = [.. Components.Policies.Entries.Select(entry => entry.Name).Where(name => Components.Policies.Create(name).Supports(vendor))];
        RunConfiguration configuration = RunConfiguration.Load(null,
        [
            new Assignment("profile", vendor == Vendor.Amd ? "zen-3" : "skylake-sp", "test"),
            new Assignment("policies", "[\"" + string.Join("\",\"", policies) + "\"]", "test"),
            new Assignment("machine.walk_breakdown", "true", "test"),
            new Assignment("windows.measure", Measured, "test"),
        ]);
        using TraceFile file = TraceFile.Open(trace);
        return new Experiment(configuration) { Jobs = 2 }.Run(file, trace).Runs;
    }

    /// <summary>By the two statistics alone, without the code under test.</summary>
    private static WalkCount TotalOf(StatSheet sheet) => new(
        sheet.Stats.Where(stat => stat.Path.EndsWith(".stlb.misses", StringComparison.Ordinal)).Sum(stat => stat.Value),
        sheet.Stats.Where(stat => stat.Path.EndsWith(".stall_cycles", StringComparison.Ordinal)).Sum(stat => stat.Value));
}
