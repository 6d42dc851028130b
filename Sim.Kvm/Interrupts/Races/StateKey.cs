using System.Text;
using Sim.Apic;

namespace Sim.Kvm.Interrupts;

/// <summary>
/// The state of a race as text: two runs with equal keys go on alike. Registers of an idle activity, statistics, reasons and times are not in it, because nothing that can
/// happen depends on them. A property that is missing here would merge states that differ: a test changes each and wants another key.
/// </summary>
internal sealed class StateKey
{
    private const char Wide = '\uFFFF';

    private readonly StringBuilder _text = new();
    private readonly Dictionary<Program, int> _programs = [];

    public void Clear() => _text.Clear();

    public override string ToString() => _text.ToString();

    public void Add(bool value) => _text.Append(value ? '\u0001' : '\0');

    public void Add(long value)
    {
        if (value is >= 0 and < Wide)
        {
            _text.Append((char)value);
            return;
        }

        _text.Append(Wide);
        for (int shift = 0; shift < 64; shift += 16)
        {
            _text.Append((char)(value >> shift));
        }
    }

    public void Add(in VectorSet set)
    {
        for (int word = 0; word < 4; word++)
        {
            Add((long)set.Word(word));
        }
    }

    public void Add(Activity? activity)
    {
        Add(activity?.Depth ?? 0);
        for (int i = 0; i < (activity?.Depth ?? 0); i++)
        {
            (Program program, int position) = activity!.Frame(i);
            if (!_programs.TryGetValue(program, out int number))
            {
                number = _programs.Count;
                _programs.Add(program, number);
            }

            Add(number);
            Add(position);
        }

        if (activity is { IsIdle: false })
        {
            Add(activity.Delivery);
            Add(activity.Found);
            Add(activity.Multicast.Vector);
            Add(activity.Multicast.Destination);
            Add(activity.Multicast.Shorthand);
            Add(activity.Multicast.Logical);
            Add((long)activity.ReadEntry.Value);
            Add(activity.ReadIrte);
        }
    }

    public void Add(InterruptSystem system)
    {
        foreach (PhysicalCpu cpu in system.Cpus)
        {
            Add(cpu);
        }

        foreach (Vcpu vcpu in system.Vcpus)
        {
            Add(vcpu);
            Add((long)system.AvicPhysicalIds[vcpu.Id].Value);
        }

        Add((long)system.Apicv.Reasons);
        Add((long)system.Apicv.NewReasons);
        Add(system.Apicv.Writer is { Vcpu: { } writer } ? writer.Id + 1 : 0);
        system.Ledger.Add(this);
    }

    public void Add(PhysicalCpu cpu)
    {
        Add(cpu.Interrupts);
        Add(cpu.Current?.Id ?? -1);
        Add(cpu.InGuest);
        Add(cpu.InterruptsEnabled);
        Add((long)cpu.Pending);
        Add(cpu.NeedResched);
        Add(cpu.Devices.Count);
        foreach (Delivery delivery in cpu.Devices)
        {
            Add(delivery);
        }

        Add(cpu.RunQueue.Select(vcpu => vcpu.Id));
        Add(cpu.WakeupList.Select(vcpu => vcpu.Id));
        Add(cpu.GuestApicLog);
    }

    public void Add(Vcpu vcpu)
    {
        Add(vcpu.Thread);
        Add(vcpu.Cpu.Index);
        Add((long)vcpu.Mode);
        Add((long)vcpu.State);
        Add((long)vcpu.Requests);
        Add((long)vcpu.L1Task);
        foreach (bool flag in new[]
        {
            vcpu.IsLoaded, vcpu.IsHalted, vcpu.WasWoken, vcpu.ApicvActive, vcpu.UpdateVmcs01ApicvStatus, vcpu.GuestMode, vcpu.NestedRunPending, vcpu.ImmediateExit,
            vcpu.PiPending, vcpu.InL2PerL1, vcpu.L2Halted, vcpu.L2Failed, vcpu.FoundInIrr,
        })
        {
            Add(flag);
        }

        Add(vcpu.Vpid01);
        Add(vcpu.AwaitsEntryOn);
        Add((long)vcpu.Vmcs12.Address);
        Add((long)vcpu.Vmcs12.Eptp);
        Add(vcpu.Vmcs12.Vpid);
        Add(vcpu.LoadedRoot);
        Add(vcpu.RootMmu);
        Add(vcpu.GuestMmu);
        foreach (int vmcb in vcpu.TlbControl.Keys)
        {
            Add(vmcb);
        }

        Add(-1);
        Add(vcpu.L2Icr);
        Add(vcpu.Irte);
        Add(vcpu.Apic);
        Add(vcpu.L2Apic);
        Add(vcpu.Pid);
        Add(vcpu.Pid12);
        Add(vcpu.Vmcs01, vcpu);
        Add(vcpu.Vmcs02, vcpu);
        Add(vcpu.Guest(1));
        Add(vcpu.Guest(2));
    }

    private void Add(GuestContext guest)
    {
        Add(guest.InterruptsEnabled);
        Add(guest.EoiWritten);
        Add(guest.Spins);
        Add(guest.Handler);
        Add(guest.HandlerApic);
        Add(guest.Interrupted);
        Add(guest.Work);
    }

    private void Add(Vmcs vmcs, Vcpu vcpu)
    {
        Add(vmcs.LoadedOn);
        Add(vmcs.AsidGeneration);
        Add((long)vmcs.Controls);
        Add(vmcs.Avic);
        Add((long)vmcs.NotificationVector);
        Add(vmcs.Descriptor is null ? 0 : vmcs.Descriptor == vcpu.Pid ? 1 : vmcs.Descriptor == vcpu.Pid12 ? 2 : 3);
        Add(vmcs.Status.Rvi);
        Add(vmcs.Status.Svi);
        Add(vmcs.Injection);
        Add(vmcs.InjectionApic);
        Add(vmcs.WindowExiting);
    }

    private void Add(RootCache roots)
    {
        Add(roots.Current);
        foreach (RootKey root in roots.Cached)
        {
            Add(root);
        }

        Add(-1);
    }

    private void Add(RootKey? root)
    {
        Add(root is not null);
        Add((long)root.GetValueOrDefault().Vm);
        Add((long)root.GetValueOrDefault().Pgd);
        Add(root.GetValueOrDefault().GuestMode);
        Add(root.GetValueOrDefault().Nested);
    }

    private void Add(ApicPage page)
    {
        Add(page.Irr);
        Add(page.Isr);
        Add(page.Tpr);
    }

    private void Add(PostedInterruptDescriptor descriptor)
    {
        Add(descriptor.Pir);
        Add((long)descriptor.Word(4));
    }

    private void Add(in AvicIrte entry)
    {
        Add(entry.GuestMode);
        Add(entry.IsRun);
        Add(entry.GaLogInterrupt);
        Add(entry.Destination);
    }

    private void Add(in Delivery delivery)
    {
        Add(delivery.Vector);
        Add(delivery.Target);
        Add(delivery.Level);
        Add((long)delivery.Source);
    }

    private void Add(IEnumerable<int> numbers)
    {
        foreach (int number in numbers)
        {
            Add(number);
        }

        Add(-1);
    }
}
