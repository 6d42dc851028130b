using Sim.Apic;
using Sim.Core.Architecture;
using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>
/// Replays the interrupts of a recording through a path: the recording says what the guests do and when (exits, entries, EOI, moments at which a guest takes what waits), this
/// machine decides what L0 and the processor do about it. Each step of L0 is one of the path's own programs; nothing is timed.
/// </summary>
/// <remarks>
/// Where prediction and recording differ the machine is set to what was recorded (<see cref="SetStatus"/>), so that one difference does not become many.
/// </remarks>
public sealed class RecordedSchedule : IConductor
{
    private const int LongestHandling = 1000;

    private static readonly Program EnterNested = new("nested VM-entry", NestedSteps.EnterL2);

    private readonly InterruptSystem _system;
    private readonly Action<InterruptEvent> _predicted;
    private readonly bool[] _halted;
    private PhysicalCpu? _actor;
    private bool _reflects;

    /// <summary>A machine whose vCPUs are not placed yet.</summary>
    /// <param name="spec">Lanes, vCPUs and vmcs12's controls; times and costs do not matter.</param>
    /// <param name="path">The path that the recording L0 used.</param>
    /// <param name="predicted">Gets every event that the machine predicts, in order.</param>
    /// <exception cref="Core.ConfigurationException">The path does not exist on the profile's hardware.</exception>
    public RecordedSchedule(InterruptSpec spec, IInterruptPath path, Action<InterruptEvent> predicted)
    {
        _predicted = predicted;
        _system = new InterruptSystem(spec, path, new SwitchVmcsUpdate(), new SteadyBehaviour(1, halts: false), this) { Observer = Observe };
        _halted = new bool[spec.Vcpus];
    }

    /// <inheritdoc/>
    long IConductor.Now => 0;

    /// <summary>True if L2 is active on the vCPU.</summary>
    public bool IsInL2(int vcpu) => _system.Vcpus[vcpu].GuestMode;

    /// <summary>The vCPU's thread is on this physical CPU from now on (vcpu_load).</summary>
    public void Place(int vcpu, int lane)
    {
        Vcpu placed = _system.Vcpus[vcpu];
        PhysicalCpu cpu = _system.Cpus[lane];
        if (cpu.Current == placed)
        {
            return;
        }

        if (placed.Cpu.Current == placed)
        {
            placed.Cpu.Current = null;
        }

        placed.Cpu = cpu;
        placed.IsLoaded = true;
        placed.Pid.Load((uint)lane, (byte)HostVector.PostedInterrupt);
        cpu.Current = placed;
        cpu.InGuest = false;
        cpu.InterruptsEnabled = true;
    }

    /// <summary>The guest exited. A vector whose delivery was cut short by the exit (IDT-vectoring information) is injected again at the next entry of that VMCS.</summary>
    public void Exit(int vcpu, RecordedExit exit, int interruptedDelivery = -1)
    {
        Vcpu exiting = _system.Vcpus[vcpu];
        _halted[vcpu] = exit == RecordedExit.Halt && !exiting.GuestMode;
        exiting.Thread.Abandon();
        exiting.Thread.Begin(exit == RecordedExit.Halt ? ExitSteps.Hlt : ExitSteps.Other);
        if (interruptedDelivery >= 0)
        {
            exiting.ActiveVmcs.Injection = interruptedDelivery;
            exiting.ActiveVmcs.InjectionApic = exiting.Level;
        }

        Reflect(exiting);
    }

    /// <summary>The vCPU's thread, or the interrupt context of its CPU (a timer), delivers an interrupt to an APIC of this VM.</summary>
    public void Send(int vcpu, in Delivery delivery)
    {
        Vcpu sender = _system.Vcpus[vcpu];
        PhysicalCpu cpu = sender.Cpu;
        _actor = cpu;
        cpu.Interrupts.Delivery = delivery;
        cpu.Interrupts.Begin(_system.Path.Post);
        for (int steps = 0; !cpu.Interrupts.IsIdle && steps < LongestHandling; steps++)
        {
            _system.Advance(cpu.Interrupts);
        }

        _actor = null;
    }

