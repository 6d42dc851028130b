using Sim.Core;
using Sim.Core.Traces;
using Sim.Reports.Results;
using Sim.Reports.Views;
using Sim.Workloads;
using Sim.Workloads.Generators;

namespace Sim.Experiments.Tests.Replay;

public sealed class ExperimentTests
{
    /// <summary>Records: 1 2 a 3 4 b 5 6 c 7 8 (numbers are accesses, letters are marks).</summary>
    [TestCase("0", "0", "all", "1 2 a 3 4 b 5 6 c 7 8", 0, 0, 11)]
    [TestCase("0", "2", "3", "1 2 a 3 4", 0, 2, 3)]
    [TestCase("4", "0", "2", "a 4 b", 4, 0, 2)]
    [TestCase("4", "2", "5", "a 4 b 5 6 c 7 8", 4, 2, 5)]
    [TestCase("until:a", "until:c", "all", "a 3 4 b 5 6 c 7 8", 3, 6, 2)]
    [TestCase("until:a", "until:b", "until:c", "a 3 4 b 5 6 c", 3, 3, 3)]
    [TestCase("0", "50%", "25%", "1 2 a 3 4 b 5", 0, 5, 2)]
    [TestCase("10", "0", "1", "a b c 8", 10, 0, 1)]
    public void Windows_split_the_trace_at_exact_records(string skip, string warmUp, string measure, string replayed, int skipped, int warmedUp, int measured)
    {
        RecordingReplay machine = new("never");

        RunSet set = Run(Configuration(skip, warmUp, measure, "never"), Letters(), _ => machine, total: 11);

        Assert.That(string.Join(' ', machine.Seen), Is.EqualTo(replayed));
        Assert.That(set.Provenance.Windows, Is.EqualTo(new WindowCounts((ulong)skipped, (ulong)warmedUp, (ulong)measured)));
        Assert.That(set.Runs[0].Statistics["lane[0].accesses"] + set.Runs[0].Statistics["trace.events"], Is.EqualTo(measured));
    }

    [TestCase("0", "0", "12", "ended after 11 records: --measure wants 12 records and got 11")]
    [TestCase("5", "6", "all", "ended after 11 records: --skip and --warm-up took all of them")]
    [TestCase("12", "0", "all", "ended after 11 records: --skip wants 12 records and got 11")]
    [TestCase("0", "until:z", "all", "--warm-up goes until the mark 'z', which did not come in 11 records")]
    [TestCase("until:c", "until:b", "all", "--warm-up goes until the mark 'b', which did not come in 2 records")]
    public void A_trace_too_short_for_its_windows_is_an_error_with_both_counts(string skip, string warmUp, string measure, string message) =>
        Assert.That(() => Run(Configuration(skip, warmUp, measure, "never"), Letters(), policy => new RecordingReplay(policy)), Throws.TypeOf<ConfigurationException>().With.Message.Contains(message));

    [Test]
    public void A_share_of_a_trace_of_unknown_length_is_an_error_with_a_hint()
    {
        RunConfiguration configuration = Configuration("0", "10%", "all", "never");

        Assert.That(() => Run(configuration, Letters(), policy => new RecordingReplay(policy)), Throws.TypeOf<ConfigurationException>().With.Message.Contains("until:MARK"));
        Assert.That(() => new Experiment(configuration).Run("-"), Throws.TypeOf<ConfigurationException>().With.Message.Contains("a pipe does not tell"));
    }

    [Test]
    public void Results_do_not_depend_on_the_number_of_jobs_and_stand_in_the_order_of_the_policies()
    {
        string[] policies = ["never", "kvm-6.12", "always-guest", "kvm-5.14", "always-all"];

        string[] texts = [.. new[] { 1, 2, 3, 8 }.Select(jobs => RunSetJson.ToText(Run(Configuration("1000", "5%", "250K", policies), Long(), policy => new RecordingReplay(policy), 400_000, jobs), withSession: false))];

        Assert.That(texts[1..], Is.All.EqualTo(texts[0]));
        Assert.That(RunSetJson.Read(texts[0], "x").Runs.Select(run => run.Policy), Is.EqualTo(policies));
    }

    [TestCase(1)]
    [TestCase(4)]
    public void A_policy_that_fails_is_a_row_with_its_error_and_the_others_go_on(int jobs)
    {
        RunSet set = Run(Configuration("0", "0", "all", "never", "kvm-6.12", "kvm-5.14"), Letters(), policy => new RecordingReplay(policy) { FailAt = policy == "kvm-6.12" ? 5 : null }, jobs: jobs);

        Assert.That(set.Runs.Select(run => run.Failure?.ExitCode), Is.EqualTo(new int?[] { null, 4, null }));
        Assert.That(set.Runs[1].Failure!.Message, Does.Contain("broken law"));
        Assert.That(set.Runs[1].Statistics.Stats, Is.Empty);
        Assert.That(set.Runs[2].Statistics["lane[0].accesses"], Is.EqualTo(8));
    }

    [Test]
    public void A_broken_conservation_law_is_our_bug_and_a_bad_record_is_bad_input()
    {
        RunSet law = Run(Configuration("0", "0", "all", "never"), Letters(), policy => new RecordingReplay(policy) { BreaksConservation = true });
        RunSet input = Run(Configuration("0", "0", "all", "never"), Letters(), policy => new RecordingReplay(policy) { FailAt = 3, Failure = () => new TraceFormatException("t", "record 3", "a", "b", "c.") });

        Assert.That((law.Runs[0].Failure!.ExitCode, input.Runs[0].Failure!.ExitCode), Is.EqualTo((4, 3)));
        Assert.That(input.Runs[0].Failure!.Message, Is.EqualTo("t: record 3: expected a, found b. c."));
    }

