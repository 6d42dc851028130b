using Sim.Apic;
using Sim.Core;
using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>Something on its way between CPUs.</summary>
/// <param name="Cpu">Physical CPU it goes to.</param>
/// <param name="Vector">Physical interrupt; none if it is a doorbell.</param>
/// <param name="IsDoorbell">AVIC doorbell.</param>
internal readonly record struct Message(int Cpu, HostVectors Vector, bool IsDoorbell);

/// <summary>Who moves messages and decides when whose next step comes: the simulation by time, the explorer in every order.</summary>
internal interface IConductor
{
    /// <summary>Now, in reference cycles; 0 where there is no time.</summary>
    long Now { get; }

    /// <summary>Takes a message on its way.</summary>
    void Send(in Message message);

    /// <summary>Something happened that may give a CPU a next step.</summary>
    void Poke(PhysicalCpu cpu);
}

/// <summary>A step that was carried out.</summary>
/// <param name="Time">When.</param>
/// <param name="Lane">On which physical CPU; -1 for a device.</param>
/// <param name="Vcpu">By or for which vCPU; -1 if none.</param>
/// <param name="Level">Level of the guest that is active on that vCPU.</param>
/// <param name="Name">Which.</param>
public readonly record struct ExecutedStep(long Time, int Lane, int Vcpu, int Level, string Name);

/// <summary>All state of one VM's interrupt delivery on the CPUs it runs on, and the next step of each CPU. Knows no time.</summary>
internal sealed class InterruptSystem
{
    private readonly Guest _guest;

    public InterruptSystem(InterruptSpec spec, IInterruptPath path, IApicvUpdateRule updateRule, IGuestBehaviour behaviour, IConductor conductor, TraceReplay? trace = null)
    {
        if (!path.Supports(spec.Profile.Vendor))
        {
            throw new ConfigurationException(
                $"Interrupt path {ComponentAttribute.NameOf(path)} does not exist on {spec.Profile.Vendor.Name()} hardware, and profile '{spec.Profile.Name}' is {spec.Profile.Vendor.Name()}. "
                + (spec.Profile.Vendor == Vendor.Amd ? "Try avic, or none." : "Try posted, or none."));
        }

        Spec = spec;
        Path = path;
        UpdateRule = updateRule;
        Behaviour = behaviour;
        Conductor = conductor;
        Trace = trace;
        Apicv = new ApicvState(spec.Inhibits);
        Ledger = trace is null ? new InterruptLedger(spec.Vcpus) : new InterruptLedger(spec.Vcpus) { MayWait = trace.MayWait };
        Cpus = [.. Enumerable.Range(0, spec.Lanes).Select(index => new PhysicalCpu(this, index))];
        Vcpus = trace?.Vcpus.All ?? [.. Enumerable.Range(0, spec.Vcpus).Select(id => new Vcpu(id))];
        PidPointers = new PidPointerTable(spec.Vcpus);
        AvicPhysicalIds = new AvicPhysicalIdTable(spec.Vcpus);
        AvicLogicalIds = new AvicLogicalIdTable(LogicalApicId.IsFlat(spec.Vcpus));
        _guest = new Guest(this);
        foreach (Vcpu vcpu in Vcpus)
        {
            vcpu.ApicMode = spec.X2Apic ? ApicMode.X2Apic : ApicMode.XApic;
        }

        foreach (ApicvInhibit reason in ApicModes.Reasons(this))
        {
            Apicv.Reasons |= ApicModes.WantsInhibit(this, reason) ? 1UL << (int)reason : 0;
        }

        foreach (Vcpu vcpu in Vcpus)
        {
            vcpu.Start(this, Cpus[vcpu.Id % spec.Lanes]);
            Reset(vcpu);
            if (trace?.Vcpus.Follows(vcpu.Id) != true)
            {
                vcpu.Cpu.RunQueue.Enqueue(vcpu);
            }
        }
    }

    public InterruptSpec Spec { get; }