    /// <summary>L1, which runs there, posts a vector into its own descriptor for the L2 of a vCPU.</summary>
    public void PostToL2(int vcpu, byte vector)
    {
        PostedInterruptDescriptor descriptor = _system.Vcpus[vcpu].Pid12;
        descriptor.Pir.TestAndSet(vector);
        descriptor.TestAndSetOn();
    }

    /// <summary>L0 carries out L1's VMLAUNCH or VMRESUME. RVI and SVI are what L1 wrote into vmcs12.</summary>
    public void EnterL2(int vcpu, byte rvi, byte svi)
    {
        Vcpu entering = _system.Vcpus[vcpu];
        if (!entering.PiPending)
        {
            // L1 has moved its PIR12 to L2's IRR itself before it entered.
            entering.Pid12.TestAndClearOn();
            entering.Pid12.Pir.MoveTo(ref entering.L2Apic.Irr);
            Set(entering.L2Apic, rvi, svi);
        }

        entering.Thread.Begin(EnterNested);
        AdvanceTo(entering, EntrySteps.ServeRequests);
    }

    /// <summary>The recording L0 left L2 for L1. Returns false if it was for an interrupt of L1, as the machine decides too; true if the exit was one that L1 intercepts.</summary>
    /// <param name="vcpu">vCPU.</param>
    /// <param name="mayBeInterrupt">False if L1 intercepts the exit before any interrupt is looked at.</param>
    public bool ReflectExit(int vcpu, bool mayBeInterrupt)
    {
        Vcpu leaving = _system.Vcpus[vcpu];
        if (mayBeInterrupt && leaving.GuestMode)
        {
            AdvanceTo(leaving, EntrySteps.VmEntry, whileInL2: true);
        }

        if (!leaving.GuestMode)
        {
            AdvanceTo(leaving, EntrySteps.EnterGuestMode);
            return false;
        }

        leaving.Mode = VcpuMode.OutsideGuestMode;
        leaving.Cpu.InterruptsEnabled = true;
        leaving.Thread.Abandon();
        leaving.Thread.Begin(_system.Path.Entry);
        leaving.Thread.Begin(NestedSteps.NestedExit);
        Reflect(leaving);
        return true;
    }

    /// <summary>L0 writes vcpu->mode and looks for interrupts a last time: from here on others notify. The VM-entry follows.</summary>
    public void EnterGuestMode(int vcpu)
    {
        Vcpu entering = _system.Vcpus[vcpu];
        if (entering.Thread.IsIdle)
        {
            entering.Thread.Begin(_system.Path.Entry);
        }

        if (_halted[vcpu] && WakeToRun(entering))
        {
            Predict(InterruptEventKind.WokenFromHalt, entering, -1);
        }

        _halted[vcpu] = false;

        AdvanceTo(entering, EntrySteps.VmEntry);
    }

    /// <summary>The VM-entry. Returns the guest interrupt status with which the machine enters.</summary>
    /// <param name="vcpu">vCPU.</param>
    /// <param name="hasNotifications">Physical interrupts wait, which the guest meets at once: <see cref="TakeNotifications"/>.</param>
    public EnteredStatus Enter(int vcpu, out bool hasNotifications)
    {
        Vcpu entering = _system.Vcpus[vcpu];
        if (entering.Thread.IsIdle || entering.Thread.Current != EntrySteps.VmEntry)
        {
            EnterGuestMode(vcpu);
        }

        Vmcs vmcs = entering.ActiveVmcs;
        if (vmcs.Injection >= 0)
        {
            Predict(InterruptEventKind.Injected, entering, vmcs.Injection);
        }

        AdvanceTo(entering, null);
        if (!EntrySteps.IsSvm(_system) && vmcs.WindowExiting && entering.Guest(entering.Level).InterruptsEnabled)
        {
            vmcs.WindowExiting = false;
            Predict(InterruptEventKind.WindowExit, entering, -1);
            entering.Requests |= VcpuRequests.Event;
        }

        EnteredStatus status = new(entering.Level, vmcs.Status.Rvi, vmcs.Status.Svi);
        entering.ImmediateExit = false;
        hasNotifications = entering.Cpu.Pending != HostVectors.None;
        return status;
    }

