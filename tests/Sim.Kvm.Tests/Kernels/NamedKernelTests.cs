using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm.Tests.Kernels;

/// <summary>Names of kernels: which stand for one, what is said of one that is not known, and the arithmetic of versions.</summary>
[TestFixture]
public sealed class NamedKernelTests
{
    [TestCase("6.12", "6.12.1", -1)]
    [TestCase("6.12.9", "6.12.10", -1)]
    [TestCase("7.3-rc7", "7.3", -1)]
    [TestCase("7.3-rc7", "7.3-rc10", -1)]
    [TestCase("7.2.13", "7.3-rc1", -1)]
    [TestCase("6.12.0", "6.12", 0)]
    public void Versions_are_in_the_order_of_their_release(string a, string b, int order)
    {
        Assert.That(KernelVersion.Parse(a).CompareTo(KernelVersion.Parse(b)), Is.EqualTo(order));
        Assert.That(KernelVersion.Parse(b).CompareTo(KernelVersion.Parse(a)), Is.EqualTo(-order));
    }

    [TestCase("6")]
    [TestCase("6.1.2.3")]
    [TestCase("6.1.x")]
    [TestCase("6.01")]
    [TestCase("6.1-rc")]
    [TestCase("6.1-rc0")]
    [TestCase("6.1.3-rc2")]
    [TestCase("6.1.99999")]
    [TestCase("6..1")]
    [TestCase("")]
    public void What_is_no_version_is_none(string text) => Assert.That(KernelVersion.TryParse(text, out _), Is.False);

    // The release that took it, and the one before: in 6.1, 6.12, 7.2; brackets; series that never took it; series that nobody looked at.
    [TestCase("V9", "6.1.187", Presence.Absent)]
    [TestCase("V9", "6.1.188", Presence.Present)]
    [TestCase("V9", "6.12.109", Presence.Absent)]
    [TestCase("V9", "6.12.110", Presence.Present)]
    [TestCase("V9", "7.2", Presence.Absent)]
    [TestCase("V9", "7.2.4", Presence.Absent)]
    [TestCase("V9", "7.2.5", Presence.Present)]
    [TestCase("V9", "7.3-rc1", Presence.Present)]
    [TestCase("V9", "7.1.13", Presence.Absent)]
    [TestCase("V9", "7.1.14", Presence.Unknown)]
    [TestCase("V9", "5.15.85", Presence.Absent)]
    [TestCase("V9", "5.15.190", Presence.Unknown)]
    [TestCase("V9", "6.5.3", Presence.Unknown)]
    [TestCase("V10", "7.3-rc6", Presence.Unknown)]
    [TestCase("V10", "7.3-rc7", Presence.Present)]
    [TestCase("V11", "6.1.192", Presence.Absent)]
    [TestCase("V11", "6.1.193", Presence.Unknown)]
    [TestCase("V8", "6.1.118", Presence.Absent)]
    [TestCase("V8", "6.1.119", Presence.Present)]
    [TestCase("V8", "6.11.9", Presence.Absent)]
    [TestCase("V8", "6.11.10", Presence.Present)]
    [TestCase("V8", "6.12", Presence.Present)]
    [TestCase("V5", "5.15.6", Presence.Absent)]
    [TestCase("V5", "5.15.7", Presence.Present)]
    [TestCase("V5", "5.16-rc3", Presence.Absent)]
    [TestCase("V5", "5.16-rc4", Presence.Present)]
    [TestCase("V7", "5.10.83", Presence.Absent)]
    [TestCase("V7", "5.10.84", Presence.Present)]
    [TestCase("M2", "5.10.49", Presence.Present)]
    [TestCase("M2", "5.10.50", Presence.Absent)]
    [TestCase("M2", "5.13", Presence.Present)]
    [TestCase("M2", "5.14", Presence.Absent)]
    [TestCase("S3", "6.13", Presence.Present)]
    [TestCase("S3", "6.14", Presence.Absent)]
    [TestCase("S3", "6.12.118", Presence.Present)]
    [TestCase("S4", "7.1.4", Presence.Absent)]
    [TestCase("S4", "7.1.6", Presence.Unknown)]
    [TestCase("S4", "7.1.8", Presence.Present)]
    [TestCase("S5", "6.12.116", Presence.Absent)]
    [TestCase("S5", "6.12.117", Presence.Present)]
    [TestCase("S5", "7.3", Presence.Unknown)]
    [TestCase("S5", "7.3.2", Presence.Present)]
    [TestCase("S1", "5.12", Presence.BelievedAbsent)]
    [TestCase("S1", "5.13", Presence.BelievedPresent)]
    [TestCase("S8", "7.3.4", Presence.Absent)]
    [TestCase("S8", "7.3.5", Presence.Unknown)]
    [TestCase("A3", "7.0.11", Presence.Absent)]
    [TestCase("A3", "7.0.12", Presence.Present)]
    public void A_release_has_a_rule_from_the_one_on_that_took_it(string rule, string kernel, Presence presence) =>
        Assert.That(KernelTable.Shipped.Find(rule)!.In(KernelVersion.Parse(kernel)), Is.EqualTo(presence));

