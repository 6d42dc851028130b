using Sim.Kvm.Interrupts;
using Sim.Kvm.Tests.Machines;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>
/// KVM's named races in every order of their steps, to the end: the right rules lose nothing, and each rule that is known to be wrong loses an interrupt wherever it matters.
/// </summary>
[TestFixture]
internal sealed class RaceTests
{
    // Wrong, and nothing is lost: what the cell is for instead.
    private static readonly SortedDictionary<string, string> Harmless = new(StringComparer.Ordinal)
    {
        ["target-halts avic-no-ipiv Ipi erratum-1235"] = "enable_ipiv=0 is the way around the erratum: the table never says running",
        ["target-migrates avic-no-ipiv Ipi erratum-1235"] = "as above",
        ["target-migrates avic Ipi no-is-running"] = "every IPI is incomplete: an exit, and KVM rings the doorbell",
        ["target-migrates avic Ipi is-running-kept-preempted"] = "the doorbell goes to a CPU that runs another vCPU, and VMRUN of the target looks at IRR; what counts is the vCPU that blocks (is-running-kept-asleep)",
        ["target-migrates avic-iommu Device ga-log-for-preempted"] = "a log entry and a host interrupt for a vCPU that needs no wake-up",
    };

    private static readonly Dictionary<(string Race, string Path), IReadOnlyList<RaceRow>> Explored = [];

    private static IEnumerable<string> Races => RaceTable.Races.Select(race => race.Name);

    [TestCaseSource(nameof(Races))]
    public void The_right_rules_lose_nothing_in_any_order_and_each_wrong_rule_loses_an_interrupt_where_it_matters(string race)
    {
        RaceRow[] rows = [.. Bench.PathNames.SelectMany(path => Rows(race, path))];
        Assert.Multiple(() =>
        {
            foreach (RaceRow row in rows)
            {
                string name = $"{row.Race} {row.Path} {row.Sender} {row.Rule}";
                Assert.That(row.Explored.Endless, Is.Zero, name);
                Assert.That(row.Explored.WrongEnds > 0, Is.EqualTo(!row.IsCorrect && !Harmless.ContainsKey(name)), $"{name}\n{string.Join('\n', row.Explored.Story)}");
                Assert.That(row.Explored.Story, row.Explored.WrongEnds > 0 ? Is.Not.Empty : Is.Empty, name);
            }
        });
        Assert.That(rows.Count(row => row.IsCorrect), Is.Positive);
    }

    [TestCaseSource(nameof(Races))]
    public void Every_wrong_rule_of_a_race_changes_a_program_that_some_path_carries_out(string race)
    {
        IInterruptRace chosen = Create(race);
        string[] used = [.. Bench.PathNames.SelectMany(path => Rows(race, path)).Where(row => !row.IsCorrect).Select(row => row.Rule).Distinct()];
        Assert.That(used, Is.EquivalentTo(chosen.WrongRules.Select(rule => rule.Name)));
        Assert.That(used, Is.Not.Empty);
    }

    [Test]
    public void A_row_that_is_called_harmless_exists()
    {
        string[] names = [.. Harmless.Keys.Select(key => key.Split(' ')).SelectMany(key => Rows(key[0], key[1])).Select(row => $"{row.Race} {row.Path} {row.Sender} {row.Rule}").Distinct()];
        Assert.That(Harmless.Keys.Except(names), Is.Empty);
    }