    /// <summary>The guest that was just entered meets the physical interrupts that arrived before.</summary>
    public void TakeNotifications(int vcpu) => TakePending(_system.Vcpus[vcpu].Cpu);

    /// <summary>The guest takes what waits. Returns the vector that virtual-interrupt delivery gives it; -1 if nothing waits.</summary>
    public int Deliver(int vcpu)
    {
        Vcpu taking = _system.Vcpus[vcpu];
        Vmcs vmcs = taking.ActiveVmcs;
        if (!vmcs.Has(VmControls.VirtualInterruptDelivery) || !vmcs.Status.IsPending(vmcs.Page))
        {
            return -1;
        }

        int vector = vmcs.Status.Deliver(vmcs.Page);
        Predict(InterruptEventKind.Delivered, taking, vector);
        return vector;
    }

    /// <summary>The guest writes EOI. Returns the vector that leaves service; -1 if none was in service.</summary>
    public int EndInterrupt(int vcpu)
    {
        Vcpu ending = _system.Vcpus[vcpu];
        Vmcs vmcs = ending.ActiveVmcs;
        if (!vmcs.Has(VmControls.VirtualInterruptDelivery))
        {
            int ended = vmcs.Page.EndOfInterrupt();
            Predict(InterruptEventKind.EoiExit, ending, ended);
            ending.Requests |= VcpuRequests.Event;
            return ended;
        }

        int vector = vmcs.Status.Svi == 0 ? -1 : vmcs.Status.EndOfInterrupt(vmcs.Page);
        bool exits = vector >= 0 && !ending.GuestMode && _system.Spec.EoiExitVectors.Contains((byte)vector);
        Predict(exits ? InterruptEventKind.EoiExit : InterruptEventKind.VirtualEoi, ending, vector);
        return vector;
    }

    /// <summary>Without APIC virtualization: whether L1 can take an interrupt at its next entry.</summary>
    public void SetInterruptible(int vcpu, bool isInterruptible) => _system.Vcpus[vcpu].Guest(1).InterruptsEnabled = isInterruptible;

    /// <summary>L1's window opened (VINTR exit). Returns whether something waits for it.</summary>
    public bool OpenWindow(int vcpu)
    {
        Vcpu opening = _system.Vcpus[vcpu];
        bool waits = opening.Vmcs01.WindowExiting && opening.Apic.Deliverable >= 0;
        opening.Vmcs01.WindowExiting = false;
        opening.Requests |= VcpuRequests.Event;
        return waits;
    }

    /// <summary>L0 is told of an EOI of L1, whoever runs. Returns the vector that leaves service; -1 if none was in service.</summary>
    public int EndInterruptOfL1(int vcpu)
    {
        Vcpu ending = _system.Vcpus[vcpu];
        int vector = ending.Apic.EndOfInterrupt();
        ending.Requests |= VcpuRequests.Event;
        _predicted(new InterruptEvent(InterruptEventKind.Eoi, ending.Cpu.Index, vcpu, 1, vector));
        return vector;
    }

    /// <summary>Sets L1's APIC to what was recorded: this vector is in service, and the one that the machine injected instead (-1 for none) waits again.</summary>
    public void SetInjected(int vcpu, byte vector, int instead)
    {
        ApicPage page = _system.Vcpus[vcpu].Apic;
        if (instead >= 0)
        {
            page.Isr.TestAndClear(instead);
            page.Irr.TestAndSet(instead);
        }

        page.Accept(vector);
    }

    /// <summary>Sets L1's APIC to what was recorded: this vector is in service no longer.</summary>
    public void SetEnded(int vcpu, byte vector) => _system.Vcpus[vcpu].Apic.Isr.TestAndClear(vector);

