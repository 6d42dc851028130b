using System.Globalization;
using System.Reflection;
using Sim.Apic;
using Sim.Kvm.Interrupts;
using Sim.Kvm.Tests.Machines;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>The key of an explored state has everything in it that can make a difference: a property that is missing would merge states that go on differently.</summary>
[TestFixture]
internal sealed class StateKeyTests
{
    // Times are 0 in an explored schedule; whose cycles exits steal, what the translation side is told of them, and why something was asked for, decides no step. The kernel and the trace give a vCPU its number
    // and its tags once.
    private static readonly string[] NoState = ["PollUntil", "LastExit", "LastVictim", "NestedExitCause", "ExitLevel", "RootReason", "UnloadedFor", "Number", "HasOneVmcb", "Tags"];

    [Test]
    public void Changing_any_property_of_a_vCPU_a_VMCS_an_APIC_or_a_CPU_changes_the_key()
    {
        InterruptSystem system = Start();
        Vcpu vcpu = system.Vcpus[0];
        string before = Key(system);
        object[] parts = [vcpu, vcpu.Guest(1), vcpu.Guest(2), vcpu.Vmcs01, vcpu.Vmcs02, vcpu.Apic, vcpu.L2Apic, vcpu.Pid, vcpu.Pid12, system.Cpus[0], system.Apicv];
        int changed = 0;
        Assert.Multiple(() =>
        {
            foreach (object part in parts)
            {
                foreach (PropertyInfo property in part.GetType().GetProperties().Where(property => property.SetMethod is not null && !NoState.Contains(property.Name)))
                {
                    object? value = property.GetValue(part);
                    property.SetValue(part, Other(value, property.PropertyType, system));
                    Assert.That(Key(system), Is.Not.EqualTo(before), $"{part.GetType().Name}.{property.Name}");
                    property.SetValue(part, value);
                    changed++;
                }
            }
        });
        Assert.That(Key(system), Is.EqualTo(before), "all is as it was");
        Assert.That(changed, Is.GreaterThan(50));
    }

    [Test]
    public void Changing_any_part_that_is_no_property_changes_the_key_too()
    {
        (string Name, Action<InterruptSystem> Change)[] changes =
        [
            ("IRR", s => s.Vcpus[0].Apic.Irr.TestAndSet(255)), ("ISR", s => s.Vcpus[1].Apic.Isr.TestAndSet(64)), ("L2's IRR", s => s.Vcpus[0].L2Apic.Irr.TestAndSet(63)),
            ("PIR", s => s.Vcpus[0].Pid.Pir.TestAndSet(0)), ("PIR12", s => s.Vcpus[0].Pid12.Pir.TestAndSet(191)), ("ON", s => s.Vcpus[0].Pid.TestAndSetOn()),
            ("RVI", s => s.Vcpus[0].Vmcs01.Status.Rvi = 1), ("SVI", s => s.Vcpus[0].Vmcs02.Status.Svi = 1), ("GA mode", s => s.Vcpus[0].Irte.GuestMode ^= true),
            ("IsRun", s => s.Vcpus[0].Irte.IsRun ^= true), ("GALogIntr", s => s.Vcpus[0].Irte.GaLogInterrupt ^= true), ("destination", s => s.Vcpus[0].Irte.Destination = 9),
            ("IsRunning", s => s.AvicPhysicalIds[1].IsRunning ^= true), ("host ID", s => s.AvicPhysicalIds[1].HostApicId = 9), ("device", s => s.Cpus[0].Devices.Enqueue(default)),
            ("run queue", s => s.Cpus[0].RunQueue.Enqueue(s.Vcpus[0])), ("wake-up list", s => s.Cpus[1].WakeupList.Add(s.Vcpus[0])), ("GA log", s => s.Cpus[1].GuestApicLog.Enqueue(0)),
            ("thread", s => s.Vcpus[0].Thread.Begin(ExitSteps.Hlt)), ("host interrupt", s => s.Cpus[0].Interrupts.Begin(HostSteps.Interrupt)),
            ("sent", s => s.Ledger.Posted(new Delivery(0x51, 0, 1, InterruptSource.Device), 0)),
            ("wrong", s => s.Ledger.FailedEntry(0, "", 0)),
        ];
        string[] keys = [Key(Start()), .. changes.Select(change =>
        {
            InterruptSystem system = Start();
            change.Change(system);
            return Key(system);
        })];
        Assert.That(keys.Distinct().Count(), Is.EqualTo(keys.Length), "each differs from the others and from the start");
    }

    [Test]
    public void Registers_of_a_program_under_way_are_state_and_those_of_an_idle_activity_are_not()
    {
        StateKey key = new();
        string Of(bool busy, Action<Activity> change)
        {
            Activity activity = new(Start(), null, null);
            if (busy)
            {
                activity.Begin(AvicSteps.HardwareIpi);
            }

            change(activity);
            key.Clear();
            key.Add(activity);
            return key.ToString();
        }

        Action<Activity>[] changes = [a => a.Found = true, a => a.Delivery = new Delivery(1, 0, 1, InterruptSource.Device), a => a.Multicast = new IcrWrite(1, 2, Logical: true), a => a.ReadEntry = AvicPhysicalEntry.For(0x1000), a => a.ReadIrte = new AvicIrte { IsRun = true }];
        Assert.That(changes.Select(change => Of(busy: false, change)).Distinct().Count(), Is.EqualTo(1));
        Assert.That(changes.Select(change => Of(busy: true, change)).Append(Of(busy: true, _ => { })).Distinct().Count(), Is.EqualTo(changes.Length + 1));
    }

    private static InterruptSystem Start() =>
        new RaceStage(new RaceSetting(Profiles.Textbook, Bench.Path("posted"), InterruptSource.Software, WrongRule.None()), new RaceRun(Empty), [1, 1]).Settle().System;

    private static Race Empty(IConductor conductor) =>
        new RaceStage(new RaceSetting(Profiles.Textbook, Bench.Path("none"), InterruptSource.Software, WrongRule.None()), conductor, [1]).Build();

    private static string Key(InterruptSystem system)
    {
        StateKey key = new();
        key.Add(system);
        return key.ToString();
    }

    private static object? Other(object? value, Type type, InterruptSystem system) =>
        type == typeof(bool) ? !(bool)value!
        : type.IsEnum ? Enum.ToObject(type, Convert.ToInt64(value, CultureInfo.InvariantCulture) + 1)
        : type == typeof(Delivery) ? new Delivery(1, 1, 1, InterruptSource.Device)
        : type == typeof(Vmcs12) ? new Vmcs12(0x5000, 0, 0, 0)
        : type == typeof(RootKey?) ? new RootKey(0, 1, false, false)
        : type == typeof(PhysicalCpu) ? system.Cpus[1]
        : type == typeof(Vcpu) ? system.Vcpus[1]
        : type == typeof(Activity) ? system.Vcpus[1].Thread
        : type == typeof(PostedInterruptDescriptor) ? system.Vcpus[0].Pid12 == value ? system.Vcpus[0].Pid : system.Vcpus[0].Pid12
        : Convert.ChangeType(Convert.ToInt64(value, CultureInfo.InvariantCulture) + 1, type, CultureInfo.InvariantCulture);
}