    // Each 'must' of docs/rules.md#avic-delivery, and what becomes of an interrupt without it.
    private static readonly (string Cell, string Must, string Race, string Path, string Rule)[] AvicCells =
    [
        ("delivery, AVIC off", "KVM_REQ_EVENT", "nested-entry", "avic", "no-request"),
        ("delivery, AVIC off", "kick", "nested-entry", "avic", "no-kick"),
        ("delivery, in guest", "doorbell", "target-exits", "avic", "no-doorbell"),
        ("delivery, doorbell to a core that left", "VMRUN evaluates IRR", "target-exits", "avic", "no-look-at-irr"),
        ("delivery, order", "IRR before vcpu->mode", "target-exits", "avic", "mode-before-irr"),
        ("delivery, not in guest", "wake up", "target-halts", "avic", "no-avic-wake-up"),
        ("load", "IsRunning=1 in the table", "target-migrates", "avic", "no-is-running"),
        ("load", "host APIC ID in the table", "target-migrates", "avic", "host-id-kept"),
        ("load", "IsRun=1 in the IRTE", "target-migrates", "avic-iommu", "no-is-run"),
        ("load", "destination in the IRTE", "target-migrates", "avic-iommu", "destination-kept"),
        ("put, preempted", "IsRunning=0", "target-migrates", "avic", "is-running-kept-preempted"),
        ("put, preempted", "GALogIntr off (6.17)", "target-migrates", "avic-iommu", "ga-log-for-preempted"),
        ("put, blocking", "IsRunning=0 in the table", "target-halts", "avic", "is-running-kept-asleep"),
        ("put, blocking", "IsRunning=0 before the last look", "target-halts", "avic", "is-running-cleared-late"),
        ("put, blocking", "IsRun=0 in the IRTE", "target-halts", "avic-iommu", "is-run-kept-asleep"),
        ("put, blocking", "GALogIntr on", "target-halts", "avic-iommu", "no-ga-log-asleep"),
        ("IOMMU, IsRun=1", "doorbell", "target-exits", "avic-iommu", "no-doorbell"),
        ("IOMMU, IsRun=0, GALogIntr on", "log entry", "target-halts", "avic-iommu", "ga-log-ignored"),
        ("IOMMU, IsRun=0, GALogIntr off", "IRR all the same", "target-migrates", "avic-iommu", "no-irr-if-preempted"),
        ("IOMMU, changed entry", "completion wait", "target-halts", "avic-iommu", "stale-irte"),
        ("enable_ipiv=1 on family 17h, 18h", "(erratum 1235)", "target-halts", "avic", "erratum-1235"),
        ("enable_ipiv=0 there", "IsRunning stays 0", "target-halts", "avic-no-ipiv", "erratum-1235"),
    ];

    [Test]
    public void Every_must_of_AVICs_target_side_is_there_for_an_interrupt_that_is_lost_without_it_or_for_the_cost_that_is_named()
    {
        Assert.Multiple(() =>
        {
            foreach ((string cell, string must, string race, string path, string rule) in AvicCells)
            {
                RaceRow row = Rows(race, path).First(r => r.Rule == rule);
                string outcome = row.Explored.WrongEnds > 0 ? $"lost behind {row.Explored.Story.Count - 1} steps" : Harmless[$"{race} {path} {row.Sender} {rule}"];
                TestContext.Out.WriteLine($"{cell,-40} {must,-34} {path,-13} {race,-16} {rule,-26} {outcome}");
                Assert.That(Rows(race, path).First(r => r.Sender == row.Sender && r.IsCorrect).Explored.WrongEnds, Is.Zero);
            }
        });
        Assert.That(Create("target-migrates").WrongRules.Concat(Create("target-halts").WrongRules).Select(rule => rule.Name).Except(AvicCells.Select(cell => cell.Rule)), Is.EquivalentTo(new[]
        {
            "no-wake-up", "ndst-kept", "sn-kept", "no-pir-recheck", "pir-rechecked-before-sn", "state-behind-check", "on-before-pir", "no-wakeup-vector", "no-repeated-notification",
            "on-tested-before-nv", "off-the-wakeup-list",
        }), "only rules about descriptors and threads are left: AVIC's are all in the table");
    }

