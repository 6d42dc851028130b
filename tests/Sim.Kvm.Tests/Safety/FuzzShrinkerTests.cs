namespace Sim.Kvm.Tests.Safety;

/// <summary>A finding of the fuzz is told as the shortest sequence that still shows it.</summary>
[TestFixture]
public sealed class FuzzShrinkerTests
{
    [Test]
    public void Of_a_thousand_operations_the_three_that_matter_are_left_in_their_order()
    {
        FuzzOperation[] all = [.. Enumerable.Range(0, 1000).Select(i => new FuzzOperation(FuzzAction.Read, 0) { Address = (ulong)i })];
        ulong[] needed = [17, 500, 998];
        IReadOnlyList<FuzzOperation> least = FuzzShrinker.Shrink(all, some => needed.All(address => some.Any(operation => operation.Address == address)));
        Assert.That(least.Select(operation => operation.Address), Is.EqualTo(needed));
    }

    [Test]
    public void A_finding_is_replayed_from_its_seed_and_told_in_a_dozen_operations()
    {
        FuzzRun run = new FuzzRun(seed => new SafetyFuzz(Mutant.Named("always-current"), false, false, "vpid", true, seed)).Run(10_000);
        Assert.That(run.Finding, Does.Contain("operations of seed 1;").And.Contain("are enough:").And.Contain("used: vCPU"));
        Assert.That(run.Finding!.Split('\n').Count(line => line.StartsWith("  vCPU", StringComparison.Ordinal)), Is.InRange(3, 12));
    }

    [Test]
    public void A_run_in_parallel_finds_what_a_run_in_one_thread_finds()
    {
        string? Find(int threads) => new FuzzRun(seed => new SafetyFuzz(Mutant.Named("kvm-5.8"), false, false, "vpid", true, seed)).Run(120_000, threads).Finding;
        Assert.That(Find(2), Is.Not.Null.And.EqualTo(Find(1)));
    }
}