    public IInterruptPath Path { get; }

    public IApicvUpdateRule UpdateRule { get; }

    public IGuestBehaviour Behaviour { get; }

    public IConductor Conductor { get; }

    /// <summary>The trace that vCPUs follow; null if there is none.</summary>
    public TraceReplay? Trace { get; }

    public ApicvState Apicv { get; }

    public InterruptLedger Ledger { get; }

    public PhysicalCpu[] Cpus { get; }

    public Vcpu[] Vcpus { get; }

    /// <summary>IPI virtualization's table, one for the VM.</summary>
    public PidPointerTable PidPointers { get; }

    public AvicPhysicalIdTable AvicPhysicalIds { get; }

    /// <summary>Of vCPUs in xAPIC mode; x2AVIC has none.</summary>
    public AvicLogicalIdTable AvicLogicalIds { get; }

    /// <summary>The VM has APICv or AVIC unless inhibited. Before <see cref="InterruptSpec.HybridAvic"/> a guest that may use x2APIC had no AVIC on a CPU without x2AVIC.</summary>
    public bool HasApicv => Path.UsesApicv || (Path.UsesAvic && (Spec.HybridAvic || !Spec.X2Apic || Spec.Profile.X2Avic));

    /// <summary>Controls of vmcs12: those that L1 wants and L0 can offer. Without APICv in L0 there is none in vmcs12.</summary>
    public VmControls Controls12 => Path.UsesApicv ? Spec.Controls12
        : Spec.Controls12 & ~(VmControls.VirtualInterruptDelivery | VmControls.PostedInterrupts | VmControls.ApicRegisterVirtualization);

    /// <summary>L1 delivers to L2 through L2's own posted-interrupt descriptor; else by injection.</summary>
    public bool L1PostsToL2 => (Controls12 & VmControls.PostedInterrupts) != 0;

    /// <summary>A rule that is known to be wrong, in force instead of KVM's; null in every run but those that show what it breaks.</summary>
    public WrongRule? Rule { get; init; }

    /// <summary>Told of every step behind its effect, if somebody wants to know.</summary>
    public Action<ExecutedStep>? Observer { get; init; }

    /// <summary>The translation side of L0's steps; null in a run of interrupts alone.</summary>
    public Translation? Translation => Trace?.Translation;

    /// <summary>The next step of a CPU as an activity to advance; null if it has none now.</summary>
    public Activity? Next(PhysicalCpu cpu)
    {
        if (!cpu.InGuest && cpu.InterruptsEnabled)
        {
            if (cpu.Interrupts.IsIdle && cpu.Pending != HostVectors.None)
            {
                cpu.Interrupts.Begin(HostSteps.Interrupt);
            }

            if (!cpu.Interrupts.IsIdle)
            {
                return cpu.Interrupts;
            }
        }

        if (cpu.Current is null)
        {
            if (cpu.RunQueue.Count == 0)
            {
                return Trace?.Host.On(cpu);
            }

            SchedulerSteps.Choose(cpu);
        }

        Vcpu vcpu = cpu.Current!;
        if (vcpu.Thread.IsIdle && cpu.InGuest && _guest.Next(vcpu, cpu) is { } program)
        {
            vcpu.Thread.Begin(program);
        }

        return vcpu.Thread.IsIdle ? null : vcpu.Thread;
    }

    /// <summary>Carries out an activity's current step. Returns its cycles.</summary>
    public int Advance(Activity activity)
    {
        string name = activity.Current.Name;
        PhysicalCpu? cpu = activity.Cpu;
        bool inHost = cpu is { InGuest: false };
        bool isRecorded = activity.IsRecorded;
        long stalls = Trace?.Stalls ?? 0;
        int cycles = activity.Advance();
        if (Trace is { Halt: not LaneHalt.None })
        {
            return 0;
        }

        Observe(activity, name);
        if (isRecorded)
        {
            return cycles;
        }

        if (cpu is not null)
        {
            Trace?.Delivered(cpu.Index, cycles + stalls - Trace.Stalls);
        }

        if (cpu is { Current: not null } && (inHost || !cpu.InGuest))
        {
            Ledger.Stolen(cpu.LastVictim, cpu.LastExit, cycles);
        }

        return cycles;
    }

