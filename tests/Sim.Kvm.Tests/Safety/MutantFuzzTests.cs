using Sim.Core.Profiles;

namespace Sim.Kvm.Tests.Safety;

/// <summary>Each mutant under random operations: a fuzz that finds nothing wrong with a kernel finds something wrong with the kernel's mutant.</summary>
[TestFixture]
public sealed class MutantFuzzTests
{
    private const int Steps = 10_000;
    private const int Seeds = 3;

    private static readonly Machine[] Machines =
    [
        new("kvm-6.12", true, "vpid"), new("kvm-6.12", false, "vpid"), new("kvm-6.12", false, "no vpid02"), new("kvm-5.14", false, "no vpid"), new("kvm-5.8", true, "vpid"), new("kvm-5.16", true, "vpid"),
        new("kvm-6.12~no-flush-on-sync", true, "vpid"), new("kvm-6.12~no-flush-on-sync", false, "vpid"), new("nsvm-5.8", true, "vpid"), new("nsvm-l2-asid", true, "vpid"),
    ];

    /// <summary>Mutants that the fuzz cannot meet, or rarely meets, and why. A scenario catches each of them (MutationTableTests).</summary>
    private static readonly SortedDictionary<string, string> OutOfReach = new(StringComparer.Ordinal)
    {
        ["clobbers-tlb-control"] = "rare: a VMRUN that flushes and ends before L2 runs, and the same ASID at the next one, with old entries in use",
        ["failed-run-loses-flush"] = "no VMRUN fails in the fuzz",
        ["flush-before-root-load"] = "the flush of the root that is left does as well, but for INVEPT and the same EPTP12 again, with the whole flush of a sync out of the way",
        ["forced-leave-keeps-tlb"] = "L2 is not left by force in the fuzz",
        ["generation-restarts-online"] = "no CPU comes online in the fuzz",
        ["guest-flush-after-switch"] = "rare: a guest flush that is still pending when L2 exits before it ran, with L2's old entries in use after",
        ["ignores-invlpga"] = "rare: INVLPGA of the right ASID and page, and the page used again before VMRUN takes another ASID",
        ["invept-does-nothing"] = "rare: an INVEPT while no MOV to CR4 drops the roots before L2 is entered again",
        ["invvpid-on-any-cpu"] = "the flush of another CPU masks it",
        ["keeps-unsync-roots"] = "rare: a guest flush while another root of the same context is cached and unsync, and that root again without a flush",
        ["keeps-roots-on-pcide"] = "CR4.PCIDE is set once at most in the fuzz, and rarely behind a MOV to CR3 that leaves an unsync root",
        ["late-failure-flushes-l1"] = "no nested entry fails late in the fuzz",
        ["new-vpid12-flushes-hardware-only"] = "rare: with a new vpid12 that never ran, tables that changed while L2 was away",
        ["keeps-roots-without-pcids"] = "as keeps-roots-on-pcide",
        ["no-first-load-flush"] = "no VMXOFF in the fuzz",
        ["no-flush-after-sibling"] = "no two vCPUs take turns on a CPU in the fuzz",
        ["no-sync-without-vpid12"] = "a kernel that has the rule is not safe without EPT anyhow",
        ["renews-one-asid"] = "no vCPU moves between its nested entry and its real one in the fuzz",
        ["vmxon-keeps-last-vpid"] = "no VMXON in the fuzz",
    };

    private static IEnumerable<string> InReach => KernelMutants.All.Where(mutant => !mutant.OnlyUncovers).Select(mutant => mutant.Name).Where(name => !OutOfReach.ContainsKey(name));

    [Test]
    public void What_is_out_of_reach_is_a_mutant() => Assert.That(OutOfReach.Keys, Is.SubsetOf(KernelMutants.All.Select(mutant => mutant.Name)));

    [Test]
    public void Random_operations_catch_it([ValueSource(nameof(InReach))] string mutant)
    {
        (Machine Machine, ulong Seed, SafetyFuzz Fuzz)[] runs =
        [
            .. from machine in Machines
               where KernelMutants.Named(mutant).Changes(Mutant.Named(machine.Policy, machine.Vendor), machine.Vendor)
               from seed in Enumerable.Range(1, Seeds)
               select (machine, (ulong)seed, machine.Fuzz($"{machine.Policy}~{mutant}", (ulong)seed)),
        ];
        for (int step = 1; step <= Steps; step++)
        {
            foreach ((Machine machine, ulong seed, SafetyFuzz fuzz) in runs)
            {
                fuzz.Step();
                if (fuzz.Incidents > 0)
                {
                    AssertSafe(machine, seed, step);
                    TestContext.Out.WriteLine($"{machine.Policy}~{mutant} {(machine.Ept ? "with EPT" : "without EPT")}, {machine.Tags}: caught after {step} operations: {fuzz.Story.Split('\n')[0]}");
                    return;
                }
            }
        }

        Assert.Fail($"{mutant} survives {Steps} operations in {string.Join(", ", runs.Select(run => run.Machine).Distinct())}");
    }

    /// <summary>The same operations find nothing wrong with the kernel as it is.</summary>
    private static void AssertSafe(Machine machine, ulong seed, int steps)
    {
        SafetyFuzz fuzz = machine.Fuzz(machine.Policy, seed);
        for (int step = 0; step < steps; step++)
        {
            fuzz.Step();
        }

        Assert.That(fuzz.Incidents, Is.Zero, $"{machine} itself: {fuzz.Story}");
    }

    private sealed record Machine(string Policy, bool Ept, string Tags)
    {
        public Vendor Vendor => Policy.StartsWith("nsvm", StringComparison.Ordinal) ? Vendor.Amd : Vendor.Intel;

        public SafetyFuzz Fuzz(string policy, ulong seed) => new(Mutant.Named(policy, Vendor), Vendor == Vendor.Amd, Ept, Tags, pcids: true, seed);
    }
}
