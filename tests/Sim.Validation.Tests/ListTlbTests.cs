using Sim.Captures.Ftrace;
using Sim.Captures.HwLog;
using Sim.Core.Traces;
using Sim.Experiments;
using Sim.Kvm;

namespace Sim.Validation.Tests;

/// <summary>Memory windows of a real nested KVM: a TLB made of lists has the same second-level misses as the simulator, at each level, with recorded page sizes and with one for all.</summary>
public sealed class ListTlbTests
{
    private static readonly (string Word, int? Shift)[] Sizes = [("recorded", null), ("4K", 12), ("2M", 21)];

    [TestCase("bochs-vmx-mem.win1.pages.txt.xz")]
    [TestCase("bochs-vmx-mem.win2.full.txt.xz")]
    [TestCase("bochs-vmx-mem.win3.pages.txt.xz", Explicit = true, Reason = "a minute; the kind is that of window 1")]
    [TestCase("bochs-vmx-mem.win4.pages.txt.xz", Explicit = true, Reason = "a minute; the kind is that of window 1")]
    [TestCase("bochs-vmx-mem.win13.pages.txt.xz", Explicit = true, Reason = "a minute; the kind is that of window 1")]
    [TestCase("bochs-vmx-6.12.117.p-mix.win110.pages.txt.xz")]
    public void A_TLB_of_lists_misses_as_often_at_every_level(string name)
    {
        string path = Recordings.File(name);
        Machine[] machines = [.. Sizes.Select(size => new Machine(
            RunConfiguration.Load(null, [new Assignment("profile", "reference-64-1536", "--profile"), new Assignment("machine.page_sizes", size.Word, "--page-sizes")]).Machine with { Attribution = false },
            Components.Policies.Create("never"), ReplayKind.AsRecorded, 1))];
        ListTlb[] lists = [.. Sizes.Select(size => new ListTlb(size.Shift))];

        Lift.Run(
            () => new HwLogReader(CaptureText.Open(path), path), new Both(machines, lists), 1, asRecorded: true, pageSizes: PageSizeList.Beside(path) is { } list ? PageSizeList.Read(list) : null);

        for (int i = 0; i < Sizes.Length; i++)
        {
            long[] walks = [.. Enumerable.Range(0, 3).Select(level => machines[i].Snapshot().Stats.Where(stat => stat.Path == "lane[0].stlb.misses" && stat.Label == $"level={level}").Sum(stat => stat.Value))];
            TestContext.Out.WriteLine($"{name} {Sizes[i].Word}: {string.Join(' ', walks)}");
            Assert.That(walks, Is.EqualTo(lists[i].Walks), Sizes[i].Word);
            Assert.That(walks.Sum(), Is.GreaterThan(50), "a window that hardly misses shows nothing");
        }
    }

    private sealed class Both(Machine[] machines, ListTlb[] lists) : ITraceSink
    {
        public void Write(TraceBlock block)
        {
            foreach (Machine machine in machines)
            {
                machine.Replay(block, 0, block.RecordCount);
            }

            foreach (ListTlb list in lists)
            {
                list.Write(block);
            }
        }
    }
}
