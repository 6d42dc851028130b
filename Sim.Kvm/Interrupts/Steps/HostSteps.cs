using Sim.Apic;

namespace Sim.Kvm.Interrupts;

/// <summary>L0's own interrupt handlers.</summary>
internal static class HostSteps
{
    private static readonly Step Handle = new("host interrupt", profile => profile.InterruptCosts.KvmHostIpi, activity =>
    {
        PhysicalCpu cpu = activity.Cpu!;
        InterruptSystem system = activity.System;
        if ((cpu.Pending & HostVectors.Device) != 0)
        {
            activity.Delivery = cpu.Devices.Dequeue();
            activity.Extra += system.Spec.Profile.InterruptCosts.KvmIrqfd;
            activity.Call(system.Path.Post);
            if (cpu.Devices.Count == 0)
            {
                cpu.Pending &= ~HostVectors.Device;
            }

            return Flow.Next;
        }

        HostVectors taken = cpu.Pending;
        cpu.Pending = HostVectors.None;
        cpu.NeedResched |= (taken & HostVectors.Tick) != 0;
        if ((taken & HostVectors.Wakeup) != 0)
        {
            // pi_wakeup_handler; the entries stay on the list until vcpu_load.
            foreach (Vcpu vcpu in cpu.WakeupList)
            {
                if (vcpu.Pid.On)
                {
                    system.WakeUp(vcpu);
                }
            }
        }

        while (cpu.GuestApicLog.TryDequeue(out int logged))
        {
            // avic_ga_log_notifier.
            activity.Extra += system.Spec.Profile.InterruptCosts.KvmGaLog;
            system.WakeUp(system.Vcpus[logged]);
        }

        return Flow.Next;
    });

    /// <summary>
    /// Takes what is pending. A posted-interrupt vector, nested or not, means nothing here: the descriptor is looked at before the next VM-entry.
    /// </summary>
    public static Program Interrupt { get; } = new("host interrupt", Handle);
}
