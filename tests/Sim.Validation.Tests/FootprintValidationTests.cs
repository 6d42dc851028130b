using Sim.Core.Architecture;
using Sim.Core.Traces;
using Sim.Experiments;
using Sim.Kvm;
using Sim.Workloads;

namespace Sim.Validation.Tests;

/// <summary>Leaving a recording out: by hand, and with the recordings of a real nested KVM.</summary>
[TestFixture]
internal sealed class FootprintValidationTests
{
    private const uint Vmresume = (uint)VmxExit.Vmresume;
    private const uint Cpuid = (uint)VmxExit.Cpuid;
    private const uint Vmcall = (uint)VmxExit.Vmcall;

    [Test]
    public void A_recording_whose_stays_are_all_like_the_others_is_predicted_without_error()
    {
        FootprintCheck check = Run(Recording("a", 50, Cpuid, 3), Recording("b", 30, Cpuid, 3))[1];
        FootprintPrediction all = check.Policies.Single(policy => policy.Policy == "always-guest").Predictions[0];
        Assert.That((check.Recording, check.Substitutes), Is.EqualTo(("b", Array.Empty<object>())));

        // L1's three pages are flushed at each of 30 nested exits but cold at the first; L0 is never flushed, and L2 touches nothing.
        Assert.That((all.Exits, all.NestedTransitions, all.Recorded.Flushed), Is.EqualTo((30, 60, 29 * 3)));
        Assert.That(all.Predicted, Is.EqualTo(all.Recorded));
    }

    [Test]
    public void A_recording_that_touches_twice_as_much_is_predicted_to_touch_what_the_others_do()
    {
        FootprintCheck check = Run(Recording("a", 50, Cpuid, 3), Recording("b", 30, Cpuid, 6))[1];
        FootprintPrediction all = check.Policies.Single(policy => policy.Policy == "always-guest").Predictions[0];
        Assert.That((all.Recorded.Flushed, all.Predicted.Flushed), Is.EqualTo((29 * 6, 29 * 3)));
    }

    [Test]
    public void Costs_are_charged_to_the_reason_of_L2s_exit_and_unseen_reasons_are_reported()
    {
        FootprintRecording both = Concatenation("b", (20, Cpuid, 3), (10, Vmcall, 5));
        FootprintCheck check = Run(Recording("a", 50, Cpuid, 3), both)[1];
        IReadOnlyList<FootprintPrediction> rows = check.Policies.Single(policy => policy.Policy == "always-guest").Predictions;
        Assert.That(rows.Select(row => (row.Reason, row.Exits, row.NestedTransitions)), Is.EqualTo(new (uint?, long, long)[] { (null, 30, 60), (Cpuid, 20, 40), (Vmcall, 10, 20) }));

        // VMCALL's first handling finds three of its five pages flushed and two cold.
        Assert.That((rows[1].Recorded.Flushed, rows[2].Recorded.Flushed), Is.EqualTo((19 * 3, 3 + (9 * 5))));
        Assert.That((rows[1].Predicted.Flushed, rows[2].Predicted.Flushed), Is.EqualTo((19 * 3, 10 * 3)));
        Assert.That(check.Substitutes.Select(substitute => (substitute.Wanted.Reason, substitute.Taken.Reason, substitute.Count)), Is.All.EqualTo((Vmcall, Cpuid, 10)));
        Assert.That(check.Substitutes, Has.Count.EqualTo(2), "L0's and L1's");
    }

    // Window 3 is predicted from window 4 above all, which lies beside the repository.
    private static IEnumerable<string> LeftOut => Recordings.Exists("bochs-vmx-mem.win4.pages.txt.xz")
        ? ["bochs-vmx-mem.win2.full.txt.xz", "bochs-vmx-mem.win3.pages.txt.xz", "bochs-vmx-mem.win4.pages.txt.xz"]
        : ["bochs-vmx-mem.win2.full.txt.xz"];