    /// <summary>Cycles of guest work that a CPU has before its next step; 0 if it does none.</summary>
    public static long WorkOf(PhysicalCpu cpu) => cpu is { InGuest: true, Current: { } vcpu } && vcpu.Thread.IsIdle ? vcpu.Guest(vcpu.Level).Work : 0;

    /// <summary>A message arrives.</summary>
    public void Arrive(in Message message)
    {
        PhysicalCpu cpu = Cpus[message.Cpu];
        if (message.IsDoorbell)
        {
            // There is one doorbell: it makes the CPU look at the IRR of the VMCB that runs, whosever it is; in the host it is nothing.
            if (cpu is { InGuest: true, Current: { } vcpu })
            {
                vcpu.LookAtIrr();
            }
        }
        else
        {
            cpu.Pending |= message.Vector;
        }

        Conductor.Poke(cpu);
    }

    /// <summary>A device's or timer's interrupt arrives at a physical CPU, for KVM to pass on.</summary>
    public void ArriveAtHost(int cpu, in Delivery delivery)
    {
        Cpus[cpu].Devices.Enqueue(delivery);
        Arrive(new Message(cpu, HostVectors.Device, false));
    }

    /// <summary>
    /// Whether the IOMMU delivers a device's interrupt by itself: KVM puts the remapping entry into posted (guest) mode only for an MSI, fixed and to one vCPU, and an MSI is
    /// edge-triggered (vmx_pi_update_irte, avic_pi_update_irte). Others stay remapped: the host's, and posted in software.
    /// </summary>
    public bool IsDeliveredByHardware(in Delivery delivery) =>
        delivery.Source == InterruptSource.Device && Path.HardwareDevice is not null && !Spec.EoiExitVectors.Contains(delivery.Vector);

    /// <summary>Whether an IPI of a vCPU goes to another one (or itself), whose own mode says what its ID is (kvm_apic_match_dest).</summary>
    public bool IsAddressed(in IcrWrite icr, int sender, int vcpu) => Vcpus[vcpu].ApicMode != ApicMode.Disabled
        && (icr.Shorthand == IcrWrite.AllButSelf ? vcpu != sender
            : icr.Logical ? LogicalApicId.Names(icr.Destination, vcpu, Vcpus.Length, Vcpus[vcpu].ApicMode == ApicMode.X2Apic)
            : icr.Destination == vcpu);

    /// <summary>Whether the APIC that an interrupt is for takes any: one that is disabled is in no map of KVM's (kvm_recalculate_apic_map), and the interrupt is dropped.</summary>
    public bool Takes(in Delivery delivery) => delivery.Level != 1 || Vcpus[delivery.Target].ApicMode != ApicMode.Disabled;

    /// <summary>Sends a physical interrupt.</summary>
    public void Send(PhysicalCpu cpu, HostVectors vector) => Conductor.Send(new Message(cpu.Index, vector, false));

    /// <summary>kvm_vcpu_wake_up: true if the thread slept, or was about to.</summary>
    public bool WakeUp(Vcpu vcpu)
    {
        if (vcpu.State == VcpuThreadState.Runnable)
        {
            return false;
        }

        vcpu.WasWoken = true;
        if (vcpu.State == VcpuThreadState.Asleep)
        {
            vcpu.Cpu.RunQueue.Enqueue(vcpu);
            Conductor.Poke(vcpu.Cpu);
        }

        vcpu.State = VcpuThreadState.Runnable;
        return true;
    }

