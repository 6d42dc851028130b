using System.Security.Cryptography;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Reports.Results;
using Sim.Workloads;
using Sim.Workloads.Formats;

namespace Sim.Experiments.Tests.Replay;

/// <summary>What an experiment takes from a trace's header and file: vendor, doubts, hash.</summary>
public sealed class TraceFactsTests
{
    private static readonly Doubt Strange = new(DoubtKind.Handlers, "3 of 40 stays are strange", 3, 40);

    [Test]
    public void A_trace_of_one_vendor_on_the_others_cpu_is_refused_with_a_profile_to_take()
    {
        ConfigurationException amd = Assert.Throws<ConfigurationException>(() => Run(Header("amd"), "skylake-sp"))!;
        ConfigurationException intel = Assert.Throws<ConfigurationException>(() => Run(Header("intel"), "zen-4"))!;

        Assert.That(amd.Message, Does.StartWith("t is an AMD (SVM) trace, and the profile 'skylake-sp' is an Intel (VMX) CPU").And.Contain("--profile zen-3"));
        Assert.That(intel.Message, Does.Contain("t is an Intel (VMX) trace, and the profile 'zen-4' is an AMD (SVM) CPU").And.Contain("--profile skylake-sp"));
    }

    [TestCase("amd", "zen-4")]
    [TestCase("intel", "ice-lake-sp")]
    [TestCase(null, "zen-4")]
    [TestCase(null, "skylake-sp")]
    public void A_trace_runs_on_a_cpu_of_its_vendor_and_a_programs_on_any(string? vendor, string profile) =>
        Assert.That(Run(Header(vendor), profile).Runs[0].Failure, Is.Null);

    [TestCase("amd", "zen-3")]
    [TestCase("intel", "skylake-sp")]
    [TestCase(null, "skylake-sp")]
    public void The_profile_follows_the_traces_vendor_unless_one_is_named(string? vendor, string profile)
    {
        IReadOnlyList<Assignment> suggested = RunConfiguration.SuggestedBy(Header(vendor));

        Assert.That(RunConfiguration.Load(null, [], suggested).Machine.Profile.Name, Is.EqualTo(profile));
        Assert.That(RunConfiguration.Load(null, [new Assignment("profile", "zen-4", "--profile")], suggested).Machine.Profile.Name, Is.EqualTo("zen-4"));
    }

    [Test]
    public void Results_name_the_traces_doubts_first_and_then_what_the_machine_assumes()
    {
        IReadOnlyList<Doubt> doubts = Run(Header(null, Strange), "zen-3").Provenance.Doubts;

        Assert.That(doubts[0], Is.EqualTo(Strange));
        Assert.That(doubts.Select(doubt => doubt.Kind), Is.EqualTo(new[] { DoubtKind.Handlers, DoubtKind.PageSizes, DoubtKind.Costs }));
        Assert.That(doubts[2].Count, Is.InRange(1, doubts[2].Of!.Value));
    }

    /// <summary>Traces that were woven before headers had doubts are of the same making as those that have them.</summary>
    [TestCase("nested-sort.nst.gz", new[] { DoubtKind.Clock })]
    [TestCase("nested-sqlite-vpid-new.nst.gz", new[] { DoubtKind.Handlers, DoubtKind.Clock })]
    [TestCase("nested-cpuid-vmx.nst.gz", new[] { DoubtKind.Handlers, DoubtKind.Clock }, Description = "has them in its header, and not twice")]
    [TestCase("sort.nst.gz", new DoubtKind[0])]
    public void A_woven_trace_without_doubts_in_its_header_has_those_of_every_woven_trace(string name, DoubtKind[] kinds)
    {
        RunConfiguration configuration = RunConfiguration.Load(null, [new Assignment("windows.measure", "100", "--measure"), new Assignment("policies", "[\"never\"]", "-p")]);

        IEnumerable<DoubtKind> doubts = new Experiment(configuration).Run(RepositoryFolder.Of("traces", name)).Provenance.Doubts.Select(doubt => doubt.Kind);

        Assert.That(doubts, Is.EqualTo(kinds.Concat([DoubtKind.PageSizes, DoubtKind.Costs])));
    }

    [TestCase("t.nst")]
    [TestCase("t.nst.gz")]
    public void The_hash_is_that_of_the_whole_file_though_only_a_part_is_measured(string name)
    {
        string folder = Directory.CreateTempSubdirectory("nestsim-").FullName;
        try
        {
            string path = Path.Combine(folder, name);
            using (TraceFileWriter writer = TraceFile.Create(path, Header(null)))
            {
                TraceAppender appender = new(writer, 1);
                for (ulong i = 0; i < 300_000; i++)
                {
                    appender.Access(0, i, i * 64, AccessFlags.Pack(AccessType.Read, 3, 3), 1);
                }

                appender.Complete();
                writer.Complete();
            }

            RunConfiguration configuration = RunConfiguration.Load(null, [new Assignment("windows.measure", "100", "--measure"), new Assignment("policies", "[\"never\"]", "-p")]);
            RunSet set = new Experiment(configuration).Run(path);

            Assert.That(set.Provenance.Windows.Measured, Is.EqualTo(100));
            Assert.That(set.Provenance.Trace.Sha256, Is.EqualTo(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)))));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static TraceHeader Header(string? vendor, params Doubt[] doubts) => TraceHeader.Default with
    {
        Properties = vendor is null ? TraceHeader.Default.Properties : new SortedDictionary<string, string>(StringComparer.Ordinal) { [TraceHeader.VendorProperty] = vendor },
        Doubts = doubts,
    };

    private static RunSet Run(TraceHeader header, string profile)
    {
        MemoryTrace trace = new(header);
        TraceAppender appender = new(trace, 1);
        appender.Access(0, 0, 0x1000, AccessFlags.Pack(AccessType.Read, 3, 3), 1);
        appender.Complete();
        return new Experiment(RunConfiguration.Load(null, [new Assignment("profile", profile, "--profile"), new Assignment("policies", "[\"never\"]", "-p")])).Run(trace, "t");
    }
}