    [TestCase("H15", "5.10.49", Presence.Absent)]
    [TestCase("H15", "5.10.50", Presence.Present)]
    [TestCase("H15", "5.10.262", Presence.Present)]
    [TestCase("H15", "5.14", Presence.Absent)]
    [TestCase("H2", "5.10.223", Presence.Present)]
    [TestCase("H2", "6.1.118", Presence.Present)]
    [TestCase("H2", "6.1.119", Presence.Absent)]
    [TestCase("H1", "5.10.262", Presence.Present)]
    [TestCase("H4", "5.10.262", Presence.Present)]
    [TestCase("H4", "5.14", Presence.Absent)]
    [TestCase("H8", "5.10.83", Presence.Present)]
    [TestCase("H8", "5.10.84", Presence.Absent)]
    [TestCase("H16", "5.10.262", Presence.Absent)]
    [TestCase("H16", "6.12.109", Presence.Present)]
    [TestCase("H16", "6.12.110", Presence.Absent)]
    [TestCase("H17", "6.1.192", Presence.Present)]
    [TestCase("H18", "5.10.262", Presence.Absent)]
    [TestCase("H18", "6.12.116", Presence.Present)]
    [TestCase("H18", "6.12.117", Presence.Absent)]
    [TestCase("H21", "7.3.4", Presence.Present)]
    [TestCase("H24", "7.0", Presence.Absent)]
    [TestCase("H24", "6.18.2", Presence.Present)]
    [TestCase("H24", "6.18.3", Presence.Absent)]
    [TestCase("H24", "5.17.4", Presence.Absent)]
    [TestCase("H26", "6.1.192", Presence.Present)]
    [TestCase("H26", "6.12.94", Presence.Absent)]
    [TestCase("H27", "6.1.192", Presence.Absent)]
    public void A_hole_is_open_in_the_releases_between_what_opened_and_what_closed_it(string hole, string kernel, Presence open) =>
        Assert.That(KernelTable.Shipped.Holes.Single(known => known.Id == hole).In(KernelVersion.Parse(kernel)), Is.EqualTo(open));

