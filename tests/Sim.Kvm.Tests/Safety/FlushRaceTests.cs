using Sim.Core;
using Sim.Core.Profiles;
using Sim.Kvm.Tests.Machines;

namespace Sim.Kvm.Tests.Safety;

/// <summary>Races of flushes: which holes the explorer finds by itself, and which kernels it clears.</summary>
[TestFixture]
public sealed class FlushRaceTests
{
    [Test]
    public void The_ASID_of_another_CPU_is_found_in_a_kernel_that_keeps_last_CPU_and_generation_by_VMCB()
    {
        FlushRaceRow row = Explore("beside-a-guest", "nsvm-6.14");

        Assert.That((row.Happenings, row.Wrong > 0), Is.EqualTo((2, true)), "one migration finds nothing");
        string[] moves = [.. row.Story.Where(line => line.StartsWith("the host moves", StringComparison.Ordinal))];
        Assert.That(moves, Is.EqualTo(new[] { "the host moves vCPU 0 (L2) to CPU 1", "the host moves vCPU 0 (L1) to CPU 0" }));
        Assert.That(row.Story[^1], Does.StartWith("in all: 2 uses of 2 pages"), "a program's page and one of its kernel");
        Assert.That(row.Story, Has.Some.StartWith("used: vCPU 1 in L1").And.Some.StartWith("owed: these page tables never ran under this virtual tag"), "the victim is the vCPU whose number it was");
    }

    [TestCase("nsvm-5.10")]
    [TestCase("nsvm-l2-asid")]
    public void It_is_not_found_where_there_is_one_generation_or_a_vCPU_keeps_its_ASIDs(string policy)
    {
        FlushRaceRow row = Explore("beside-a-guest", policy);
        Assert.That((row.Happenings, row.Wrong, row.Story.Count), Is.EqualTo((2, 0L, 0)));
    }

    [TestCase("kvm-6.12", 2, "INVVPID, emulated")]
    [TestCase("kvm-6.12.117", 2, null)]
    [TestCase("nsvm-l2-asid", 2, "INVLPGA, emulated")]
    public void An_invalidation_that_is_emulated_on_another_CPU_than_L2_ran_on_is_found(string policy, int happenings, string? emulated)
    {
        FlushRaceRow row = Explore("shadow-remapped", policy, happenings);

        Assert.That(row.Wrong > 0, Is.EqualTo(emulated is not null));
        if (emulated is not null)
        {
            Assert.That(row.Story, Has.Some.EqualTo($"vCPU 0 (L1) on CPU 1: {emulated}").And.Some.StartWith("used: vCPU 0 in L2"));
        }
    }

    [TestCase("nsvm-6.14~no-flush-on-transition", 1L)]
    [TestCase("nsvm-6.14", 0L)]
    public void A_policy_that_is_wrong_by_itself_needs_no_happening(string policy, long wrong)
    {
        FlushRaceRow row = Explore("beside-a-guest", policy, happenings: 0);

        Assert.That((row.Happenings, row.Orders, row.Wrong), Is.EqualTo((0, 1L, wrong)));
    }

    [Test]
    public void Orders_are_counted_with_those_of_fewer_happenings([Values(0, 1)] int happenings)
    {
        FlushRaceRow row = Explore("beside-a-guest", "always-guest", happenings);

        // 19 steps, and before each the vCPU moves, the other one runs, or the host takes a page; between a nested entry and the real one (3 steps, twice) that may fail, too.
        Assert.That((row.Steps, row.Orders), Is.EqualTo((19, 1L + (happenings * ((19 * 3) + (3 * 2))))));
    }

    [Test]
    public void A_step_that_makes_no_sense_does_nothing_and_stories_name_level_and_CPU()
    {
        FlushRaceRun run = new(new MachineSpec { Profile = Profiles.Textbook }, new Kvm612(), new Ept12Remapped());
        string?[] told = [.. new[]
        {
            FlushRaceAction.NestedEntry, FlushRaceAction.NestedExit, FlushRaceAction.FailEntry, FlushRaceAction.Invalidate, FlushRaceAction.Remap, FlushRaceAction.HostTakesPage, FlushRaceAction.Vmxon, FlushRaceAction.Run,
            FlushRaceAction.Exit, FlushRaceAction.NestedEntry, FlushRaceAction.NestedEntry, FlushRaceAction.Move, FlushRaceAction.FailEntry, FlushRaceAction.FailEntry, FlushRaceAction.Run,
        }.Select(action => run.Take(new FlushRaceStep(0, action)))];

        Assert.That(told, Is.EqualTo(new[]
        {
            null, null, null, null, null, null, null, "vCPU 0 (L1) on CPU 0: is entered and uses its pages", "vCPU 0 (L1) on CPU 0: exits", "vCPU 0 (L2) on CPU 0: nested VM-entry, emulated", null,
            "the host moves vCPU 0 (L2) to CPU 1", "vCPU 0 (L1) on CPU 1: the VM-entry to L2 fails, and L1 is told an exit", null, "vCPU 0 (L1) on CPU 1: is entered and uses its pages",
        }));
        Assert.That((run.IsWrong, run.Incident), Is.EqualTo((false, Array.Empty<string>())));
    }

    private static FlushRaceRow Explore(string race, string policy, int happenings = FlushRaceTable.DefaultHappenings)
    {
        Vendor vendor = policy.StartsWith("nsvm", StringComparison.Ordinal) ? Vendor.Amd : Vendor.Intel;
        IFlushPolicy chosen = MutatedPolicy.Create(new Catalogue<IFlushPolicy>(typeof(IFlushPolicy).Assembly), policy, vendor);
        return FlushRaceTable.Explore(race, new MachineSpec { Profile = vendor == Vendor.Intel ? Profiles.Textbook : Profiles.TextbookAmd }, chosen, happenings);
    }
}
