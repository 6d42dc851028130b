namespace Sim.Validation.Tests;

/// <summary>
/// Recordings in which L0 or L1 is configured in other ways than by default, or several VMs run (captures2): what the levels are configured as is read off the recording, and what depends on the
/// time before it is listed and not counted.
/// </summary>
public sealed class VmxSituationTests
{
    // Recording, policy, matched, not judged. Nothing is missed, nothing invented.
    [TestCase("bochs-vmx-6.12.117.a-pagetables.hw.txt.xz", "kvm-6.12.117", 1037, 4)]
    [TestCase("bochs-vmx-6.12.117.b-two-l2-pagetables.hw.txt.xz", "kvm-6.12.117", 1942, 9)]
    [TestCase("bochs-vmx-6.12.117.c-l1-vpid0-two-l2.hw.txt.xz", "kvm-6.12.117", 1537, 1)]
    [TestCase("bochs-vmx-6.12.117.d-l1-ept0.hw.txt.xz", "kvm-6.12.117", 3, 0)]
    [TestCase("bochs-vmx-6.12.117.e-l0-ept0.hw.txt.xz", "kvm-6.12.117", 44, 214)]
    [TestCase("bochs-vmx-6.12.117.f-l0-vpid0-two-l2.hw.txt.xz", "kvm-6.12.117", 219, 1)]
    [TestCase("bochs-vmx-6.12.117.g-l1-ept0-pagetables.hw.txt.xz", "kvm-6.12.117", 1960, 7)]
    [TestCase("bochs-vmx-6.12.117.p-mix.hw.txt.xz", "kvm-6.12.117", 641, 0)]
    [TestCase("bochs-vmx-6.12.95.a-plain.hw.txt.xz", "kvm-6.12", 14, 0)]
    [TestCase("bochs-vmx-6.12.95.b-two-l2.hw.txt.xz", "kvm-6.12", 624, 3)]
    [TestCase("bochs-vmx-6.12.95.c-l1-vpid0.hw.txt.xz", "kvm-6.12", 994, 0)]
    [TestCase("bochs-vmx-6.12.95.d-l1-ept0-two-l2.hw.txt.xz", "kvm-6.12", 209, 3)]
    [TestCase("bochs-vmx-6.12.95.f-l0-vpid0.hw.txt.xz", "kvm-6.12", 11, 0)]
    [RecordingBeside("bochs-vmx-6.12.95.e-l0-ept0-two-l2.hw.txt.xz", "kvm-6.12", 255, 212)]
    [RecordingBeside("bochs-vmx-6.12.117.e-l0-ept0-pagetables.hw.txt.xz", "kvm-6.12.117", 4290, 750)]
    [TestCase("bochs-vmx-6.12.95.h-vmxoff-vmxon.hw.txt.xz", "kvm-6.12", 27, 4)]
    [TestCase("bochs-vmx-6.12.95.i-hop-l0.hw.txt.xz", "kvm-6.12", 67, 4)]
    [TestCase("bochs-vmx-6.12.95.i-hop-l1.hw.txt.xz", "kvm-6.12", 67, 3)]
    [TestCase("bochs-vmx-6.12.95.j-two-l1-pagetables.hw.txt.xz", "kvm-6.12", 968, 14)]
    [TestCase("bochs-vmx-7.2.13.a-plain.hw.txt.xz", "kvm-6.12.117", 11, 1)]
    [TestCase("bochs-vmx-7.2.13.d-l1-ept0-two-l2.hw.txt.xz", "kvm-6.12.117", 204, 8)]
    [TestCase("bochs-vmx-7.3-rc7.d-l1-ept0.hw.txt.xz", "kvm-6.12.117", 3, 0)]
    [TestCase("bochs-vmx-6.1.176.b-two-l2-ft.hw.txt.xz", "kvm-5.16", 264, 4)]
    [RecordingBeside("bochs-vmx-6.12.95.c-l1-vpid0-pagetables.hw.txt.xz", "kvm-6.12", 4446, 1)]
    [RecordingBeside("bochs-vmx-6.12.95.f-l0-vpid0-pagetables.hw.txt.xz", "kvm-6.12", 950, 3)]
    [RecordingBeside("bochs-vmx-7.2.13.b-two-l2.hw.txt.xz", "kvm-6.12.117", 621, 5)]
    [RecordingBeside("bochs-vmx-7.2.13.h-vmxoff-vmxon.hw.txt.xz", "kvm-6.12.117", 20, 9)]
    [RecordingBeside("bochs-vmx-7.3-rc7.b-two-l2-pagetables.hw.txt.xz", "kvm-6.12.117", 1942, 9)]
    [RecordingBeside("bochs-vmx-7.3-rc7.g-l1-ept0-pagetables.hw.txt.xz", "kvm-6.12.117", 1960, 7)]
    [RecordingBeside("bochs-vmx-6.1.176.a-pagetables.hw.txt.xz", "kvm-5.16", 1495, 2)]
    [RecordingBeside("bochs-vmx-6.1.176.b-two-l2-pagetables.hw.txt.xz", "kvm-5.16", 2791, 5)]
    [RecordingBeside("bochs-vmx-6.1.176.g-l1-ept0-pagetables.hw.txt.xz", "kvm-5.16", 1964, 3)]
    [RecordingBeside("bochs-vmx-5.10.223.d-l1-ept0-two-l2.hw.txt.xz", "kvm-5.8", 209, 3)]
    public void Every_flush_of_the_situation_is_predicted_and_none_invented(string recording, string policy, int matched, int notRecorded)
    {
        FlushValidation result = FlushValidation.Of(Recordings.File(recording), policy);
        Assert.That(
            (result.Count(FlushMatch.Matched), result.Count(FlushMatch.Missed), result.Count(FlushMatch.Invented), result.Count(FlushMatch.Unrecorded)), Is.EqualTo(((long)matched, 0L, 0L, (long)notRecorded)));
    }

