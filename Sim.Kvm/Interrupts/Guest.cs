using Sim.Apic;
using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>What a vCPU in non-root operation does next: hardware's reactions first, then the guest's software at the level that runs.</summary>
internal sealed class Guest
{
    private static readonly Step ProcessPostedStep = new("posted-interrupt processing", profile => profile.InterruptCosts.PostedInterruptProcessing, activity =>
    {
        Vmcs vmcs = activity.Vcpu!.ActiveVmcs;
        activity.Cpu!.Pending &= ~vmcs.NotificationVector;
        vmcs.Descriptor!.TestAndClearOn();
        vmcs.Status.Process(ref vmcs.Descriptor.Pir, vmcs.Page);
        return Flow.Next;
    });

    private static readonly Step DeliverStep = new("virtual-interrupt delivery", profile => profile.InterruptCosts.Delivery, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        Vmcs vmcs = vcpu.ActiveVmcs;
        int apic = vmcs == vcpu.Vmcs01 ? 1 : 2;
        int vector = vmcs.Avic ? vmcs.Page.Deliverable : vmcs.Status.Rvi;
        Account(activity.System, vcpu, apic, vector);
        if (vmcs.Avic)
        {
            vmcs.Page.Accept(vector);
            vcpu.LookAtIrr();
        }
        else
        {
            vmcs.Status.Deliver(vmcs.Page);
        }

        GuestContext guest = vcpu.Guest(vcpu.Level);
        guest.Handler = vector;
        guest.HandlerApic = apic;
        return Flow.Next;
    });

    private static readonly Step StartHandlerStep = new("handler starts", Costs.None, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        InterruptSystem system = activity.System;
        GuestContext guest = vcpu.Guest(vcpu.Level);
        guest.InterruptsEnabled = false;
        guest.EoiWritten = false;
        guest.Interrupted = guest.Work;
        guest.Work = system.Spec.HandlerCycles;
        system.Trace?.Delivered(activity.Cpu!.Index, system.Spec.HandlerCycles);
        guest.Spins = false;
        system.Translation?.Handler(activity, (byte)guest.Handler);
        if (!IsL1Notification(guest.HandlerApic, guest.Handler))
        {
            system.Ledger.Started(vcpu.Id, guest.HandlerApic, guest.Handler, vcpu.Level, NestedSteps.PassesThrough(system), system.Conductor.Now);
        }

        return Flow.Next;
    });

    private static readonly Step VirtualEoiStep = new("virtual EOI", profile => profile.InterruptCosts.VirtualEoi, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        Vmcs vmcs = vcpu.ActiveVmcs;
        int vector = vmcs.Avic ? vmcs.Page.EndOfInterrupt() : vmcs.Status.EndOfInterrupt(vmcs.Page);
        vcpu.LookAtIrr();
        vcpu.Guest(vcpu.Level).EoiWritten = true;
        if (!vcpu.GuestMode && vector >= 0 && activity.System.Spec.EoiExitVectors.Contains((byte)vector))
        {
            activity.Jump(vmcs.Avic ? ExitSteps.UnacceleratedEoi : ExitSteps.EoiInduced);
        }

        return Flow.Next;
    });

    private static readonly Step EndHandlerStep = new("handler returns", Costs.None, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        GuestContext guest = vcpu.Guest(vcpu.Level);
        byte vector = (byte)guest.Handler;
        int apic = guest.HandlerApic;
        guest.Handler = -1;
        guest.InterruptsEnabled = true;
        guest.Work = guest.Interrupted;
        guest.Spins = false;
        if (!IsL1Notification(apic, vector))
        {
            int roused = activity.System.Behaviour.Handled(vcpu.Id, apic, vector);
            if (roused >= 0)
            {
                Vcpu other = activity.System.Vcpus[roused];
                other.Guest(1).Spins = false;
                other.Guest(2).Spins = false;
                activity.System.Conductor.Poke(other.Cpu);
            }
        }

        return Flow.Next;
    });

    private static readonly Step StartIcr = new("write ICR", profile => profile.InterruptCosts.IcrFence, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        bool self = activity.Delivery.Target == vcpu.Id && !activity.Multicast.IsMulticast;
        Vmcs vmcs = vcpu.ActiveVmcs;
        if (self && vmcs.Has(VmControls.VirtualInterruptDelivery) && activity.Delivery.Level == vcpu.Level)
        {
            activity.Requested();
            vmcs.Status.SelfIpi(activity.Delivery.Vector, vmcs.Page);
            return Flow.Return;
        }

        bool virtualizes = !vcpu.GuestMode && activity.System.Path.HardwareIpi is not null && (AvicTakesWrites(activity.System, vcpu) || vmcs.Has(VmControls.VirtualInterruptDelivery));
        activity.Jump(virtualizes ? activity.System.Path.HardwareIpi! : ExitSteps.IcrWrite);
        return Flow.Next;
    });

    private static readonly Program ProcessPosted = new("posted-interrupt processing", ProcessPostedStep);
    private static readonly Program Deliver = new("virtual-interrupt delivery", DeliverStep, StartHandlerStep);
    private static readonly Program EndHandler = new("end of handler", EndHandlerStep);
    private static readonly Program VirtualEoi = new("virtual EOI", VirtualEoiStep, EndHandlerStep);
    private static readonly Program WriteIcr = new("ICR write", StartIcr);

    private readonly InterruptSystem _system;

    public Guest(InterruptSystem system) => _system = system;

    /// <summary>A handler whose vector was injected starts.</summary>
    public static Program StartHandler { get; } = new("injected handler", StartHandlerStep);

    /// <summary>An APIC accepts a vector on behalf of software: from IRR to ISR, and the oracle is told.</summary>
    public static void Accept(InterruptSystem system, Vcpu vcpu, int level, int vector)
    {
        Account(system, vcpu, level, vector);
        (level == 1 ? vcpu.Apic : vcpu.L2Apic).Accept(vector);
    }

    /// <summary>The program that begins now; null if the guest works, or waits.</summary>
    public Program? Next(Vcpu vcpu, PhysicalCpu cpu)
    {
        Vmcs vmcs = vcpu.ActiveVmcs;
        GuestContext guest = vcpu.Guest(vcpu.Level);
        // Virtual interrupts and interrupt windows come before physical interrupts on Intel (SDM vol. 3, 31.2.2), behind them on AMD (APM vol. 2, 15.21.4).
        bool isIntel = _system.Spec.Profile.Vendor == Vendor.Intel;
        if (isIntel && (ImmediateExit(vcpu) ?? Virtual(vcpu, vmcs, guest)) is { } first)
        {
            return first;
        }

        if (cpu.Pending != HostVectors.None)
        {
            bool processes = vmcs.Has(VmControls.PostedInterrupts) && (cpu.Pending & vmcs.NotificationVector) != 0 && vmcs.Descriptor is not null;
            return processes && (cpu.Pending & HostVectors.Reschedule) == 0 ? ProcessPosted : ExitSteps.ExternalInterrupt;
        }

        if (!isIntel && (ImmediateExit(vcpu) ?? Virtual(vcpu, vmcs, guest)) is { } last)
        {
            return last;
        }

        if (guest.Work > 0)
        {
            return null;
        }

        if (guest.Handler >= 0)
        {
            return EndOfHandler(vcpu, vmcs, guest);
        }

        return vcpu.Level == 1 && _system.Behaviour.HomeLevel(vcpu.Id) == 2 && !vcpu.L2Failed ? Hypervisor(vcpu) : Act(vcpu, guest);
    }

    private static Program? ImmediateExit(Vcpu vcpu) => vcpu.ImmediateExit ? ExitSteps.ImmediateExit : null;

    /// <summary>A virtual interrupt that is delivered now, or the exit of an open interrupt window.</summary>
    private static Program? Virtual(Vcpu vcpu, Vmcs vmcs, GuestContext guest)
    {
        if (!guest.InterruptsEnabled)
        {
            return null;
        }

        bool delivers = vmcs.Has(VmControls.VirtualInterruptDelivery) ? vmcs.Status.IsPending(vmcs.Page) : vmcs.Avic && vcpu.FoundInIrr && vmcs.Page.Deliverable >= 0;
        return delivers ? Deliver : vmcs.WindowExiting ? ExitSteps.InterruptWindow : null;
    }

    /// <summary>Vectors by which L1's KVM notifies itself: no interrupts that anybody waits for.</summary>
    public static bool IsL1Notification(int apic, int vector) => apic == 1 && vector is InterruptSpec.PostedIntrNv or InterruptSpec.L1Reschedule;

    private static void Account(InterruptSystem system, Vcpu vcpu, int level, int vector)
    {
        if (!IsL1Notification(level, vector))
        {
            system.Ledger.Accepted(vcpu.Id, level, vector, level == 1 ? vcpu.Apic : vcpu.L2Apic, (level == 1 ? vcpu.Pid : vcpu.Pid12).Pir[vector], system.Conductor.Now);
        }
    }

    private Program EndOfHandler(Vcpu vcpu, Vmcs vmcs, GuestContext guest)
    {
        if (guest.EoiWritten)
        {
            return EndHandler;
        }

        bool own = guest.HandlerApic == vcpu.Level;
        return own && (AvicTakesWrites(_system, vcpu) || vmcs.Has(VmControls.VirtualInterruptDelivery)) ? VirtualEoi : ExitSteps.Eoi;
    }

    /// <summary>AVIC is on, and takes the guest's writes to APIC registers: to those of x2APIC mode only with x2AVIC (avic_set_x2apic_msr_interception).</summary>
    public static bool AvicTakesWrites(InterruptSystem system, Vcpu vcpu) => vcpu.ActiveVmcs.Avic && (vcpu.ApicMode != ApicMode.X2Apic || system.Spec.Profile.X2Avic);

    /// <summary>L1 as hypervisor, with nothing else to do: what L2 needs of it, then L2.</summary>
    private Program Hypervisor(Vcpu vcpu)
    {
        L1Task task = vcpu.L1Task;
        vcpu.L1Task = L1Task.None;
        if (task == L1Task.EmulateEoi)
        {
            vcpu.L2Apic.EndOfInterrupt();
        }
        else if (task == L1Task.EmulateIcr)
        {
            vcpu.Thread.Delivery = vcpu.L2Icr;
            return L1Steps.Deliver(_system);
        }

        if (vcpu.L2Halted)
        {
            if (vcpu.L2Apic.Deliverable < 0 && !vcpu.Pid12.On)
            {
                return ExitSteps.Hlt;
            }

            vcpu.L2Halted = false;
        }

        return L1Steps.Enter(_system, vcpu);
    }

    private Program? Act(Vcpu vcpu, GuestContext guest)
    {
        if (guest.Spins)
        {
            return null;
        }

        GuestAction action = _system.Behaviour.Next(vcpu.Id);
        switch (action.Kind)
        {
            case GuestActionKind.Work:
                guest.Work = action.Cycles;
                return null;
            case GuestActionKind.Halt:
                return ExitSteps.Hlt;
            case GuestActionKind.Exit:
                return ExitSteps.Other;
            case GuestActionKind.Recorded:
                return RecordedSteps.Exit;
            case GuestActionKind.Starve:
                return null;
            case GuestActionKind.Cli or GuestActionKind.Sti:
                guest.InterruptsEnabled = action.Kind == GuestActionKind.Sti;
                return Next(vcpu, vcpu.Cpu);
            case GuestActionKind.Inhibit or GuestActionKind.Uninhibit:
                vcpu.Thread.Delivery = new Delivery(action.Vector, vcpu.Id, 1, InterruptSource.Software);
                vcpu.Thread.Found = action.Kind == GuestActionKind.Inhibit;
                return ExitSteps.ChangeInhibit;
            case GuestActionKind.SetApicMode:
                vcpu.Thread.Delivery = new Delivery(action.Vector, vcpu.Id, 1, InterruptSource.Software);
                return ExitSteps.ChangeApicMode;
            case GuestActionKind.SendIpi when action.Level == 1 && vcpu.Level == 1 && vcpu.ApicMode == ApicMode.Disabled:
                // There is no ICR: the MSR faults, and the page is memory.
                return ExitSteps.Other;
            case GuestActionKind.SendIpi:
                Send(vcpu, action);
                return vcpu.Level == 1 && action.Level == 2 ? L1Steps.Deliver(_system) : WriteIcr;
            default:
                guest.Spins = true;
                return null;
        }
    }

    /// <summary>Takes an IPI, or one to several vCPUs of L1, on its way.</summary>
    private void Send(Vcpu vcpu, in GuestAction action)
    {
        vcpu.Thread.Delivery = new Delivery(action.Vector, action.Target, action.Level, InterruptSource.Ipi);
        if (action.Destination == IpiDestination.Physical)
        {
            if (_system.Takes(vcpu.Thread.Delivery))
            {
                _system.Ledger.Posted(vcpu.Thread.Delivery, _system.Conductor.Now);
            }

            return;
        }

        bool logical = action.Destination == IpiDestination.Logical;
        vcpu.Thread.Multicast = new IcrWrite(action.Vector, (uint)action.Target, Logical: logical, Shorthand: logical ? 0 : IcrWrite.AllButSelf);
        foreach (Vcpu target in _system.Vcpus)
        {
            if (_system.IsAddressed(vcpu.Thread.Multicast, vcpu.Id, target.Id))
            {
                _system.Ledger.Posted(vcpu.Thread.Delivery with { Target = target.Id }, _system.Conductor.Now);
            }
        }

        vcpu.Thread.Delivery = vcpu.Thread.Delivery with { Target = -1 };
    }
}
