using Sim.Core.Profiles;

namespace Sim.Kvm.Tests.Kernels;

/// <summary>The rules of seven kernels whose source was read, each as a vector, beside what the table of dated rules and the composed kernel say.</summary>
[TestFixture]
public sealed class RuleVectorTests
{
    private static readonly string[] Kernels = ["5.10.223", "6.1.192", "6.12.95", "6.12.117", "7.2.13", "7.3-rc7", "7.3.4"];

    /// <summary>y: the kernel has the rule. One letter a kernel, in the order above.</summary>
    private static readonly (string Rule, string Has)[] Read =
    [
        ("V1", "yyyyyyy"), ("V2", "yyyyyyy"), ("V3", "yyyyyyy"), ("V4a", "ynnnnnn"), ("V4b", "nyyyyyy"), ("V4c", "ynnnnnn"), ("V5", "nyyyyyy"), ("V6", "nyyyyyy"), ("V7", "yyyyyyy"), ("V8", "nyyyyyy"),
        ("V9", "nynyyyy"), ("V10", "nynyyyy"), ("V11", "nnnyyyy"), ("V12", "nyyyyyy"), ("V13", "nyyyyyy"), ("V14", "nynyyny"),
        ("M1a", "nnnnnnn"), ("M1b", "nyyyyyy"), ("M2", "nnnnnnn"), ("M3", "nyyyyyy"), ("M4", "nnnnnnn"), ("M5", "nyyyyyy"), ("M6", "nyyyyyy"), ("M8", "nyyyyyy"), ("M9", "yyyyyyy"), ("M11", "nyyyyyy"),
        ("M12", "nnyyyyy"), ("M13", "nnnnnnn"), ("M14", "yynnnnn"),
        ("S1", "nyyyyyy"), ("S2", "nyyyyyy"), ("S3", "yyyynnn"), ("S4", "nynyyyy"), ("S5", "nnnynny"), ("S6", "nnnyyyy"), ("S7", "nnnnyyy"), ("S8", "nnnnnnn"), ("S9", "nnnnnnn"),
        ("A1", "nyyyyyy"), ("A2", "nyyyyyy"), ("A3x", "nyyyyyy"), ("A3", "nnyyyyy"), ("A8", "nyyyyyy"), ("A9", "nyyyyyy"), ("A10", "nyyyyyy"), ("A11", "nnyyyyy"), ("A12", "nnnnyyy"), ("A14", "nynyyyy"),
        ("HF", "nnyyyyy"), ("HFn", "nnyyyyy"),
    ];

    private static IEnumerable<TestCaseData> Cells =>
        from row in Read
        from at in Enumerable.Range(0, Kernels.Length)
        select new TestCaseData(row.Rule, Kernels[at], row.Has[at] == 'y').SetArgDisplayNames(row.Rule, Kernels[at], row.Has[at] == 'y' ? "has it" : "has it not");

    [TestCaseSource(nameof(Cells))]
    public void A_kernel_has_the_rules_that_were_read_in_its_source(string rule, string kernel, bool has) =>
        Assert.That(KernelTable.Shipped.Find(rule)!.In(KernelVersion.Parse(kernel)), Is.EqualTo(has ? Presence.Present : Presence.Absent));

    [Test]
    public void A_kernel_of_the_5_10_series_from_50_to_262_is_the_mixture_that_was_read()
    {
        KernelRules rules = Named("kvm-5.10.223").Rules(Vendor.Intel);

        Assert.That(rules.ShadowGuestFlush, Is.EqualTo(ShadowGuestFlush.HardwareOnly));
        Assert.That((rules.FlushCurrentVpid, rules.FlushGuestVpid), Is.EqualTo((CurrentVpid.Vpid02InGuestMode, CurrentVpid.Vpid02InGuestMode)));
        Assert.That(Named("kvm-5.10.83").Rules(Vendor.Intel).FlushGuestVpid, Is.EqualTo(CurrentVpid.Vpid01));
        Assert.That((rules.ServicesCurrentBeforeSwitch, rules.ServicesGuestBeforeSwitch, rules.SyncsRootWithoutVpid12), Is.EqualTo((true, false, false)));
        Assert.That(Named("kvm-5.10.49").Rules(Vendor.Intel).SyncsRootWithoutVpid12, Is.True);
        Assert.That(rules.Invvpid, Is.EqualTo(InvvpidEmulation.FlushVpid02FreeRoots));
        Assert.That(Named("kvm-5.10.262").Rules(Vendor.Intel), Is.EqualTo(rules));
    }

