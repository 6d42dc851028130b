using Sim.Apic;
using Sim.Kvm.Interrupts;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>IPIs to several vCPUs (docs/rules.md#delivery "IPI virtualization", #avic-icr), logical APIC IDs, and what the IOMMU and AVIC leave to software.</summary>
[TestFixture]
internal sealed class IpiTests
{
    // Exits of one ICR write to 3 vCPUs that run, and that sleep: "icr" the sender's, "kick+eoi" or "eoi" each target's, "hlt" to sleep again.
    private static readonly SortedDictionary<string, (int Running, int Halted)> Exits = new(StringComparer.Ordinal)
    {
        ["none"] = (1 + (3 * 2), 1 + (3 * 2)),
        ["posted"] = (1, 1 + 3),
        ["posted-device"] = (1, 1 + 3),

        // Not one target by its physical ID: an APIC-write exit even here.
        ["ipiv"] = (1, 1 + 3),

        // Hardware sends to all; one incomplete IPI whatever the number that does not run.
        ["avic"] = (0, 1 + 3),
        ["avic-iommu"] = (0, 1 + 3),
        ["avic-no-ipiv"] = (1, 1 + 3),
    };

    private static IEnumerable<string> PathsOfTheTable => Exits.Keys;

    [TestCaseSource(nameof(PathsOfTheTable))]
    public void An_IPI_to_several_costs_what_the_path_says(string path)
    {
        foreach (bool x2Apic in new[] { true, false })
        {
            foreach (BroadcastRow row in BroadcastTable.Rows(Bench.SpecFor(path) with { X2Apic = x2Apic }, path, Bench.Path(path)))
            {
                Assert.That((row.Exits / row.Sent, row.Outcome), Is.EqualTo(((long)(row.State == TargetState.Halted ? Exits[path].Halted : Exits[path].Running), "delivered")), $"{row}");
            }
        }
    }

    [TestCase(true, 18, 0x0001_0003u, new[] { 16, 17 })]
    [TestCase(true, 18, 0x0000_8001u, new[] { 0, 15 })]
    [TestCase(false, 4, 0x0Au, new[] { 1, 3 })]
    [TestCase(false, 9, 0x21u, new[] { 8 })]
    [TestCase(false, 9, 0x1Fu, new[] { 4, 5, 6, 7 })]
    public void A_logical_destination_names_a_cluster_and_bits_in_it_or_bits_alone_in_flat_mode(bool x2Apic, int vcpus, uint destination, int[] targets)
    {
        foreach (string path in Bench.PathNames)
        {
            InterruptSimulation run = Send(path, vcpus, x2Apic, new GuestAction(GuestActionKind.SendIpi, 0, (int)destination, 1, 0x51, IpiDestination.Logical), sender: 2);
            Assert.That((run.Ledger.Sent, run.Ledger.Handled, run.Findings.Count), Is.EqualTo(((long)targets.Length, (long)targets.Length, 0)), path);
            Assert.That(Enumerable.Range(0, vcpus).Where(cpu => LogicalApicId.Names(destination, cpu, vcpus, x2Apic)), Is.EqualTo(targets));
        }
    }

    [TestCase(true)]
    [TestCase(false)]
    public void A_logical_destination_that_names_nobody_too_is_an_invalid_target_to_AVIC_and_KVM_sends_the_rest(bool x2Apic)
    {
        InterruptSimulation run = Send("avic", 3, x2Apic, new GuestAction(GuestActionKind.SendIpi, 0, 0b1010, 1, 0x51, IpiDestination.Logical), sender: 0);
        Assert.That((run.Ledger.Sent, run.Ledger.Handled, run.Ledger.Exits(1, ExitCause.IncompleteIpi)), Is.EqualTo((1L, 1L, 1L)));
        run = Send("avic", 3, x2Apic, new GuestAction(GuestActionKind.SendIpi, 0, 0b0110, 1, 0x51, IpiDestination.Logical), sender: 0);
        Assert.That((run.Ledger.Handled, run.Ledger.Exits(1, ExitCause.IncompleteIpi)), Is.EqualTo((2L, 0L)));
    }

    [Test]
    public void An_IPI_to_an_APIC_ID_that_is_not_there_or_of_a_vector_below_16_exits_and_is_dropped_by_nobody_else()
    {
        InterruptSimulation run = Send("avic", 2, true, new GuestAction(GuestActionKind.SendIpi, 0, 1, 1, 15), sender: 0);
        Assert.That(run.Ledger.Exits(1, ExitCause.IncompleteIpi), Is.EqualTo(1), "id 4, before anything is sent");
    }

    [Test]
    public void The_EOI_of_a_level_triggered_vector_exits_by_the_way_of_each_path_and_that_of_an_edge_triggered_one_only_without_virtualization()
    {
        foreach ((string path, ExitCause cause) in new[] { ("posted", ExitCause.EoiInduced), ("avic", ExitCause.UnacceleratedAccess), ("none", ExitCause.Eoi) })
        {
            Bench bench = new() { Spec = Bench.SpecFor(path) with { EoiExitVectors = [0x52] } };
            bench.Send(100_000, 0x51, 1).Send(200_000, 0x52, 1).Run(path);
            long expected = path == "none" ? 2 : 1;
            Assert.That((bench.Ledger.Exits(1, cause), bench.Ledger.Handled), Is.EqualTo((expected, 2L)), path);
        }
    }

    [Test]
    public void A_devices_level_triggered_interrupt_stays_remapped_and_is_posted_by_the_host_and_an_MSI_is_not([Values("posted-device", "avic-iommu")] string path)
    {
        foreach (bool level in new[] { false, true })
        {
            Bench bench = new() { Spec = Bench.SpecFor(path) with { EoiExitVectors = level ? [0x51] : [] } };
            bench.Send(100_000, 0x51, 1, InterruptSource.Device).Run(path);
            Assert.That((bench.Ledger.Handled, bench.Ledger.Exits(1, ExitCause.ExternalInterrupt)), Is.EqualTo((1L, level ? 1L : 0L)), "the CPU that the host's interrupt goes to");
        }
    }

    private static InterruptSimulation Send(string path, int vcpus, bool x2Apic, GuestAction action, int sender)
    {
        CommandedBehaviour guests = new([.. Enumerable.Repeat((1, GuestActionKind.Spin), vcpus)]);
        InterruptSimulation run = new(Bench.SpecFor(path) with { Lanes = vcpus, X2Apic = x2Apic }, Bench.Path(path), new DeferredUpdate(), guests, []);
        run.Run(until: 100_000);
        guests.Command(sender, action);
        run.Rouse(sender);
        run.Run(until: 300_000);
        return run;
    }
}