    [Test]
    public void The_musts_without_which_nothing_is_lost_are_there_for_the_exits_that_are_named()
    {
        long Exits(string name, IInterruptPath path, InterruptSource source, TargetState state) =>
            InterruptTable.Rows(Bench.SpecFor("avic"), name, path, new DeferredUpdate()).Single(row => row.Source == source && row.Level == 1 && row.State == state).Exits;

        Assert.That(
            new[] { Bench.Path("avic"), new WithoutIsRunning() }.Select(path => Exits("avic", path, InterruptSource.Ipi, TargetState.RunningL1)),
            Is.EqualTo(new[] { 0L, 100L }), "IsRunning: an exit for each IPI to a vCPU that runs");
        Assert.That(
            new[] { Bench.Path("avic"), new WithIsRunningKept() }.Select(path => Exits("avic", path, InterruptSource.Ipi, TargetState.Preempted)),
            Is.EqualTo(new[] { 100L, 0L }), "kept at preemption, the sender is spared");
        Assert.That(
            new[] { Bench.Path("avic-iommu"), new WithLogForPreempted() }.Select(path => Exits("avic-iommu", path, InterruptSource.Device, TargetState.Preempted)),
            Is.EqualTo(new[] { 0L, 100L }), "the log interrupts the CPU of a vCPU that only waits");
    }

    // Two programs of n and m steps that do not touch each other: C(n+m, n) orders, (n+1)(m+1) states, one end.
    [TestCase(5, 7, 792, 48)]
    [TestCase(6, 6, 924, 49)]
    [TestCase(1, 11, 12, 24)]
    [TestCase(0, 4, 1, 5)]
    public void Two_straight_line_programs_have_as_many_orders_as_there_are_ways_to_interleave_them(int first, int second, long orders, int states)
    {
        ExploredSchedules explored = Lines(first, second, depth: first + second);
        Assert.That((explored.Schedules, explored.States, explored.Ends, explored.WrongEnds, explored.Endless), Is.EqualTo((orders, states, 1, 0, 0)));
    }

    // Both can go on for at least 5 steps: two choices each time. Behind 6, only the orders that used up the 5 of one have lost a choice.
    [TestCase(5, 5, 5, 32)]
    [TestCase(5, 5, 6, 62)]
    public void Orders_are_counted_to_the_depth_and_not_beyond(int first, int second, int depth, long orders) =>
        Assert.That(Lines(first, second, depth).Schedules, Is.EqualTo(orders));

    [TestCase("target-exits", "posted", InterruptSource.Software)]
    [TestCase("target-exits", "none", InterruptSource.Software)]
    [TestCase("target-halts", "posted-device", InterruptSource.Device)]
    [TestCase("target-halts", "avic", InterruptSource.Ipi)]
    [TestCase("target-halts", "avic-iommu", InterruptSource.Device)]
    [TestCase("target-migrates", "ipiv", InterruptSource.Ipi)]
    [TestCase("two-senders", "posted", InterruptSource.Software)]
    [TestCase("nested-entry", "avic", InterruptSource.Software)]
    [TestCase("l1-posts-to-l2", "posted", InterruptSource.Software)]
    [TestCase("inhibition", "posted", InterruptSource.Software)]
    public void Following_equal_states_once_counts_as_many_orders_as_carrying_out_each(string race, string path, InterruptSource sender)
    {
        const int Depth = 9;
        Race Make(IConductor conductor) => Create(race).Start(new RaceSetting(Bench.SpecFor(path).Profile, Bench.Path(path), sender, WrongRule.None()), conductor);
        long CarryOut(List<int> way)
        {
            RaceRun run = new(Make);
            way.ForEach(choice => run.Take(choice));
            List<int> choices = run.Choices();
            return way.Count == Depth || choices.Count == 0 ? 1 : choices.Sum(choice => CarryOut([.. way, choice]));
        }

        Assert.That(new ScheduleExplorer(Make, Depth).Explore().Schedules, Is.EqualTo(CarryOut([])));
    }

