namespace Sim.Validation.Tests;

/// <summary>
/// Recordings in which L0 or L1 is configured in other ways than by default, or several VMs run (captures2): what the levels are configured as is read off the recording, and what depends on the
/// time before it is listed and not counted.
/// </summary>
public sealed class VmxSituationTests
{
    // Recording, policy, matched, not recorded. Nothing is missed, nothing invented.
    [TestCase("6.12.117.a-pagetables", "kvm-6.12.117", 1037, 4)]
    [TestCase("6.12.117.b-two-l2-pagetables", "kvm-6.12.117", 1942, 9)]
    [TestCase("6.12.117.c-l1-vpid0-two-l2", "kvm-6.12.117", 1537, 1)]
    [TestCase("6.12.117.d-l1-ept0", "kvm-6.12.117", 3, 0)]
    [TestCase("6.12.117.e-l0-ept0", "kvm-6.12.117", 44, 214)]
    [TestCase("6.12.117.f-l0-vpid0-two-l2", "kvm-6.12.117", 219, 1)]
    [TestCase("6.12.117.g-l1-ept0-pagetables", "kvm-6.12.117", 1960, 7)]
    [TestCase("6.12.117.p-mix", "kvm-6.12.117", 641, 0)]
    [TestCase("6.12.95.a-plain", "kvm-6.12", 14, 0)]
    [TestCase("6.12.95.b-two-l2", "kvm-6.12", 624, 3)]
    [TestCase("6.12.95.c-l1-vpid0", "kvm-6.12", 994, 0)]
    [TestCase("6.12.95.d-l1-ept0-two-l2", "kvm-6.12", 209, 3)]
    [TestCase("6.12.95.f-l0-vpid0", "kvm-6.12", 11, 0)]
    [TestCase("6.12.95.i-hop-l0", "kvm-6.12", 67, 4)]
    public void Every_flush_of_the_situation_is_predicted_and_none_invented(string recording, string policy, int matched, int notRecorded)
    {
        FlushValidation result = FlushValidation.Of(Recording(recording), policy);
        Assert.That(
            (result.Count(FlushMatch.Matched), result.Count(FlushMatch.Missed), result.Count(FlushMatch.Invented), result.Count(FlushMatch.Unrecorded)), Is.EqualTo(((long)matched, 0L, 0L, (long)notRecorded)));
    }

    // L1 without VPID: 5.16's current VPID is vpid02 while L2 runs, 6.12's is vpid01; nothing else is in the way.
    [TestCase("6.12.117.c-l1-vpid0-two-l2", "kvm-5.16")]
    [TestCase("6.12.95.c-l1-vpid0", "kvm-5.8")]
    [TestCase("6.12.95.b-two-l2", "kvm-4.20")]
    [TestCase("6.12.117.f-l0-vpid0-two-l2", "kvm-4.20")]
    public void A_kernel_that_differs_by_a_rule_which_the_situation_exercises_fails(string recording, string policy) =>
        Assert.That(FlushValidation.Of(Recording(recording), policy).Passed, Is.False);

    [TestCase("6.12.117.e-l0-ept0", "L0 without EPT, with VPID")]
    [TestCase("6.12.95.f-l0-vpid0", "L0 with EPT, without VPID")]
    [TestCase("6.12.95.b-two-l2", "L0 with EPT, with VPID")]
    public void What_was_read_off_the_recording_is_said(string recording, string expected) =>
        Assert.That(string.Join('\n', FlushValidation.Of(Recording(recording)).Remarks), Does.Contain(expected).And.Contain("those that L1 loaded and wrote"));

    private static string Recording(string name) => Recordings.File(Path.Combine("..", "captures2", $"bochs-vmx-{name}.hw.txt.xz"));
}
