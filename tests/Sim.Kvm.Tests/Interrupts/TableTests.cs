using Sim.Core.Profiles;
using Sim.Kvm.Interrupts;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>
/// The table of interrupt paths, row by row. Exits and nested exits for one interrupt follow from the state machines of docs/rules.md#delivery, #nested-interrupts, #avic-icr to #nested-avic; each figure is
/// taken apart in <see cref="Expected"/>'s comments: "host" an exit of the CPU that takes a device's interrupt, "icr" the sender's, "kick" the target's for a physical
/// interrupt, "enter" L1's VMRESUME or VMRUN on the way back, "hlt" to sleep again.
/// </summary>
[TestFixture]
internal sealed class TableTests
{
    private static readonly (InterruptSource Source, int Level, TargetState State)[] Columns =
    [
        (InterruptSource.Device, 1, TargetState.RunningL1), (InterruptSource.Device, 1, TargetState.RunningL2),
        (InterruptSource.Device, 1, TargetState.Preempted), (InterruptSource.Device, 1, TargetState.Halted),
        (InterruptSource.Ipi, 1, TargetState.RunningL1), (InterruptSource.Ipi, 1, TargetState.RunningL2),
        (InterruptSource.Ipi, 1, TargetState.Preempted), (InterruptSource.Ipi, 1, TargetState.Halted),
        (InterruptSource.Ipi, 2, TargetState.RunningL2), (InterruptSource.Ipi, 2, TargetState.Preempted), (InterruptSource.Ipi, 2, TargetState.Halted),
    ];

    private static readonly SortedDictionary<string, string> Expected = new(StringComparer.Ordinal)
    {
        // Device: host+kick+eoi, host+kick+eoi+enter, host+eoi, host+eoi+hlt. IPI: the same with icr for host. For L2, by L1's injection: icr+kick+eoi of the kick+
        // enter+eoi by L1+enter; preempted needs no kick; halted: hlt of L2 and hlt of L1 besides.
        ["none"] = "3/0 4/1 2/0 3/0   3/0 4/1 2/0 3/0   6/2 5/2 7/2",

        // Nothing at a running target, nor for EOI; while L2 runs 0xf2 is not its PINV: kick+enter. For L2, through its own descriptor: icr only; halted: icr+enter+2 hlt.
        ["posted"] = "1/0 3/1 1/0 2/0   1/0 3/1 1/0 2/0   1/0 1/0 4/1",

        // The IOMMU posts: no host.
        ["posted-device"] = "0/0 2/1 0/0 1/0   1/0 3/1 1/0 2/0   1/0 1/0 4/1",

        // The processor posts: no icr. For an L2 that runs, the notification is 0xf2 and not 0xf0, so the receiver exits instead.
        ["ipiv"] = "0/0 2/1 0/0 1/0   0/0 2/1 0/0 1/0   1/0 0/0 3/1",

        // Doorbell; a target that does not run, or runs L2 (inhibited), is an incomplete IPI. L2 has no AVIC: injection, and its EOI goes to L1.
        ["avic"] = "1/0 3/1 1/0 2/0   0/0 3/1 1/0 2/0   5/2 4/2 6/2",

        // No host, save that while L2 runs the entry is not in guest mode: the host interrupt is the kick.
        ["avic-iommu"] = "0/0 2/1 0/0 1/0   0/0 3/1 1/0 2/0   5/2 4/2 6/2",

        // IsRunning is always 0: every IPI is incomplete.
        ["avic-no-ipiv"] = "0/0 2/1 0/0 1/0   1/0 3/1 1/0 2/0   5/2 4/2 6/2",
    };