    [Test]
    public void Carrying_out_every_order_to_its_end_finds_the_same_outcomes_as_following_equal_states_once([Values] bool torn)
    {
        DescriptorSwapped race = new();
        WrongRule rule = torn ? race.WrongRules.Single() : WrongRule.None();
        Race Make(IConductor conductor) => race.Start(new RaceSetting(Profiles.Textbook, Bench.Path("posted-device"), InterruptSource.Device, rule), conductor);
        (long Orders, long Wrong) CarryOut(List<int> way)
        {
            RaceRun run = new(Make);
            way.ForEach(choice => run.Take(choice));
            List<int> choices = run.Choices();
            if (run.Findings(choices.Count == 0).Count > 0 || choices.Count == 0)
            {
                return (1, run.Findings(choices.Count == 0).Count > 0 ? 1 : 0);
            }

            return choices.Select(choice => CarryOut([.. way, choice])).Aggregate((a, b) => (a.Orders + b.Orders, a.Wrong + b.Wrong));
        }

        ExploredSchedules explored = new ScheduleExplorer(Make, 100).Explore();
        (long orders, long wrong) = CarryOut([]);
        Assert.That(explored.Schedules, Is.EqualTo(orders), "100 steps are more than any order has");
        Assert.That(explored.WrongEnds > 0, Is.EqualTo(torn));
        Assert.That(wrong > 0, Is.EqualTo(torn));
    }

    [Test]
    public void A_story_carried_out_again_ends_in_the_loss_that_it_tells()
    {
        RaceRow row = Rows("target-halts", "avic").First(r => r.Rule == "erratum-1235");
        string[] order = ["read IsRunning", "clear IsRunning, ask for the GA log", "check whether runnable", "set IRR in the backing page", "doorbell arrives at CPU 0", "never got 51"];
        int at = -1;
        foreach (string step in order)
        {
            int next = row.Explored.Story.ToList().FindIndex(at + 1, line => line.Contains(step, StringComparison.Ordinal));
            Assert.That(next, Is.GreaterThan(at), $"'{step}' behind the ones before it in\n{string.Join('\n', row.Explored.Story)}");
            at = next;
        }
    }

    private static IInterruptRace Create(string name) => (IInterruptRace)Activator.CreateInstance(typeof(IInterruptRace).Assembly.GetTypes()
        .Single(type => typeof(IInterruptRace).IsAssignableFrom(type) && type.GetCustomAttributes(typeof(Core.ComponentAttribute), false) is [Core.ComponentAttribute a] && a.Name == name))!;

    private static IReadOnlyList<RaceRow> Rows(string race, string path)
    {
        if (!Explored.TryGetValue((race, path), out IReadOnlyList<RaceRow>? rows))
        {
            rows = [.. RaceTable.Rows(race, path, Bench.Path(path), Bench.SpecFor(path).Profile)];
            Explored.Add((race, path), rows);
        }

        return rows;
    }

    private static ExploredSchedules Lines(int first, int second, int depth)
    {
        Step step = new("step", _ => 0, _ => Flow.Next);
        Program[] lines = [.. new[] { first, second }.Where(length => length > 0).Select(length => new Program("line", [.. Enumerable.Repeat(step, length)]))];
        return new ScheduleExplorer(
            conductor =>
            {
                RaceStage stage = new RaceStage(new RaceSetting(Profiles.Textbook, Bench.Path("none"), InterruptSource.Software, WrongRule.None()), conductor, [1]).Settle();
                foreach (Program line in lines)
                {
                    Activity device = new(stage.System, null, null);
                    device.Begin(line);
                    stage.With(device);
                }

                return stage.Build();
            },
            depth).Explore();
    }

    private sealed class WithoutIsRunning : AvicPath, IInterruptPath
    {
        public override Program? HardwareDevice => null;

        Program IInterruptPath.Load => AvicRules.NoIsRunning.Apply(Load);
    }

    private sealed class WithIsRunningKept : AvicPath, IInterruptPath
    {
        public override Program? HardwareDevice => null;

        Program IInterruptPath.Preempt => AvicRules.IsRunningKeptPreempted.Apply(Preempt);
    }

    private sealed class WithLogForPreempted : AvicPath, IInterruptPath
    {
        public override Program? HardwareDevice => AvicSteps.GuestModeIrte;

        Program IInterruptPath.Preempt => AvicRules.GaLogForPreempted.Apply(Preempt);
    }
}