    /// <summary>The guest sends itself an interrupt by self-IPI virtualization.</summary>
    public void SelfIpi(int vcpu, byte vector)
    {
        Vmcs vmcs = _system.Vcpus[vcpu].ActiveVmcs;
        if (vmcs.Has(VmControls.VirtualInterruptDelivery))
        {
            vmcs.Status.SelfIpi(vector, vmcs.Page);
        }
        else
        {
            Send(vcpu, new Delivery(vector, vcpu, 1, InterruptSource.Ipi));
        }
    }

    /// <summary>Sets a vCPU that has entered to the level and guest interrupt status that were recorded.</summary>
    public void SetStatus(int vcpu, in EnteredStatus status)
    {
        Vcpu set = _system.Vcpus[vcpu];
        set.GuestMode = status.Level == 2;
        set.NestedRunPending = false;
        set.Thread.Abandon();
        set.Cpu.InGuest = true;
        set.Cpu.InterruptsEnabled = false;
        set.Mode = VcpuMode.InGuestMode;
        set.State = VcpuThreadState.Runnable;
        set.IsHalted = false;
        Vmcs vmcs = set.ActiveVmcs;
        if (status.Level == 2 && !vmcs.Has(VmControls.ExternalInterruptExiting))
        {
            vmcs.Controls = _system.Controls12 | VmControls.ExternalInterruptExiting | VmControls.AckInterruptOnExit;
            vmcs.Descriptor = _system.L1PostsToL2 ? set.Pid12 : null;
        }

        Set(vmcs.Page, status.Rvi, status.Svi);
        vmcs.Status.Rvi = status.Rvi;
        vmcs.Status.Svi = status.Svi;
    }

    /// <summary>Sets a vCPU to what was recorded: its guest took this vector.</summary>
    public void SetDelivered(int vcpu, byte vector)
    {
        Vmcs vmcs = _system.Vcpus[vcpu].ActiveVmcs;
        vmcs.Page.Accept(vector);
        vmcs.Status.Svi = vector;
        vmcs.Status.Rvi = (byte)Math.Max(vmcs.Page.Irr.Highest, 0);
    }

    /// <inheritdoc/>
    void IConductor.Send(in Message message)
    {
        int lane = _actor?.Index ?? message.Cpu;
        _predicted(new InterruptEvent(InterruptEventKind.NotificationSent, lane, _system.Cpus[lane].Current?.Id ?? -1, 0, VectorOf(message.Vector)));
        _system.Arrive(message);
        TakePending(_system.Cpus[message.Cpu]);
    }

    /// <inheritdoc/>
    void IConductor.Poke(PhysicalCpu cpu)
    {
    }

    private static int VectorOf(HostVectors vector) => vector switch
    {
        HostVectors.PostedInterrupt => (byte)HostVector.PostedInterrupt,
        HostVectors.NestedPostedInterrupt => (byte)HostVector.NestedPostedInterrupt,
        HostVectors.Wakeup => (byte)HostVector.Wakeup,
        _ => InterruptSpec.L1Reschedule,
    };

    /// <summary>Nothing above <paramref name="rvi"/> waits and <paramref name="svi"/> is the highest in service.</summary>
    private static void Set(ApicPage page, byte rvi, byte svi)
    {
        for (int vector = page.Irr.Highest; vector > rvi; vector = page.Irr.Highest)
        {
            page.Irr.TestAndClear(vector);
        }

        for (int vector = page.Isr.Highest; vector > svi; vector = page.Isr.Highest)
        {
            page.Isr.TestAndClear(vector);
        }

        if (rvi != 0)
        {
            page.Irr.TestAndSet(rvi);
        }

        if (svi != 0)
        {
            page.Isr.TestAndSet(svi);
        }
    }

    /// <summary>What arrived at a CPU takes effect, or waits if the host has interrupts off.</summary>
    private void TakePending(PhysicalCpu cpu)
    {
        if (cpu.Pending == HostVectors.None || (!cpu.InGuest && !cpu.InterruptsEnabled))
        {
            return;
        }

        HostVectors pending = cpu.Pending;
        cpu.Pending = HostVectors.None;
        foreach (HostVectors vector in new[] { HostVectors.NestedPostedInterrupt, HostVectors.Wakeup, HostVectors.PostedInterrupt, HostVectors.Reschedule })
        {
            if ((pending & vector) != 0)
            {
                Take(cpu, vector);
            }
        }
    }

