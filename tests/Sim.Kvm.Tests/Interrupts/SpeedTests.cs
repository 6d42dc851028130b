using System.Diagnostics;
using Sim.Core;
using Sim.Kvm.Interrupts;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>The figure of docs/interrupts.md, run by hand: `dotnet test tests/Sim.Kvm.Tests -c Release --filter Ten_million`.</summary>
[TestFixture]
internal sealed class SpeedTests
{
    [TestCase("posted-device")]
    [TestCase("avic-iommu")]
    [Explicit("a minute of work, and the clock of this machine")]
    public void Ten_million_interrupts_on_two_lanes_of_four_vCPUs_take_less_than_a_minute_and_no_growing_memory(string path)
    {
        InterruptSpec spec = Bench.SpecFor(path) with { Lanes = 2, VcpusPerLane = 4 };
        IInterruptSource[] sources =
            [.. Enumerable.Range(0, 8).Select(vcpu => new PoissonSource(new Delivery(0x51, vcpu, 1, InterruptSource.Device), 40_000, 1_250_000, Rng.Fork(1, $"source[{vcpu}]"), vcpu % 2))];
        InterruptSimulation run = new(spec, Bench.Path(path), new DeferredUpdate(), new SteadyBehaviour(1, halts: true), sources);
        run.Run(1_000_000);
        long memory = GC.GetTotalMemory(forceFullCollection: true);
        Stopwatch clock = Stopwatch.StartNew();
        run.Run();
        TimeSpan elapsed = clock.Elapsed;
        long grown = GC.GetTotalMemory(forceFullCollection: true) - memory;
        TestContext.Out.WriteLine(FormattableString.Invariant($"{path}: {run.Ledger.Sent} sent, {run.Ledger.Handled} handled, {elapsed.TotalSeconds:0.0} s, memory grew by {grown} bytes"));
        Assert.That((run.Ledger.Sent, run.Findings.Count), Is.EqualTo((10_000_000L, 0)));
        Assert.That(elapsed, Is.LessThan(TimeSpan.FromMinutes(1)));
        Assert.That(grown, Is.LessThan(100_000));
    }
}
