using Sim.Core;
using Sim.Core.Traces;
using Sim.Kvm.Interrupts;

namespace Sim.Experiments.Tests.Configuration;

public sealed class InterruptSettingsTests
{
    [Test]
    public void Without_paths_nothing_is_delivered_anew_and_the_load_is_what_the_trace_recorded_and_a_device()
    {
        InterruptSettings interrupts = Load().Interrupts;

        Assert.That((interrupts.Paths.Count, interrupts.Deliveries.Count), Is.EqualTo((0, 0)));
        Assert.That(interrupts.Load.Recorded, Is.True);
        Assert.That(interrupts.Load.Sources, Is.EqualTo(new[] { new SourceLoad() }));
        Assert.That((interrupts.Load.Ipis, interrupts.Load.Peers, interrupts.Load.Seed), Is.EqualTo(((IpiLoad?)null, 1, 1UL)));
        Assert.That(interrupts.Spec, Is.EqualTo(new InterruptSpec { Profile = interrupts.Spec.Profile, EoiExitVectors = interrupts.Spec.EoiExitVectors }));
    }

    [Test]
    public void A_path_that_uses_APICv_is_run_with_each_rule_and_another_one_once_in_the_order_given()
    {
        RunConfiguration configuration = Load(("interrupts.paths", """["posted","none","ipiv"]"""), ("interrupts.apicv_updates", """["switch-vmcs","immediate"]"""), ("policies", """["never","kvm-6.12"]"""));

        Assert.That(configuration.Interrupts.Deliveries.Select(delivery => (delivery.Path, delivery.ApicvUpdate)), Is.EqualTo(new[]
        {
            ("posted", "switch-vmcs"), ("posted", "immediate"), ("none", null), ("ipiv", "switch-vmcs"), ("ipiv", "immediate"),
        }));
        Assert.That(configuration.RunCount, Is.EqualTo(10));
        Assert.That(Load(("interrupts.paths", """["posted"]""")).Interrupts.Deliveries, Is.EqualTo(new[] { new InterruptDelivery("posted", "deferred") }), "today's rule if none is named");
        Assert.That(Load(("profile", "zen-4"), ("interrupts.paths", """["avic","none"]""")).Interrupts.Deliveries, Is.EqualTo(new[] { new InterruptDelivery("avic", null), new InterruptDelivery("none", null) }));
    }

    [Test]
    public void Sources_IPIs_and_inhibits_are_read_with_what_was_left_out_by_default()
    {
        InterruptSettings interrupts = Load(
            ("interrupts.sources", """[{"kind":"timer","arrivals":"fixed","period_cycles":2500000,"vector":236,"target":1},{"count":7,"host_lane":2,"level_triggered":true}]"""),
            ("interrupts.ipis", """{"pattern":"shootdown","rounds":9,"halts":true}"""),
            ("interrupts.inhibits", """[{"time_cycles":0,"reason":"block-irq","set":true},{"time_cycles":5000,"reason":"block-irq","set":false},{"time_cycles":5000,"reason":"hyper-v","set":true}]"""),
            ("interrupts.halt_every_cycles", "0"),
            ("interrupts.vmcs12", """["external-interrupt-exiting","tpr-shadow"]"""),
            ("interrupts.x2apic", "false"),
            ("interrupts.hybrid_avic", "false"),
            ("machine.seed", "17")).Interrupts;

        Assert.That(interrupts.Load.Sources, Is.EqualTo(new[]
        {
            new SourceLoad { Kind = InterruptSource.Timer, Arrivals = ArrivalPattern.Fixed, PeriodCycles = 2_500_000, Vector = 236, Target = 1 },
            new SourceLoad { Kind = InterruptSource.Device, Arrivals = ArrivalPattern.Poisson, PeriodCycles = 100_000, Count = 7, HostLane = 2, LevelTriggered = true },
        }));
        Assert.That(interrupts.Load.Ipis, Is.EqualTo(new IpiLoad { Pattern = IpiPattern.Shootdown, Level = 1, WorkCycles = 200_000, Rounds = 9, Halts = true }));
        Assert.That(interrupts.Spec.Inhibits, Is.EqualTo(1UL << 3), "set from the start");
        Assert.That(interrupts.Load.Inhibits, Is.EqualTo(new[] { new InhibitChange(5000, ApicvInhibit.BlockIrq, false), new InhibitChange(5000, ApicvInhibit.HyperV, true) }));
        Assert.That(interrupts.Spec.Controls12, Is.EqualTo(VmControls.ExternalInterruptExiting | VmControls.TprShadow));
        Assert.That(interrupts.Spec.EoiExitVectors, Is.EqualTo(new byte[] { 0x51 }));
        Assert.That((interrupts.Spec.X2Apic, interrupts.Spec.HybridAvic, interrupts.Load.Seed), Is.EqualTo((false, false, 17UL)));
    }

