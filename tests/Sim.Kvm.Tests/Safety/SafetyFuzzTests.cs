using System.Globalization;

namespace Sim.Kvm.Tests.Safety;

/// <summary>Random machines: oracle and naive reference agree on every access; policies claimed safe are, those known to be unsafe are caught within 10,000 operations.</summary>
[TestFixture]
public sealed class SafetyFuzzTests
{
    private const int Steps = 6_000;

    private static readonly string[] Intel =
        ["kvm-4.2", "kvm-4.4", "kvm-4.20", "kvm-5.8", "kvm-5.14", "kvm-5.16", "kvm-6.2", "kvm-6.12", "kvm-6.12.117", "always-current", "always-guest", "always-all", "never", "vpid02-per-vpid12"];

    private static readonly string[] Amd = ["nsvm-5.8", "always-current", "always-guest", "always-all", "never", "nsvm-l2-asid"];

    [Test]
    public void Intel_with_EPT([ValueSource(nameof(Intel))] string policy, [Values("vpid", "no vpid", "no vpid02")] string tags) =>
        Fuzz(Mutant.Named(policy), false, true, tags, pcids: true, isSafe: policy != "never" || tags == "no vpid");

    [Test]
    public void Intel_without_EPT([ValueSource(nameof(Intel))] string policy, [Values("vpid", "no vpid", "no vpid02")] string tags) =>
        Fuzz(Mutant.Named(policy), false, false, tags, pcids: false, IsSafeWithoutEpt(policy, tags));

    [Test]
    public void Amd_with_NPT([ValueSource(nameof(Amd))] string policy) =>
        Fuzz(Mutant.Named(policy), true, true, "vpid", pcids: true, isSafe: policy is "nsvm-5.8" or "always-guest" or "nsvm-l2-asid");

    /// <summary>
    /// Found by this fuzz: since 5.17 a guest flush without EPT keeps cached roots that are in sync at that moment. If the guest then changes their tables and goes back to them by a MOV to CR3
    /// without a flush, they are used unsynced, although the flush had emptied the TLB of that PCID. Dropping all roots, as 5.14 to 5.16 do, is safe.
    /// </summary>
    [Test]
    public void A_guest_flush_that_keeps_cached_roots_is_unsafe_with_PCIDs([Values] bool unloads)
    {
        Mutant policy = new("kvm-6.12", rules => rules with { ShadowGuestFlush = unloads ? ShadowGuestFlush.Unload : ShadowGuestFlush.Sync });
        Fuzz(policy, false, false, "vpid", pcids: true, isSafe: unloads);
    }

    /// <summary>A bug put into each rule in turn is caught; the unchanged kernel is safe (the tests above, and the first case).</summary>
    [Test]
    public void A_deliberate_bug_in_each_rule_is_caught([Values(
        KernelDefects.None, KernelDefects.NoFlushOnOtherCpu, KernelDefects.FlushAllByVpid, KernelDefects.FlushAllActiveOnly, KernelDefects.FlushGuestRetainsGlobals, KernelDefects.NoSyncOnRootLoad,
        KernelDefects.NoSyncOnGuestFlush, KernelDefects.NoSyncOnInvlpg, KernelDefects.NoSyncOnRequest, KernelDefects.NoRemoteFlush, KernelDefects.NoAddressFlush)]
        KernelDefects defect)
    {
        Mutant policy = new("kvm-6.12", rules => rules with { SyncFlushes = false, Defects = defect });
        int caught = int.MaxValue;
        foreach (bool ept in new[] { true, false })
        {
            SafetyFuzz fuzz = new(policy, false, ept, "vpid", ept, 3);
            int step = 0;
            while (step < 10_000 && fuzz.Incidents == 0)
            {
                fuzz.Step();
                step++;
            }

            caught = fuzz.Incidents > 0 ? Math.Min(caught, step) : caught;
        }

        TestContext.Out.WriteLine($"{defect}: {(caught == int.MaxValue ? "safe" : $"caught after {caught} operations")}");
        Assert.That(caught != int.MaxValue, Is.EqualTo(defect != KernelDefects.None));
    }

    /// <summary>Ten million operations for every policy that is claimed safe: by hand, about an hour.</summary>
    [Test]
    [Explicit("NESTSIM_FUZZ_STEPS operations each, ten million if it is not set")]
    public void Safe_policies_stay_safe(
        [Values("kvm-6.12", "always-guest", "kvm-5.16", "nsvm-5.8", "nsvm-l2-asid")] string policy, [Values("vpid", "no vpid02")] string tags, [Values] bool ept)
    {
        bool amd = policy.StartsWith("nsvm", StringComparison.Ordinal);
        if (amd ? !ept || tags != "vpid" : !ept && !IsSafeWithoutEpt(policy, tags))
        {
            Assert.Ignore("no such claim");
        }

        long operations = long.Parse(Environment.GetEnvironmentVariable("NESTSIM_FUZZ_STEPS") ?? "10000000", CultureInfo.InvariantCulture);
        FuzzRun run = new FuzzRun(seed => new SafetyFuzz(Mutant.Named(policy), amd, ept, tags, ept, seed)).Run(operations, Environment.ProcessorCount);
        TestContext.Out.WriteLine($"{policy} {(ept ? "EPT" : "no EPT")} {tags}: {run.Operations} operations, {run.Permitted} permitted uses of old translations");
        Assert.That(run.Finding, Is.Null);
    }

    private static void Fuzz(IFlushPolicy policy, bool amd, bool ept, string tags, bool pcids, bool isSafe)
    {
        if (isSafe)
        {
            FuzzRun run = new FuzzRun(seed => new SafetyFuzz(policy, amd, ept, tags, pcids, seed)).Run(Steps);
            Assert.That(run.Finding, Is.Null);
            Assert.That(run.Permitted, Is.Positive, "old translations are used where that is allowed");
            return;
        }

        SafetyFuzz fuzz = new(policy, amd, ept, tags, pcids, 1);
        for (int step = 0; step < Steps; step++)
        {
            fuzz.Step();
        }

        Assert.That(fuzz.Incidents, Is.Positive);
        Assert.That(fuzz.Permitted, Is.Positive, "old translations are used where that is allowed");
    }

    private static bool IsSafeWithoutEpt(string policy, string tags) => policy switch
    {
        "kvm-4.2" or "kvm-6.12" or "kvm-6.12.117" or "always-guest" or "vpid02-per-vpid12" => true,
        "kvm-4.4" or "kvm-4.20" or "kvm-5.8" or "kvm-5.14" or "kvm-5.16" or "kvm-6.2" => tags == "no vpid",
        _ => false,
    };
}
