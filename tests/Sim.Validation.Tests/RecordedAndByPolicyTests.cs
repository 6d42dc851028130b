using Sim.Captures.Ftrace;
using Sim.Captures.HwLog;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Experiments;
using Sim.Kvm;

namespace Sim.Validation.Tests;

/// <summary>
/// Memory windows of a real nested KVM: what its own flushes did to the TLB, and what those that the model decides in their place do. Page walks are left out: as-recorded replay does not
/// know which page sizes a recorded EPTP has, and takes the smaller of EPT12's and EPT01's.
/// </summary>
public sealed class RecordedAndByPolicyTests
{
    [TestCase("bochs-vmx-mem.win1.pages.txt.xz", 642)]
    [TestCase("bochs-vmx-mem.win2.full.txt.xz", 3146)]
    public void The_flushes_of_the_recording_kernel_and_of_its_policy_give_the_same_hits_and_misses_at_every_level(string name, int misses)
    {
        string path = Recordings.File(name);
        SortedDictionary<string, long> recorded = Replay(path, ReplayKind.AsRecorded);
        Assert.That(recorded, Has.Count.EqualTo(12));
        Assert.That(recorded.Where(stat => stat.Key.StartsWith("lane[0].stlb.misses", StringComparison.Ordinal)).Sum(stat => stat.Value), Is.EqualTo(misses));
        Assert.That(Replay(path, ReplayKind.ByPolicy), Is.EqualTo(recorded));
    }

    private static SortedDictionary<string, long> Replay(string path, ReplayKind kind)
    {
        Machine machine = new(RunConfiguration.Load(null, []).Machine with { Attribution = false }, Components.Policies.Create(FlushValidation.DefaultVmxPolicy), kind, 1);
        Lift.Run(() => new HwLogReader(CaptureText.Open(path), path), new MachineSink(machine), 1, asRecorded: kind == ReplayKind.AsRecorded);
        IEnumerable<Stat> counts = machine.Snapshot().Stats.Where(stat => stat.Path is "lane[0].l1.hits" or "lane[0].l1.misses" or "lane[0].stlb.hits" or "lane[0].stlb.misses");
        return new SortedDictionary<string, long>(counts.ToDictionary(stat => $"{stat.Path}{{{stat.Label}}}", stat => stat.Value), StringComparer.Ordinal);
    }

    private sealed class MachineSink(Machine machine) : ITraceSink
    {
        public void Write(TraceBlock block) => machine.Replay(block, 0, block.RecordCount);
    }
}
