using System.Globalization;

namespace Sim.Kvm.Tests.Safety;

/// <summary>Random machines: oracle and naive reference agree on every access; policies claimed safe are, those known to be unsafe are caught within 10,000 operations.</summary>
[TestFixture]
public sealed class SafetyFuzzTests
{
    private const int Short = 6_000;
    private const int Caught = 10_000;

    private static readonly string[] Tags = ["vpid", "no vpid", "no vpid02"];

    private static readonly string[] Intel =
        ["kvm-4.2", "kvm-4.4", "kvm-4.20", "kvm-5.8", "kvm-5.14", "kvm-5.16", "kvm-6.2", "kvm-6.12", "kvm-6.12.117", "always-current", "always-guest", "always-all", "never", "vpid02-per-vpid12"];

    private static readonly string[] Amd = ["nsvm-5.10", "nsvm-5.8", "nsvm-6.14", "nsvm-7.2", "nsvm-l2-asid", "nsvm-l2-asid-per-vm", "always-current", "always-guest", "always-all", "never"];

    /// <summary>Every policy in every machine; with PCIDs, but for 5.8 without EPT, which is not safe with them (H4).</summary>
    private static readonly Claim[] All =
    [
        .. from policy in Intel from tags in Tags select new Claim(policy, false, false, policy != "kvm-5.8", tags, IsSafeWithoutEpt(policy, tags)),
        .. from policy in Amd select new Claim(policy, true, true, true, "vpid", policy is "nsvm-5.10" or "nsvm-5.8" or "nsvm-6.14" or "nsvm-7.2" or "nsvm-l2-asid" or "nsvm-l2-asid-per-vm" or "always-guest"),
        .. from policy in new[] { "nsvm-5.8", "nsvm-7.2" } select new Claim(policy, true, false, true, "vpid", true),
        .. from policy in Intel from tags in Tags where tags == "no vpid" || !FlushesAnotherVpidAtCr4(policy) select new Claim(policy, false, true, true, tags, policy != "never" || tags == "no vpid"),
    ];

    private static IEnumerable<TestCaseData> Claims =>
        All.Select(claim => new TestCaseData(claim.Policy, claim.Amd, claim.Ept, claim.Pcids, claim.Tags, claim.IsSafe)
            .SetArgDisplayNames(claim.Policy, claim.Machine, claim.Tags, claim.IsSafe ? "safe" : "unsafe"));

    /// <summary>The safe ones, with all of their tag cases in turn.</summary>
    private static IEnumerable<TestCaseData> SafePolicies =>
        All.Where(claim => claim.IsSafe).GroupBy(claim => (claim.Policy, claim.Amd, claim.Ept, claim.Pcids, claim.Machine)).Select(each => (each.Key, Tags: each.Select(claim => claim.Tags).ToArray()))
            .Select(each => new TestCaseData(each.Key.Policy, each.Key.Amd, each.Key.Ept, each.Key.Pcids, each.Tags).SetArgDisplayNames(each.Key.Policy, each.Key.Machine, string.Join(" and ", each.Tags)));

    [TestCaseSource(nameof(Claims))]
    public void A_policy_is_what_it_is_claimed_to_be(string policy, bool amd, bool ept, bool pcids, string tags, bool isSafe)
    {
        if (isSafe)
        {
            ulong fresh = FuzzSeed.Fresh();
            FuzzRun run = new FuzzRun(seed => new SafetyFuzz(Mutant.Named(policy), amd, ept, tags, pcids, seed ^ fresh)).Run(Short);
            Assert.That(run.Finding, Is.Null);
            Assert.That(run.Permitted, Is.Positive, "old translations are used where that is allowed");
            return;
        }

        int caught = OperationsToCatch(Mutant.Named(policy), amd, ept, pcids, tags);
        TestContext.Out.WriteLine($"{policy}, {(amd ? "AMD" : ept ? "EPT" : "no-EPT")}, {tags}: caught after {caught} operations");
        Assert.That(caught, Is.LessThanOrEqualTo(Caught));
    }

    /// <summary>Ten million operations for every policy that is claimed safe: by hand.</summary>
    [TestCaseSource(nameof(SafePolicies))]
    [Explicit("NESTSIM_FUZZ_STEPS operations each, ten million if it is not set")]
    public void Safe_policies_stay_safe(string policy, bool amd, bool ept, bool pcids, string[] tags)
    {
        long operations = long.Parse(Environment.GetEnvironmentVariable("NESTSIM_FUZZ_STEPS") ?? "10000000", CultureInfo.InvariantCulture);
        FuzzRun run = new FuzzRun(seed => new SafetyFuzz(Mutant.Named(policy), amd, ept, tags[(int)(seed % (ulong)tags.Length)], pcids, seed)).Run(operations, Environment.ProcessorCount);
        TestContext.Out.WriteLine($"| {policy} | {(amd ? "AMD" : ept ? "EPT" : "no-EPT")} | {string.Join(", ", tags)} | {run.Operations} | {run.Permitted} |");
        Assert.That(run.Finding, Is.Null);
    }

    /// <summary>Operations until the first wrong use, on the machine of four that comes to it first; more than <see cref="Caught"/> if none did by then.</summary>
    private static int OperationsToCatch(IFlushPolicy policy, bool amd, bool ept, bool pcids, string tags)
    {
        SafetyFuzz[] machines = [.. Enumerable.Range(1, 4).Select(seed => new SafetyFuzz(policy, amd, ept, tags, pcids, (ulong)seed))];
        int operations = 0;
        while (operations <= Caught && Array.TrueForAll(machines, machine => machine.Incidents == 0))
        {
            Array.ForEach(machines, machine => machine.Step());
            operations++;
        }

        return operations;
    }

    private static bool IsSafeWithoutEpt(string policy, string tags) => policy switch
    {
        "kvm-4.2" or "kvm-6.12" or "kvm-6.12.117" or "always-guest" => true,
        "kvm-4.4" or "kvm-4.20" or "kvm-5.8" or "kvm-5.14" or "kvm-5.16" or "kvm-6.2" or "vpid02-per-vpid12" => tags == "no vpid",
        _ => false,
    };

    /// <summary>
    /// A write of CR4 by L2 that exits is a guest flush, which up to 5.15 hits vpid01 (H8), and up to the fix of 2024 vpid02 even where L2 has no VPID (H2). With EPT that takes an unlucky order of a few operations:
    /// no safety is claimed, and none is caught for certain. The scenarios of these holes show it.
    /// </summary>
    private static bool FlushesAnotherVpidAtCr4(string policy) => policy is "kvm-5.8" or "kvm-5.14" or "kvm-5.16" or "kvm-6.2";

    /// <summary>A policy in a machine, and whether it is claimed to be safe there.</summary>
    private sealed record Claim(string Policy, bool Amd, bool Ept, bool Pcids, string Tags, bool IsSafe)
    {
        public string Machine => Amd ? "AMD" : Ept ? "EPT" : "no-EPT";
    }
}