    // policy | V0 E0 V12 v02 new | what is decided at an entry
    [TestCase("kvm-5.10.223", "V0", "All, Guest")]
    [TestCase("kvm-5.10.223", "V0 E0", "All")]
    [TestCase("kvm-5.10.223", "", "")]
    [TestCase("kvm-5.10.49", "V0", "All")]
    [TestCase("kvm-5.10.223", "V0 E0 V12 v02 new", "now Vpid02")]
    [TestCase("kvm-5.10.223", "V0 V12 new", "Current")]
    [TestCase("kvm-5.15.6", "V0 E0 V12 v02 new", "now Vpid02")]
    [TestCase("kvm-5.15.7", "V0 E0 V12 v02 new", "Guest")]
    [TestCase("kvm-6.1.192", "V0 V12 new", "Guest")]
    [TestCase("kvm-6.1.192", "", "Guest")]
    [TestCase("kvm-5.10.223~with-v5", "V0 E0 V12 v02 new", "Guest")]
    [TestCase("kvm-6.12.117~without-v5", "V0 E0 V12 v02 new", "now Vpid02")]
    [TestCase("kvm-5.7", "V0 E0", "All")]
    [TestCase("kvm-4.19", "V0 E0", "now Active")]
    public void A_kernel_by_version_decides_as_its_rules_say(string kernel, string facts, string decided)
    {
        string[] on = facts.Split(' ');
        FlushDecision decision = new();
        Named(kernel + (kernel.StartsWith("kvm-5.15", StringComparison.Ordinal) ? "~assume-absent" : "")).OnTransition(
            new NestedTransition(true, on.Contains("V0"), on.Contains("E0"), on.Contains("V12"), false, on.Contains("v02"), on.Contains("new")), decision);

        Assert.That(string.Join(", ", decision.Steps.Select(step => step.Immediate is { } now ? $"now {now}" : step.Request.ToString())), Is.EqualTo(decided));
    }

    [Test]
    public void The_policies_that_are_files_are_the_releases_that_they_say()
    {
        foreach (Core.Catalogue<IFlushPolicy>.Entry entry in Safety.Mutant.All.Entries)
        {
            IFlushPolicy policy = Safety.Mutant.All.Create(entry.Name);
            if (policy.Release is { } release)
            {
                Vendor vendor = policy.Supports(Vendor.Amd) ? Vendor.Amd : Vendor.Intel;
                NamedKernel kernel = NamedKernel.Create(entry.Name, vendor, release, "assume-absent");
                Assert.That(kernel.Rules(vendor), Is.EqualTo(policy.Rules(vendor)), entry.Name);
                for (int facts = 0; facts < 128; facts++)
                {
                    NestedTransition at = new((facts & 1) != 0, (facts & 2) != 0, (facts & 4) != 0, (facts & 8) != 0, (facts & 16) != 0, (facts & 32) != 0, (facts & 64) != 0);
                    (FlushDecision a, FlushDecision b) = (new FlushDecision(), new FlushDecision());
                    policy.OnTransition(at, a);
                    kernel.OnTransition(at, b);
                    Assert.That((b.Steps, b.Vpid12Remembered), Is.EqualTo((a.Steps, a.Vpid12Remembered)), $"{entry.Name}: {at}");
                }
            }
        }
    }

    private static IFlushPolicy Named(string name) => Safety.Mutant.Named(name);
}
