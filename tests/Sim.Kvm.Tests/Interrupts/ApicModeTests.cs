using Sim.Core.Architecture;
using Sim.Kvm.Interrupts;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>IA32_APIC_BASE of each vCPU: who takes interrupts, what a mode's IDs inhibit, and what AVIC without x2AVIC leaves to software.</summary>
[TestFixture]
internal sealed class ApicModeTests
{
    private const long Gap = 100_000;

    [TestCaseSource(typeof(Bench), nameof(Bench.PathNames))]
    public void What_waits_in_an_APIC_when_it_is_disabled_is_forgotten_and_owed_to_nobody(string path)
    {
        Two two = new(path);
        two.Do(1, new GuestAction(GuestActionKind.Cli)).Do(0, Ipi(0x51)).Do(1, Mode(ApicMode.Disabled)).Do(1, new GuestAction(GuestActionKind.Sti)).End();
        Assert.That((two.Ledger.Sent, two.Ledger.Handled, two.Run.Findings.Count), Is.EqualTo((1L, 0L, 0)));
        Assert.That(two.Run.Snapshot()["irq.forgotten{level=1}"], Is.EqualTo(1));
    }

    [TestCaseSource(typeof(Bench), nameof(Bench.PathNames))]
    public void A_disabled_APIC_is_no_target_of_any_IPI_and_can_send_none(string path)
    {
        Two two = new(path);
        two.Do(1, Mode(ApicMode.Disabled)).Do(0, Ipi(0x51)).Do(0, Ipi(0x52) with { Destination = IpiDestination.AllButSelf }).Do(1, Ipi(0x53) with { Target = 0 }).End();
        Assert.That((two.Ledger.Sent, two.Ledger.Handled, two.Run.Findings.Count), Is.EqualTo((0L, 0L, 0)));
        two = new Two(path);
        two.Do(1, Mode(ApicMode.Disabled)).Do(1, Mode(ApicMode.X2Apic)).Do(0, Ipi(0x51)).Do(1, Ipi(0x53) with { Target = 0 }).End();
        Assert.That((two.Ledger.Sent, two.Ledger.Handled, two.Run.Findings.Count), Is.EqualTo((2L, 2L, 0)));
    }

    [TestCase("posted", false)]
    [TestCase("avic", true)]
    public void Logical_IDs_of_two_kinds_inhibit_AVIC_alone(string path, bool inhibits)
    {
        Two two = new(path);
        Assert.That(two.System.Vcpus[0].ApicvActive);
        two.Do(1, Mode(ApicMode.XApic));
        Assert.That((two.System.Apicv.Reasons, two.System.Vcpus[0].ApicvActive), Is.EqualTo((inhibits ? 1UL << (int)ApicvInhibit.LogicalIdAliased : 0, !inhibits)));
        two.Do(0, Mode(ApicMode.XApic)).End();
        Assert.That((two.System.Apicv.Reasons, two.System.Vcpus[0].ApicvActive, two.System.Vcpus[1].ApicvActive), Is.EqualTo((0UL, true, true)));
    }

    [TestCase("posted", 256, false)]
    [TestCase("posted", 257, true)]
    [TestCase("avic", 257, true)]
    public void An_ID_that_eight_bits_do_not_hold_inhibits_in_xAPIC_mode(string path, int vcpus, bool inhibits)
    {
        InterruptSpec spec = Bench.SpecFor(path) with { Lanes = vcpus };
        foreach (bool x2Apic in new[] { true, false })
        {
            InterruptSimulation run = new(spec with { X2Apic = x2Apic }, Bench.Path(path), new DeferredUpdate(), new SteadyBehaviour(1, halts: true), []);
            Assert.That((run.System.Apicv.Reasons & (1UL << (int)ApicvInhibit.ApicIdModified)) != 0, Is.EqualTo(inhibits && !x2Apic));
        }
    }

    /// <summary>Exits of an IPI between vCPUs that run: ICR and EOI are MSRs that AVIC alone does not take; before 6.0 the kick besides.</summary>
    [TestCase(true, true, true, 0)]
    [TestCase(false, true, true, 2)]
    [TestCase(false, true, false, 3)]
    [TestCase(true, true, false, 0)]
    [TestCase(false, false, true, 0)]
    [TestCase(false, false, false, 0)]
    public void AVIC_without_x2AVIC_takes_the_writes_of_xAPIC_mode_only(bool x2Avic, bool x2Apic, bool hybrid, int exits)
    {
        InterruptSpec spec = Bench.SpecFor("avic");
        Two two = new("avic", spec with { Profile = spec.Profile with { X2Avic = x2Avic }, X2Apic = x2Apic, HybridAvic = hybrid });
        long before = two.Ledger.TotalExits;
        two.Do(0, Ipi(0x51)).End();
        Assert.That((two.Ledger.TotalExits - before, two.Ledger.Handled), Is.EqualTo(((long)exits, 1L)));
    }

    private static GuestAction Ipi(byte vector) => new(GuestActionKind.SendIpi, 0, 1, 1, vector);

    private static GuestAction Mode(ApicMode mode) => new(GuestActionKind.SetApicMode, Vector: (byte)mode);

    /// <summary>Two vCPUs that spin on a CPU each, and do one thing after the other.</summary>
    private sealed class Two
    {
        private readonly CommandedBehaviour _guests = new((1, GuestActionKind.Spin), (1, GuestActionKind.Spin));
        private long _until = Gap;

        public Two(string path, InterruptSpec? spec = null)
        {
            Run = new InterruptSimulation(spec ?? Bench.SpecFor(path), Bench.Path(path), new DeferredUpdate(), _guests, []);
            Run.Run(until: _until);
        }

        public InterruptSimulation Run { get; }

        public InterruptSystem System => Run.System;

        public InterruptLedger Ledger => Run.Ledger;

        public Two Do(int vcpu, GuestAction action)
        {
            _guests.Command(vcpu, action);
            Run.Rouse(vcpu);
            _until += Gap;
            Run.Run(until: _until);
            return this;
        }

        public void End()
        {
            Run.Run();
            System.CheckConservation();
        }
    }
}