    [TestCase("kvm-6.6.160", "nobody has looked whether 6.6.160 has V8")]
    [TestCase("kvm-7.4", "'kvm-7.4': 7.4 is newer than 7.3.4, the newest kernel that is known as of 2026-11-28")]
    [TestCase("kvm-3.10", "is older than 4.2, the oldest whose nVMX was read")]
    [TestCase("nsvm-5.4.214", "is older than 5.10, the oldest whose nSVM was read")]
    [TestCase("kvm-6.1.x", "Unknown policy 'kvm-6.1.x'. Did you mean")]
    [TestCase("kvm-6.1.x", "A kernel is named by its version: kvm-6.12.117 on Intel")]
    [TestCase("kvm-6.12.117~with-v9", "6.12.117 has V9 anyhow")]
    [TestCase("kvm-6.12.95~without-v9", "6.12.95 has not V9 anyhow")]
    [TestCase("kvm-6.12.117~without-v99", "Unknown rule 'v99'")]
    [TestCase("kvm-6.12.117~without-s5", "Rule S5 is not one of Intel hardware")]
    [TestCase("kvm-6.12.117~without-v13", "Rule V13 is known, but no part of the model")]
    [TestCase("never~without-v9", "never is no release of KVM")]
    [TestCase("kvm-6.12.117~ignores-invvpid~without-v9", "must stand before the mutants")]
    public void A_name_that_stands_for_no_kernel_says_why(string name, string message) =>
        Assert.That(() => Safety.Mutant.Named(name), Throws.TypeOf<ConfigurationException>().With.Message.Contains(message));

    [TestCase("kvm-6.6.160~assume-absent", false)]
    [TestCase("kvm-6.6.160~assume-present", true)]
    [TestCase("kvm-6.6.160~assume-absent~with-v11", true)]
    public void What_is_not_known_can_be_assumed(string name, bool isFixed) => Assert.That(Safety.Mutant.Named(name).Rules(Vendor.Intel).InvvpidOnVmcs02Cpu, Is.EqualTo(isFixed));

    [Test]
    public void Names_without_a_third_number_are_releases_of_mainline_but_for_those_that_the_table_names()
    {
        Assert.That(Safety.Mutant.Named("kvm-6.1").Rules(Vendor.Intel).FlushGuestVpid, Is.EqualTo(CurrentVpid.Vpid02InGuestMode));
        Assert.That(Safety.Mutant.Named("kvm-7.2").Release, Is.EqualTo(KernelVersion.Parse("7.2.13")));
        Assert.That(Safety.Mutant.Named("kvm-7.2.0").Rules(Vendor.Intel).ForgetsVpid12AtVmxon, Is.False);
        Assert.That(Safety.Mutant.Named("kvm-7.2").Rules(Vendor.Intel).ForgetsVpid12AtVmxon, Is.True);
    }

    [Test]
    public void Every_modelled_rule_changes_a_kernel_that_has_it_or_lacks_it()
    {
        foreach (DatedRule rule in KernelTable.Shipped.Rules.Where(rule => rule.IsModelled && rule.Id is not ("M9" or "V4a")))
        {
            Vendor vendor = rule.Vendor ?? Vendor.Intel;
            bool changes = KernelTable.Shipped.Kernels.Where(kernel => rule.In(kernel) is Presence.Present or Presence.Absent).Any(kernel =>
            {
                if (vendor == Vendor.Amd && kernel < new KernelVersion(5, 10, 0))
                {
                    return false;
                }

                string name = NamedKernel.NameOf(vendor, kernel);
                IFlushPolicy before = Safety.Mutant.Named($"{name}~assume-absent", vendor);
                IFlushPolicy after = Safety.Mutant.Named($"{name}~assume-absent~{(rule.In(kernel) == Presence.Present ? "without" : "with")}-{rule.Id.ToLowerInvariant()}", vendor);
                return before.Rules(vendor) != after.Rules(vendor) || Decisions(before) != Decisions(after);
            });
            Assert.That(changes, Is.True, rule.Id);
        }
    }

    private static string Decisions(IFlushPolicy policy) => string.Join(';', Enumerable.Range(0, 128).Select(facts =>
    {
        FlushDecision decision = new();
        policy.OnTransition(new NestedTransition((facts & 1) != 0, (facts & 2) != 0, (facts & 4) != 0, (facts & 8) != 0, (facts & 16) != 0, (facts & 32) != 0, (facts & 64) != 0), decision);
        return string.Join(',', decision.Steps);
    }));
}
