using Sim.Apic;
using Sim.Kvm.Interrupts;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>What a CPU in a guest does first if a virtual and a physical interrupt wait (SDM vol. 3, 31.2.2; APM vol. 2, 15.21.4).</summary>
[TestFixture]
internal sealed class PriorityTests
{
    private const byte Vector = 0x51;

    [TestCase("posted", true, "virtual-interrupt delivery")]
    [TestCase("posted", false, "VM-exit ExternalInterrupt")]
    [TestCase("avic", true, "VM-exit ExternalInterrupt")]
    public void A_deliverable_virtual_interrupt_comes_before_a_physical_one_on_Intel_and_behind_it_on_AMD(string path, bool interruptsEnabled, string first)
    {
        Vcpu vcpu = InGuest(path);
        vcpu.Apic.Irr.TestAndSet(Vector);
        vcpu.Vmcs01.Status.Rvi = Vector;
        vcpu.LookAtIrr();
        vcpu.Guest(1).InterruptsEnabled = interruptsEnabled;
        vcpu.Cpu.Pending = HostVectors.Reschedule;
        Assert.That(vcpu.Thread.System.Next(vcpu.Cpu)!.Current.Name, Is.EqualTo(first));
    }

    [TestCase("none", true, "VM-exit InterruptWindow")]
    [TestCase("none", false, "VM-exit ExternalInterrupt")]
    public void An_interrupt_window_that_is_open_exits_before_a_physical_interrupt(string path, bool interruptsEnabled, string first)
    {
        Vcpu vcpu = InGuest(path);
        vcpu.Vmcs01.WindowExiting = true;
        vcpu.Guest(1).InterruptsEnabled = interruptsEnabled;
        vcpu.Cpu.Pending = HostVectors.Reschedule;
        Assert.That(vcpu.Thread.System.Next(vcpu.Cpu)!.Current.Name, Is.EqualTo(first));
    }

    private static Vcpu InGuest(string path)
    {
        RaceSetting setting = new(Bench.SpecFor(path).Profile, Bench.Path(path), InterruptSource.Software, WrongRule.None());
        return new RaceStage(setting, new RaceRun(conductor => new RaceStage(setting, conductor, [1]).Build()), [1]).Settle().System.Vcpus[0];
    }
}
