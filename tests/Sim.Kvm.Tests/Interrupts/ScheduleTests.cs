using Sim.Core.Profiles;
using Sim.Kvm.Interrupts;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>KVM's named races in every order of their first twelve steps: a device, or another CPU, delivers to a vCPU that leaves its guest, enters it again, or halts.</summary>
[TestFixture]
internal sealed class ScheduleTests
{
    private const int Depth = 12;

    [TestCase("posted", InterruptSource.Software, 1698, 1697)]
    [TestCase("posted-device", InterruptSource.Device, 299, 299)]
    [TestCase("avic", InterruptSource.Software, 422, 411)]
    [TestCase("avic-iommu", InterruptSource.Device, 781, 781)]
    [TestCase("none", InterruptSource.Software, 364, 316)]
    public void No_order_loses_an_interrupt_for_a_vCPU_that_leaves_its_guest_or_halts(string path, InterruptSource source, long exit, long halt)
    {
        foreach ((GuestActionKind action, long schedules) in new[] { (GuestActionKind.Exit, exit), (GuestActionKind.Halt, halt) })
        {
            ExploredSchedules explored = Explore(path, Bench.Path(path), source, action);
            Assert.That(explored.Wrong, Is.Zero, string.Join('\n', explored.Example));
            Assert.That(explored.Schedules, Is.EqualTo(schedules), "as many as there were: fewer means that the race got smaller");
        }
    }

    [Test]
    public void Looking_into_PIR_before_mode_is_IN_GUEST_MODE_loses_interrupts()
    {
        IInterruptPath posted = Bench.Path("posted");
        Program wrong = posted.Entry.Swapped(EntrySteps.EnterGuestMode, EntrySteps.TestAndClearOn).Swapped(EntrySteps.EnterGuestMode, EntrySteps.MovePir);
        Assert.That(Explore("posted", new WrongPath(posted) { Entry = wrong }, InterruptSource.Software, GuestActionKind.Exit).Wrong, Is.Positive);
    }

    [Test]
    public void Sleeping_without_the_wakeup_vector_loses_what_the_IOMMU_posts()
    {
        IInterruptPath posted = Bench.Path("posted-device");
        Program wrong = posted.Halt.Without(SchedulerSteps.AskForWakeup);
        Assert.That(Explore("posted-device", new WrongPath(posted) { Halt = wrong }, InterruptSource.Device, GuestActionKind.Halt).Wrong, Is.Positive);
    }

    [Test]
    public void Clearing_IsRunning_behind_the_check_loses_what_the_IOMMU_delivers_between_them()
    {
        IInterruptPath avic = Bench.Path("avic-iommu");
        Program wrong = avic.Halt.Swapped(AvicSteps.PutBlocking, SchedulerSteps.CheckRunnable);
        Assert.That(Explore("avic-iommu", new WrongPath(avic) { Halt = wrong }, InterruptSource.Device, GuestActionKind.Halt).Wrong, Is.Positive);
    }

    private static ExploredSchedules Explore(string name, IInterruptPath path, InterruptSource source, GuestActionKind action) => new ScheduleExplorer(
        conductor =>
        {
            InterruptSpec spec = Bench.SpecFor(name) with { Lanes = 1 };
            InterruptSystem system = new(spec, path, new DeferredUpdate(), new ScriptedBehaviour((1, [new GuestAction(action)])), conductor, loaded: true);
            Activity device = new(system, null, null) { Delivery = new Delivery(0x51, 0, 1, source) };
            system.Ledger.Posted(device.Delivery, 0);
            device.Begin(source == InterruptSource.Device ? path.HardwareDevice! : path.Post);
            return new Race(system, [device], []);
        },
        Depth).Explore();

    /// <summary>A path with one program replaced.</summary>
    private sealed class WrongPath(IInterruptPath path) : IInterruptPath
    {
        public bool UsesApicv => path.UsesApicv;

        public bool UsesAvic => path.UsesAvic;

        public Program? HardwareIpi => path.HardwareIpi;

        public Program? HardwareDevice => path.HardwareDevice;

        public Program Post => path.Post;

        public Program Entry { get; init; } = path.Entry;

        public Program Halt { get; init; } = path.Halt;

        public Program Load => path.Load;

        public Program Preempt => path.Preempt;

        public bool Supports(Vendor vendor) => path.Supports(vendor);
    }
}