    /// <summary>kvm_vcpu_kick: wakes it, or sends a reschedule IPI if it is in guest mode on another CPU.</summary>
    public void Kick(Vcpu vcpu, PhysicalCpu? self)
    {
        if (!WakeUp(vcpu) && vcpu.Mode == VcpuMode.InGuestMode)
        {
            vcpu.Mode = VcpuMode.ExitingGuestMode;
            if (vcpu.Cpu != self)
            {
                Ledger.Kicks++;
                Send(vcpu.Cpu, HostVectors.Reschedule);
            }
        }
    }

    /// <summary>Makes a request that the vCPU sees before its next VM-entry.</summary>
    public void Request(Vcpu vcpu, VcpuRequests request)
    {
        vcpu.Requests |= request;
        Conductor.Poke(vcpu.Cpu);
    }

    /// <summary>A vCPU's thread moves to another CPU; it must not be on one.</summary>
    public void Migrate(Vcpu vcpu, PhysicalCpu to)
    {
        PhysicalCpu from = vcpu.Cpu;
        int waiting = from.RunQueue.Count;
        for (int i = 0; i < waiting; i++)
        {
            Vcpu other = from.RunQueue.Dequeue();
            (other == vcpu ? to : from).RunQueue.Enqueue(other);
        }

        Conductor.Poke(to);
    }

    /// <summary>What is carried out for a program: itself, unless a wrong rule is in force.</summary>
    public Program InForce(Program program) => Rule is null ? program : Rule.Apply(program);

    /// <summary>
    /// Every interrupt is somewhere: what the ledger takes to wait in an APIC is a bit of that APIC's IRR or of its descriptor's PIR, and there is no other bit.
    /// L1's notifications to itself, which the ledger does not count, are left out.
    /// </summary>
    /// <exception cref="InvalidOperationException">The simulator is wrong.</exception>
    public void CheckConservation()
    {
        foreach (Vcpu vcpu in Vcpus)
        {
            for (int level = 1; level <= 2; level++)
            {
                (VectorSet irr, VectorSet pir) = level == 1 ? (vcpu.Apic.Irr, vcpu.Pid.Pir) : (vcpu.L2Apic.Irr, vcpu.Pid12.Pir);
                for (int vector = 0; vector < 256; vector++)
                {
                    if (!Guest.IsL1Notification(level, vector) && Ledger.IsRequested(vcpu.Id, level, vector) != (irr[vector] || pir[vector]))
                    {
                        throw new InvalidOperationException($"Interrupt {vector:x2} of vCPU {vcpu.Id}'s L{level} is {(irr[vector] || pir[vector] ? "" : "not ")}in IRR or PIR, and the ledger takes the opposite.");
                    }
                }
            }
        }

        if (Ledger.Accepting < 0)
        {
            throw new InvalidOperationException($"{-Ledger.Accepting} handlers ran for interrupts that no APIC had accepted.");
        }
    }

    public void Observe(Activity activity, string name) =>
        Observer?.Invoke(new ExecutedStep(Conductor.Now, activity.Cpu?.Index ?? -1, activity.Vcpu?.Id ?? -1, activity.Vcpu?.Level ?? 0, name));

    private void Reset(Vcpu vcpu)
    {
        vcpu.Pid.Load((uint)vcpu.Cpu.Index, (byte)HostVector.PostedInterrupt);
        ApicModes.EnterIds(this, vcpu);
        vcpu.ApicvActive = HasApicv && !Apicv.IsInhibited;
        vcpu.Vmcs01.NotificationVector = HostVectors.PostedInterrupt;
        vcpu.Vmcs01.Descriptor = vcpu.Pid;
        vcpu.Vmcs01.Controls = VmControls.ExternalInterruptExiting | VmControls.AckInterruptOnExit | VmControls.TprShadow;
        vcpu.Vmcs02.NotificationVector = HostVectors.NestedPostedInterrupt;
        ApicvSteps.WriteControls(this, vcpu, vcpu.Vmcs01);
        vcpu.Irte.GuestMode = vcpu.ApicvActive;
    }
}