    // Latency to a running L1, from the textbook costs: shared line 10, IPI 1000, doorbell 2000, exit and entry 400, handling 700, delivery 500, processing 300, irqfd 1500 with
    // host IPI 250, injection 150.
    private static readonly (string Path, InterruptSource Source, long Cycles)[] Latencies =
    [
        // set PIR 10, set ON, IPI 1000 from the step's beginning, processing 300, delivery 500.
        ("posted-device", InterruptSource.Device, 10 + 1000 + 300 + 500),

        // look up 10, set PIR 10, then as above.
        ("ipiv", InterruptSource.Ipi, 10 + 10 + 1000 + 300 + 500),

        // exit 400, mode 10, ICR 200, choose, PIR, ON, mode 40, IPI 1000, 300, 500.
        ("posted", InterruptSource.Ipi, 400 + 10 + 200 + 40 + 1000 + 300 + 500),

        // check, IRR, IsRunning 30, doorbell 2000, delivery 500.
        ("avic", InterruptSource.Ipi, 30 + 2000 + 500),

        // exit 400, mode 10, ICR 200, IRR and request 20, IPI 1000; target: exit 400, mode 10, host IPI 250, handling 700, injection 150, mode and check 20, entry 400 + delivery 500.
        ("none", InterruptSource.Ipi, 400 + 10 + 200 + 20 + 1000 + 400 + 10 + 250 + 700 + 150 + 20 + 400 + 500),
    ];

    private static IEnumerable<string> PathsOfTheTable => Expected.Keys;

    [TestCaseSource(nameof(PathsOfTheTable))]
    public void Exits_and_nested_exits_of_every_row_follow_from_the_state_machines_and_every_interrupt_arrives(string path)
    {
        IReadOnlyList<InterruptTableRow> rows = InterruptTable.Rows(Bench.SpecFor(path), path, Bench.Path(path), new DeferredUpdate());
        string[] expected = Expected[path].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Assert.That(rows, Has.Count.EqualTo(Columns.Length));
        Assert.Multiple(() =>
        {
            for (int column = 0; column < Columns.Length; column++)
            {
                InterruptTableRow row = rows.Single(r => (r.Source, r.Level, r.State) == Columns[column]);
                Assert.That((row.Exits, row.NestedExits), Is.EqualTo(Each(expected[column])), $"{row}");
                Assert.That(row.Outcome, Is.EqualTo("delivered"), $"{row}");
            }
        });
    }

    [TestCaseSource(nameof(Latencies))]
    public void Latency_to_a_running_L1_is_the_sum_of_the_steps_on_the_way((string Path, InterruptSource Source, long Cycles) latency)
    {
        InterruptTableRow row = InterruptTable.Rows(Bench.SpecFor(latency.Path), latency.Path, Bench.Path(latency.Path), new DeferredUpdate())
            .Single(r => r.Source == latency.Source && r.Level == 1 && r.State == TargetState.RunningL1);
        Assert.That(row.P50, Is.InRange(latency.Cycles - (latency.Cycles / 64), latency.Cycles));
        Assert.That(row.P99, Is.EqualTo(row.P50), "nothing else happens");
    }

    [Test]
    public void A_preempted_target_waits_for_the_rest_of_the_others_slice_whatever_the_path()
    {
        foreach (string path in Bench.PathNames)
        {
            foreach (InterruptTableRow row in InterruptTable.Rows(Bench.SpecFor(path), path, Bench.Path(path), new DeferredUpdate()).Where(row => row is { State: TargetState.Preempted, Level: 1 }))
            {
                // Places 0, 5000, ... 895,000 in a slice of 1,000,000.
                Assert.That(row.P50, Is.InRange(450_000, 600_000), $"{row}");
                Assert.That(row.P99, Is.InRange(950_000, 1_010_000), $"{row}");
            }
        }
    }

    private static (long Exits, long Nested) Each(string cell)
    {
        string[] parts = cell.Split('/');
        return (long.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture) * 100, long.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture) * 100);
    }

    [Test]
    public void Each_path_runs_on_one_vendors_hardware_and_injection_on_both() =>
        Assert.That(
            Bench.PathNames.Select(name => (name, Bench.Path(name).Supports(Vendor.Intel), Bench.Path(name).Supports(Vendor.Amd))),
            Is.SupersetOf(new[]
            {
                ("avic", false, true), ("avic-iommu", false, true), ("avic-no-ipiv", false, true), ("ipiv", true, false), ("none", true, true), ("posted", true, false),
                ("posted-device", true, false),
            }));
}
