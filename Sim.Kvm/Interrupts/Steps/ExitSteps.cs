using Sim.Core.Architecture;

namespace Sim.Kvm.Interrupts;

/// <summary>VM-exits and what L0 does about each, up to the next VM-entry.</summary>
internal static class ExitSteps
{
    /// <summary>vcpu->mode, while interrupts are still off.</summary>
    private static readonly Step LeaveGuestMode = new("mode = OUTSIDE_GUEST_MODE", Costs.SharedLine, activity =>
    {
        activity.Vcpu!.Mode = VcpuMode.OutsideGuestMode;
        return Flow.Next;
    });

    /// <summary>From here on L0 takes the interrupts that are pending.</summary>
    private static readonly Step EnableInterrupts = new("enable interrupts", Costs.None, activity =>
    {
        activity.Cpu!.InterruptsEnabled = true;
        return Flow.Next;
    });

    private static readonly Step Handle = new("handle the exit", profile => profile.Costs.KvmExitHandling, _ => Flow.Next);

    private static readonly Step Enter = new("vcpu_enter_guest", Costs.None, activity =>
    {
        activity.Jump(activity.System.Path.Entry);
        return Flow.Next;
    });

    private static readonly Step HandleWindow = new("handle the interrupt window", profile => profile.Costs.KvmExitHandling, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        vcpu.ActiveVmcs.WindowExiting = false;
        if (vcpu.GuestMode && !NestedSteps.PassesThrough(activity.System))
        {
            activity.Call(NestedSteps.NestedExit);
        }
        else
        {
            vcpu.Requests |= VcpuRequests.Event;
        }

        return Flow.Next;
    });

    private static readonly Step HandleEoi = new("emulate EOI", profile => profile.Costs.KvmExitHandling, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        GuestContext guest = vcpu.Guest(vcpu.Level);
        guest.EoiWritten = true;
        if (UsesPage(activity, guest.HandlerApic))
        {
            activity.Extra += activity.System.Spec.Profile.InterruptCosts.KvmApicMmio;
        }

        if (guest.HandlerApic == 2)
        {
            vcpu.L1Task = L1Task.EmulateEoi;
            activity.Call(NestedSteps.NestedExit);
        }
        else
        {
            vcpu.Apic.EndOfInterrupt();
            vcpu.Requests |= VcpuRequests.Event;
        }

        return Flow.Next;
    });

    private static readonly Step HandleIcrWrite = new("handle the ICR write", profile => profile.InterruptCosts.KvmIcrWrite, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        if (UsesPage(activity, activity.Delivery.Level))
        {
            activity.Extra += activity.System.Spec.Profile.InterruptCosts.KvmApicMmio;
        }

        if (activity.Delivery.Level == 2)
        {
            vcpu.L1Task = L1Task.EmulateIcr;
            vcpu.L2Icr = activity.Delivery;
            activity.Call(NestedSteps.NestedExit);
        }
        else
        {
            activity.Call(activity.Multicast.IsMulticast ? MulticastSteps.Post : activity.System.Path.Post);
        }

        return Flow.Next;
    });

    private static readonly Step HandleHlt = new("handle HLT", profile => profile.Costs.KvmExitHandling, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        if (vcpu.GuestMode && activity.System.Spec.L1InterceptsHlt)
        {
            vcpu.L2Halted = true;
            activity.Call(NestedSteps.NestedExit);
        }
        else
        {
            vcpu.IsHalted = true;
            vcpu.PollUntil = activity.System.Conductor.Now + activity.System.Spec.HaltPollCycles;
            activity.Call(activity.System.Path.Halt);
        }

        return Flow.Next;
    });

    /// <summary>For a physical interrupt.</summary>
    public static Program ExternalInterrupt { get; } = Program(ExitCause.ExternalInterrupt, Handle);

    /// <summary>The guest can take an interrupt now.</summary>
    public static Program InterruptWindow { get; } = Program(ExitCause.InterruptWindow, HandleWindow);

    /// <summary>EOI that is not virtualized.</summary>
    public static Program Eoi { get; } = Program(ExitCause.Eoi, HandleEoi);

    /// <summary>Virtualized EOI of a vector whose EOI L0 wants to know.</summary>
    public static Program EoiInduced { get; } = Program(ExitCause.EoiInduced, Handle);

    /// <summary>The same with AVIC: EOI of a level-triggered vector, trapped behind the write.</summary>
    public static Program UnacceleratedEoi { get; } = Program(ExitCause.UnacceleratedAccess, Handle);

    /// <summary>ICR write that is not virtualized.</summary>
    public static Program IcrWrite { get; } = Program(ExitCause.IcrWrite, HandleIcrWrite);

    /// <summary>AVIC found a target that does not run: IRR is set, the rest is software's.</summary>
    public static Program IncompleteIpi { get; } = Program(ExitCause.IncompleteIpi, AvicSteps.HandleIncompleteIpi);

    /// <summary>AVIC sent nothing: KVM does it in software.</summary>
    public static Program IncompleteIpiInSoftware { get; } = Program(ExitCause.IncompleteIpi, HandleIcrWrite);

    /// <summary>HLT.</summary>
    public static Program Hlt { get; } = Program(ExitCause.Hlt, HandleHlt);

    /// <summary>VMRESUME or VMRUN of L1.</summary>
    public static Program NestedEntry { get; } = Program(ExitCause.NestedEntry, Handle, NestedSteps.EnterL2);

    /// <summary>Right behind a VM-entry.</summary>
    public static Program ImmediateExit { get; } = Program(ExitCause.ImmediateExit, Handle);

    /// <summary>CPUID and the like.</summary>
    public static Program Other { get; } = Program(ExitCause.Other, Handle);

    /// <summary>Something that sets or clears an inhibit reason.</summary>
    public static Program ChangeInhibit { get; } = Program(ExitCause.Other, Handle, ApicvSteps.CallChange);

    /// <summary>A write of IA32_APIC_BASE.</summary>
    public static Program ChangeApicMode { get; } = Program(ExitCause.Other, Handle, ApicModes.CallChange);

    /// <summary>Whether the APIC that is written is a page. L2's is what all begin with: L1 emulates it.</summary>
    private static bool UsesPage(Activity activity, int level) => level == 1 ? activity.Vcpu!.ApicMode == ApicMode.XApic : !activity.System.Spec.X2Apic;

    private static Program Program(ExitCause cause, params Step[] handling) => new($"VM-exit {cause}", [Exit(cause), LeaveGuestMode, EnableInterrupts, .. handling, Enter]);

    private static Step Exit(ExitCause cause) => new($"VM-exit {cause}", profile => profile.Costs.VmExit, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        PhysicalCpu cpu = activity.Cpu!;
        cpu.InGuest = false;
        cpu.InterruptsEnabled = false;
        cpu.LastExit = cause;
        vcpu.NestedExitCause = cause;
        cpu.LastVictim = cpu.Victim(cause);
        vcpu.ImmediateExit = false;
        activity.System.Ledger.Exited(vcpu.Level, cause);
        activity.System.Translation?.Exit(activity, cause);
        return Flow.Next;
    });
}