    [Test]
    public void Failed_vm_entries_of_the_warm_up_are_not_counted()
    {
        RunSet set = Run(Configuration("0", "until:go", "all", "never"), Marks("refuse", "go", "refuse", "end"), policy => new RecordingReplay(policy));

        Assert.That(set.Runs[0].FailedVmEntries.Select(entry => entry.Time), Is.EqualTo(new[] { 2UL }));
    }

    [TestCase(1)]
    [TestCase(2)]
    public void An_interrupted_run_keeps_what_it_measured_and_says_partial(int jobs)
    {
        using CancellationTokenSource interrupt = new();
        RunConfiguration configuration = Configuration("0", "1000", "all", "never", "kvm-6.12");
        Experiment experiment = new(configuration, _ => policy => new RecordingReplay(policy)) { Jobs = jobs, Progress = (_, _) => interrupt.Cancel() };

        RunSet set = experiment.Run(Long(), "long", cancellation: interrupt.Token);

        Assert.That(set.Partial, Is.True);
        Assert.That(set.Provenance.Windows.Measured, Is.GreaterThan(0UL).And.LessThan(399_000UL));
        Assert.That(set.Runs.Select(run => (ulong)run.Statistics["lane[0].accesses"]), Is.All.EqualTo(set.Provenance.Windows.Measured));
    }

    [Test]
    public void A_policy_of_the_other_vendor_is_refused_before_any_work() =>
        Assert.That(() => new Experiment(RunConfiguration.Load(null, [new Assignment("policies", "[\"nsvm-5.8\"]", "-p")])).Run(Letters(), "letters"), Throws.TypeOf<ConfigurationException>().With.Message.StartsWith("Policy nsvm-5.8 does not run on Intel hardware, and profile 'skylake-sp' is Intel."));

    [Test]
    public void The_real_machine_gives_the_same_bytes_for_any_number_of_jobs()
    {
        string[] policies = ["never", "always-guest", "kvm-5.14", "kvm-6.12"];

        string[] texts =
        [
            .. new[] { 1, 2, 4 }.Select(jobs => RunSetJson.ToText(new Experiment(Configuration("0", "0", "all", policies)) { Jobs = jobs }.Run(Long(), "long"), withSession: false)),
        ];

        Assert.That(texts[1..], Is.All.EqualTo(texts[0]));
        Assert.That(RunSetJson.Read(texts[0], "x").Runs.Select(run => run.Failure), Is.All.Null);
    }

    [Test]
    public void Every_shipped_profile_replays_a_nested_trace_under_its_default_policies_and_keeps_the_conservation_laws(
        [ValueSource(typeof(ProfileLibrary), nameof(ProfileLibrary.Names))] string profile)
    {
        MemoryTrace trace = new();
        GeneratorCatalogue.Generate(GeneratorCatalogue.Parse("nested-ping-pong", ["accesses=30k", "seed=3"]), trace);

        RunSet set = new Experiment(RunConfiguration.Load(null, [new Assignment("profile", profile, "test")])).Run(trace, "ping-pong");

        Assert.That(set.Runs.Select(run => run.Failure), Is.All.Null);
        Assert.That(set.Runs.Select(run => Figures.Accesses(run.Statistics)), Is.All.EqualTo(Figures.Accesses(set.Runs[0].Statistics)).And.All.GreaterThan(30_000 - 1));
        Assert.That(Figures.Walks(set.Runs.Single(run => run.Policy == "never").Statistics), Is.LessThan(Figures.Walks(set.Runs.Single(run => run.Policy == "always-guest").Statistics)!.Value));
    }

    private static RunSet Run(RunConfiguration configuration, MemoryTrace trace, Func<string, IReplay> machine, ulong? total = null, int jobs = 1) =>
        new Experiment(configuration, _ => machine) { Jobs = jobs }.Run(trace, "trace", total);

    private static RunConfiguration Configuration(string skip, string warmUp, string measure, params string[] policies) => RunConfiguration.Load(null,
    [
        new Assignment("policies", "[\"" + string.Join("\",\"", policies) + "\"]", "test"),
        new Assignment("windows.skip", skip, "test"),
        new Assignment("windows.warm_up", warmUp, "test"),
        new Assignment("windows.measure", measure, "test"),
    ]);

    private static MemoryTrace Letters()
    {
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, 1);
        for (int i = 1; i <= 8; i++)
        {
            appender.Access(0, (ulong)i, (ulong)i, AccessType.Read);
            if (i % 2 == 0 && i < 8)
            {
                appender.Event(0, TraceEvent.Mark((ulong)i, 0, ((char)('a' + (i / 2) - 1)).ToString()));
            }
        }

        appender.Complete();
        return trace;
    }

    private static MemoryTrace Marks(params string[] texts)
    {
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, 1);
        for (int i = 0; i < texts.Length; i++)
        {
            appender.Event(0, TraceEvent.Mark((ulong)i, 0, texts[i]));
        }

        appender.Complete();
        return trace;
    }

    /// <summary>400,000 accesses in more than a dozen blocks.</summary>
    private static MemoryTrace Long()
    {
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, 1);
        for (ulong i = 0; i < 400_000; i++)
        {
            appender.Access(0, i, (i * 0x1357) & 0xFFF_FFF8, AccessType.Read);
        }

        appender.Complete();
        return trace;
    }
}