    [Test]
    public void The_resolved_configuration_holds_every_member_of_every_source_and_is_good_as_a_configuration_file()
    {
        RunConfiguration first = Load(("interrupts.paths", """["none","posted"]"""), ("interrupts.sources", """[{"period_cycles":64},{}]"""), ("interrupts.ipis", "{}"), ("interrupts.sources[1].vector", "99"));
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, first.Json);

            RunConfiguration again = RunConfiguration.Load(file, []);

            Assert.That((again.Json, again.Hash), Is.EqualTo((first.Json, first.Hash)));
            Assert.That(again.Interrupts.Load.Sources.Select(source => (source.PeriodCycles, source.Vector)), Is.EqualTo(new[] { (64L, (byte)0x51), (100_000L, (byte)99) }));
            Assert.That(first.Json, Does.Contain("""{"arrivals":"poisson","count":null,"first_cycles":0,"host_lane":null,"kind":"device","level_triggered":false,"period_cycles":64,"target":null,"vector":81}"""));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [TestCase("paths", """["postd"]""", "Unknown interrupt path 'postd'. Did you mean posted")]
    [TestCase("paths", """["avic"]""", "'avic' does not exist on the hardware of profile 'skylake-sp', which has ipiv")]
    [TestCase("paths", """["none","none"]""", "names 'none' twice")]
    [TestCase("apicv_updates", """["imediate"]""", "Unknown APICv update rule 'imediate'. Did you mean immediate")]
    [TestCase("apicv_updates", """["immediate","deferred"]""", "names 2 rules, and no path among interrupts.paths uses APICv")]
    [TestCase("sources[0].vector", "31", "expected a whole number from 32 to 255, found 31")]
    [TestCase("sources[0].vector", "242", "one of the vectors by which L1's KVM notifies itself")]
    [TestCase("sources[0].period_cycles", "63", "expected a whole number from 64")]
    [TestCase("sources[0].arrivals", "poison", "expected one of fixed, poisson, found 'poison'")]
    [TestCase("sources", """[{"perid":1}]""", "interrupts.sources[0].perid: Unknown member 'perid'")]
    [TestCase("sources", "[]", "found an empty one")]
    [TestCase("ipis", """{"level":3}""", "interrupts.ipis.level: expected a whole number from 1 to 2, found 3")]
    [TestCase("inhibits", """[{"time_cycles":9,"reason":"sev","set":true},{"time_cycles":8,"reason":"sev","set":false}]""", "expected ascending times, found 8 behind 9")]
    [TestCase("vmcs12", """["tpr"]""", "expected one of external-interrupt-exiting")]
    [TestCase("halt_poll_cycle", "1", "Unknown member 'halt_poll_cycle'. Did you mean halt_poll_cycles")]
    public void A_wrong_value_is_refused_with_its_place(string path, string value, string message) =>
        Assert.That(() => Load(($"interrupts.{path}", value)), Throws.TypeOf<ConfigurationException>().With.Message.Contains(message));

    [Test]
    public void Guests_halt_only_if_something_wakes_every_one_of_them_for_ever()
    {
        Assert.That(Load(("interrupts.halt_every_cycles", "1000")).Interrupts.Load.HaltEveryCycles, Is.EqualTo(1000), "the default source wakes");
        foreach (string limit in new[] { "count", "target" })
        {
            Assert.That(
                () => Load(("interrupts.halt_every_cycles", "1000"), ($"interrupts.sources[0].{limit}", "5")),
                Throws.TypeOf<ConfigurationException>().With.Message.Contains("the first HLT could be the last"));
        }
    }

    [Test]
    public void On_AMD_there_is_no_rule_and_naming_one_is_an_error() =>
        Assert.That(
            () => Load(("profile", "zen-4"), ("interrupts.apicv_updates", """["deferred"]""")),
            Throws.TypeOf<ConfigurationException>().With.Message.Contains("interrupts.apicv_updates: must be null with 'zen-4'"));

    [Test]
    public void Paths_need_a_replay_by_policy() =>
        Assert.That(() => Load(("interrupts.paths", """["none"]"""), ("replay", "as-recorded")), Throws.TypeOf<ConfigurationException>().With.Message.Contains("must be null if the replay is as-recorded"));

    [Test]
    public void A_sweep_may_vary_where_interrupts_come_from_and_not_the_paths()
    {
        RunConfiguration swept = Load(("interrupts.paths", """["none"]"""), ("over", """["interrupts.sources[0].period_cycles=50000,70000"]"""));

        Assert.That(swept.Variants.Select(variant => variant.Interrupts.Load.Sources[0].PeriodCycles), Is.EqualTo(new[] { 50_000L, 70_000L }));
        Assert.That(() => Load(("over", """["interrupts.paths=[\"none\"],[\"posted\"]"]""")), Throws.TypeOf<ConfigurationException>().With.Message.Contains("name them with -p and --irq-paths"));
    }

    private static RunConfiguration Load(params (string Path, string Value)[] values) => RunConfiguration.Load(null, [.. values.Select(pair => new Assignment(pair.Path, pair.Value, "--set"))]);
}