    // L1 without VPID: 5.16's current VPID is vpid02 while L2 runs, 6.12's is vpid01; nothing else is in the way.
    [TestCase("bochs-vmx-6.12.117.c-l1-vpid0-two-l2.hw.txt.xz", "kvm-5.16")]
    [TestCase("bochs-vmx-6.12.95.c-l1-vpid0.hw.txt.xz", "kvm-5.8")]
    [TestCase("bochs-vmx-6.12.95.b-two-l2.hw.txt.xz", "kvm-4.20")]
    [TestCase("bochs-vmx-6.12.117.f-l0-vpid0-two-l2.hw.txt.xz", "kvm-4.20")]
    public void A_kernel_that_differs_by_a_rule_which_the_situation_exercises_fails(string recording, string policy) =>
        Assert.That(FlushValidation.Of(Recordings.File(recording), policy).Passed, Is.False);

    [TestCase("bochs-vmx-6.12.117.e-l0-ept0.hw.txt.xz", "L0 without EPT, with VPID")]
    [TestCase("bochs-vmx-6.12.95.f-l0-vpid0.hw.txt.xz", "L0 with EPT, without VPID")]
    [TestCase("bochs-vmx-6.12.95.b-two-l2.hw.txt.xz", "L0 with EPT, with VPID")]
    public void What_was_read_off_the_recording_is_said(string recording, string expected) =>
        Assert.That(string.Join('\n', FlushValidation.Of(Recordings.File(recording)).Remarks), Does.Contain(expected).And.Contain("those that L1 loaded and wrote"));

    // 5.10 and 6.1 zap the entry at which L2 faulted before they tell L1; 6.12 does not, and misses those.
    [RecordingBeside("bochs-vmx-6.1.176.a-pagetables.hw.txt.xz", 456)]
    [RecordingBeside("bochs-vmx-6.1.176.b-two-l2-pagetables.hw.txt.xz", 846)]
    public void A_kernel_that_only_compares_a_reflected_address_misses_its_flushes(string recording, int missed) =>
        Assert.That(FlushValidation.Of(Recordings.File(recording), "kvm-6.12").Differences.Select(flush => $"{flush.Match} {flush.Kind} {flush.Place}").ToArray(),
            Is.EqualTo(Enumerable.Repeat("Missed INVEPT global L2 EPT_VIOLATION, nested exit", missed)));

    [TestCase("bochs-vmx-6.12.117.e-l0-ept0.hw.txt.xz", "Not judged, 128: Without EPT in L0: what the page tables hold at a page fault")]
    [TestCase("bochs-vmx-6.12.117.e-l0-ept0.hw.txt.xz", "Not judged, 63: Without EPT in L0: bit 63 of CR3")]
    [TestCase("bochs-vmx-6.12.117.a-pagetables.hw.txt.xz", "Not judged, 2: INVVPID of L1 before the vCPU's first recorded nested VM-entry")]
    public void What_could_not_be_judged_is_named_with_the_reason(string recording, string expected) =>
        Assert.That(FlushValidation.Of(Recordings.File(recording)).Remarks, Has.Some.StartsWith(expected));
}
