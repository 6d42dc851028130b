using Sim.Core.Profiles;

namespace Sim.Kvm.Tests.Safety;

/// <summary>Each mutant under random operations: the fuzz that finds nothing wrong with a kernel finds something wrong with the kernel's mutant.</summary>
[TestFixture]
public sealed class MutantFuzzTests
{
    private const int Steps = 10_000;

    private static readonly Machine[] Machines =
    [
        new("kvm-6.12", true, "vpid"), new("kvm-6.12", false, "vpid"), new("kvm-6.12", false, "no vpid02"), new("kvm-5.8", true, "vpid"), new("kvm-5.16", true, "vpid"), new("kvm-5.14", false, "no vpid"),
        new("kvm-5.8", false, "no vpid"), new("nsvm-5.8", true, "vpid"), new("nsvm-l2-asid", true, "vpid"),
    ];

    /// <summary>Mutants that the fuzz cannot meet, or does not meet in so few operations, and why. A scenario catches each of them (MutationTableTests).</summary>
    private static readonly SortedDictionary<string, string> OutOfReach = new(StringComparer.Ordinal)
    {
        ["flush-before-root-load"] = "seen in kernels up to 5.15 with EPT only, by INVEPT after a change of EPT12 and the same EPTP12 again",
        ["ignores-invlpga"] = "INVLPGA of the right ASID and page, and the page used again before VMRUN takes another ASID",
        ["ignores-invvpid"] = "INVVPID of the right vpid12, and the page used again before an entry with another vpid12",
        ["ignores-tlb-control-1"] = "no TLB_CONTROL in the fuzz",
        ["ignores-tlb-control-3"] = "no TLB_CONTROL in the fuzz",
        ["ignores-tlb-control-7"] = "no TLB_CONTROL in the fuzz",
        ["invvpid-keeps-roots"] = "as ignores-invvpid",
        ["keeps-roots-of-pcid"] = "no PCIDs without EPT in the fuzz",
        ["keeps-roots-on-pcide"] = "no PCIDs without EPT in the fuzz",
        ["no-address-flush"] = "without EPT a sync flushes all since 5.16, and before that the fuzz finds other faults",
        ["no-first-load-flush"] = "no VMXOFF in the fuzz",
        ["no-flush-after-sibling"] = "no two vCPUs take turns on a CPU in the fuzz",
        ["no-sync-on-asid-flush"] = "a change of NPT12 that L2 had used, then another ASID for the same VM",
    };

    private static IEnumerable<string> InReach => KernelMutants.All.Select(mutant => mutant.Name).Where(name => !OutOfReach.ContainsKey(name));

    [Test]
    public void What_is_out_of_reach_is_a_mutant() => Assert.That(OutOfReach.Keys, Is.SubsetOf(KernelMutants.All.Select(mutant => mutant.Name)));

    [Test]
    public void Random_operations_catch_it([ValueSource(nameof(InReach))] string mutant)
    {
        (Machine Machine, SafetyFuzz Fuzz)[] runs =
            [.. Machines.Where(machine => KernelMutants.Named(mutant).Changes(Mutant.Named(machine.Policy), machine.Vendor)).Select(machine => (machine, machine.Fuzz($"{machine.Policy}~{mutant}")))];
        for (int step = 1; step <= Steps; step++)
        {
            foreach ((Machine machine, SafetyFuzz fuzz) in runs)
            {
                fuzz.Step();
                if (fuzz.Incidents > 0)
                {
                    AssertSafe(machine, step);
                    TestContext.Out.WriteLine($"{machine.Policy}~{mutant} {(machine.Ept ? "with EPT" : "without EPT")}, {machine.Tags}: caught after {step} operations: {fuzz.Story.Split('\n')[0]}");
                    return;
                }
            }
        }

        Assert.Fail($"{mutant} survives {Steps} operations in {string.Join(", ", runs.Select(run => run.Machine))}");
    }

    /// <summary>The same operations find nothing wrong with the kernel as it is.</summary>
    private static void AssertSafe(Machine machine, int steps)
    {
        SafetyFuzz fuzz = machine.Fuzz(machine.Policy);
        for (int step = 0; step < steps; step++)
        {
            fuzz.Step();
        }

        Assert.That(fuzz.Incidents, Is.Zero, $"{machine} itself: {fuzz.Story}");
    }

    private sealed record Machine(string Policy, bool Ept, string Tags)
    {
        private const ulong Seed = 3;

        public Vendor Vendor => Policy.StartsWith("nsvm", StringComparison.Ordinal) ? Vendor.Amd : Vendor.Intel;

        public SafetyFuzz Fuzz(string policy) => new(Mutant.Named(policy, Vendor), Vendor == Vendor.Amd, Ept, Tags, pcids: Ept, Seed);
    }
}