    /// <summary>
    /// The bar: 15 % on walks and references per nested transition. Window 1 is not among them: its port I/O (a third of its exits) occurs nowhere else, and it misses by
    /// what docs/footprints.md says.
    /// </summary>
    [TestCaseSource(nameof(LeftOut))]
    public void A_window_of_a_real_nested_KVM_is_predicted_from_the_others_within_15_percent(string leftOut)
    {
        FootprintCheck check = OfCaptures.Value.Single(check => check.Recording == leftOut);
        foreach ((string policy, IReadOnlyList<FootprintPrediction> predictions) in check.Policies)
        {
            FootprintPrediction all = predictions[0];
            Assert.That(all.NestedTransitions, Is.GreaterThan(300));
            Assert.That(Error(all.Predicted.Walks, all.Recorded.Walks), Is.LessThan(0.15), $"walks under {policy}");
            Assert.That(Error(all.Predicted.References, all.Recorded.References), Is.LessThan(0.15), $"references under {policy}");
            if (all.Recorded.Flushed > 0)
            {
                Assert.That(Error(all.Predicted.Flushed, all.Recorded.Flushed), Is.LessThan(0.15), $"flushed under {policy}");
            }
        }
    }

    [Test]
    public void Of_the_window_with_port_IO_that_no_other_has_the_other_exits_are_predicted_and_the_misses_are_told()
    {
        FootprintCheck check = OfCaptures.Value.Single(check => check.Recording == "bochs-vmx-mem.win1.pages.txt.xz");
        IReadOnlyList<FootprintPrediction> rows = check.Policies.Single(policy => policy.Policy == "kvm-4.20").Predictions;
        FootprintPrediction cpuid = rows.Single(row => row.Reason == Cpuid);
        FootprintPrediction io = rows.Single(row => row.Reason == 30);
        Assert.That(Error(cpuid.Predicted.Walks, cpuid.Recorded.Walks), Is.LessThan(0.15));
        Assert.That(Error(io.Predicted.Walks, io.Recorded.Walks), Is.GreaterThan(0.15), "good news: say so in docs/footprints.md");
        Assert.That(check.Substitutes.Where(substitute => substitute.IsStrange).Sum(substitute => substitute.Count), Is.GreaterThanOrEqualTo(44));
    }

    private static readonly Lazy<IReadOnlyList<FootprintCheck>> OfCaptures = new(() => FootprintValidation.Run(
        [.. Recordings.Cases("bochs-vmx-mem.win*.txt.xz").Select(recording => FootprintRecording.Open(Recordings.File((string)recording.Arguments[0]!)))],
        Machine(),
        ["kvm-4.20", "kvm-6.12", "always-guest"],
        1));

    private static double Error(long predicted, long recorded) => Math.Abs(predicted - recorded) / (double)recorded;

    private static IReadOnlyList<FootprintCheck> Run(params FootprintRecording[] recordings) => FootprintValidation.Run(recordings, Machine(), ["kvm-6.12", "always-guest"], 1);

    private static MachineSpec Machine() => RunConfiguration.Load(null, []).Machine;

    private static FootprintRecording Recording(string name, int exits, uint reason, int l1Pages) => Concatenation(name, (exits, reason, l1Pages));

    // Round trips in which L0 touches two pages on either side and L1 so many.
    private static FootprintRecording Concatenation(string name, params (int Exits, uint Reason, int L1Pages)[] parts) => new(name, 1, sink =>
    {
        TraceAppender appender = new(sink, 1);
        ulong time = 0;
        Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, Vmresume));
        Resume();
        foreach ((int exits, uint reason, int l1Pages) in parts)
        {
            for (int i = 0; i < exits; i++)
            {
                Event(TraceEvent.VmExit(0, TransitionKind.L2ToL0, 0, reason));
                Touch(1, 2);
                Event(TraceEvent.VmExit(0, TransitionKind.L2ToL1, 0, reason));
                Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
                Touch([.. Enumerable.Range(100, l1Pages).Select(page => (ulong)page)]);
                Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, Vmresume));
                Resume();
            }
        }

        appender.Complete();

        void Resume()
        {
            Event(TraceEvent.NestedEnter(0, 0, 0x5000, VmControls.EnableVpid | VmControls.EnableEpt, 1, 0x605E));
            Touch(1, 3);
            Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL2, 0));
        }

        void Event(TraceEvent e)
        {
            e.Time = time++;
            appender.Event(0, e);
        }

        void Touch(params ulong[] pages)
        {
            foreach (ulong page in pages)
            {
                appender.Access(0, time++, page << 12, AccessType.Read);
            }
        }
    });
}