    private void Take(PhysicalCpu cpu, HostVectors vector)
    {
        Vcpu? vcpu = cpu.Current;
        if (!cpu.InGuest || vcpu is null)
        {
            _predicted(new InterruptEvent(InterruptEventKind.NotificationHandledByHost, cpu.Index, vcpu?.Id ?? -1, 0, VectorOf(vector)));
            return;
        }

        Vmcs vmcs = vcpu.ActiveVmcs;
        if (vmcs.Has(VmControls.PostedInterrupts) && vector == vmcs.NotificationVector && vmcs.Descriptor is { } descriptor)
        {
            descriptor.TestAndClearOn();
            vmcs.Status.Process(ref descriptor.Pir, vmcs.Page);
            Predict(InterruptEventKind.NotificationProcessed, vcpu, VectorOf(vector));
            return;
        }

        Predict(InterruptEventKind.NotificationExit, vcpu, VectorOf(vector));
    }

    /// <summary>A halted vCPU looks whether it may run. False if it may not: it has nothing to run for.</summary>
    private bool WakeToRun(Vcpu vcpu)
    {
        if (!vcpu.IsHalted)
        {
            return true;
        }

        bool woken = vcpu.State != VcpuThreadState.Asleep;
        vcpu.State = VcpuThreadState.Runnable;
        vcpu.Cpu.Current = vcpu;
        vcpu.IsLoaded = true;
        AdvanceTo(vcpu, EntrySteps.ServeRequests);
        bool runs = woken && !vcpu.IsHalted;
        if (vcpu.IsHalted)
        {
            vcpu.IsHalted = false;
            vcpu.State = VcpuThreadState.Runnable;
            vcpu.Cpu.Current = vcpu;
            vcpu.Thread.Abandon();
            vcpu.Thread.Begin(_system.Path.Entry);
        }

        return runs;
    }

    /// <summary>Advances a vCPU's thread up to a step, to its end, or until it sleeps or, if so asked, leaves L2.</summary>
    private void AdvanceTo(Vcpu vcpu, Step? step, bool whileInL2 = false)
    {
        PhysicalCpu? before = _actor;
        _actor = vcpu.Cpu;
        for (int steps = 0; steps < LongestHandling && !vcpu.Thread.IsIdle && vcpu.Thread.Current != step; steps++)
        {
            if ((vcpu.State == VcpuThreadState.Asleep && vcpu.Cpu.Current != vcpu) || (whileInL2 && !vcpu.GuestMode))
            {
                break;
            }

            _system.Advance(vcpu.Thread);
        }

        _actor = before;
    }

    /// <summary>What L0 does about an exit, up to the requests; a nested VM-exit in it is the exit's own.</summary>
    private void Reflect(Vcpu vcpu)
    {
        _reflects = true;
        AdvanceTo(vcpu, EntrySteps.ServeRequests);
        _reflects = false;
    }

    private void Observe(ExecutedStep step)
    {
        if (step.Vcpu < 0)
        {
            return;
        }

        Vcpu vcpu = _system.Vcpus[step.Vcpu];
        if (step.Name == NestedSteps.LeaveL2.Name && !_reflects && EntrySteps.IsSvm(_system))
        {
            Predict(InterruptEventKind.NestedExit, vcpu, -1);
        }

        if (step.Name != NestedSteps.AcknowledgeName || vcpu.Vmcs01.Injection < 0)
        {
            return;
        }

        // L1's own software takes it from the exit information; nothing is injected.
        Predict(InterruptEventKind.NestedExit, vcpu, vcpu.Vmcs01.Injection);
        vcpu.Vmcs01.Injection = -1;
    }

    private void Predict(InterruptEventKind kind, Vcpu vcpu, int vector) => _predicted(new InterruptEvent(kind, vcpu.Cpu.Index, vcpu.Id, vcpu.Level, vector));
}
