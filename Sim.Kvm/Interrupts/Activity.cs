using Sim.Apic;

namespace Sim.Kvm.Interrupts;

/// <summary>Where an interrupt comes from.</summary>
public enum InterruptSource
{
    /// <summary>A device's MSI.</summary>
    Device = 0,

    /// <summary>A guest's write to its ICR.</summary>
    Ipi = 1,

    /// <summary>A timer that L0 emulates for the guest.</summary>
    Timer = 2,

    /// <summary>L0's software, or its user space.</summary>
    Software = 3,
}

/// <summary>One interrupt on its way.</summary>
/// <param name="Vector">Vector in the target's APIC.</param>
/// <param name="Target">vCPU.</param>
/// <param name="Level">Whose APIC: 1 for L1's, 2 for L2's.</param>
/// <param name="Source">Where it comes from.</param>
public readonly record struct Delivery(byte Vector, int Target, byte Level, InterruptSource Source);

/// <summary>Somebody who carries out programs step by step: a vCPU's thread, the interrupt context of a physical CPU, a device with its IOMMU.</summary>
public class Activity
{
    private const int MaximumDepth = 12;

    private readonly Program[] _programs = new Program[MaximumDepth];
    private readonly int[] _positions = new int[MaximumDepth];
    private int _depth;

    internal Activity(InterruptSystem system, Vcpu? vcpu, PhysicalCpu? cpu)
    {
        System = system;
        Vcpu = vcpu;
        Interrupted = cpu;
    }

    internal InterruptSystem System { get; }

    /// <summary>The vCPU whose thread this is; null for others.</summary>
    internal Vcpu? Vcpu { get; }

    /// <summary>The physical CPU whose interrupt context this is; null for others.</summary>
    internal PhysicalCpu? Interrupted { get; }

    /// <summary>The physical CPU it runs on; null for a device.</summary>
    internal PhysicalCpu? Cpu => Interrupted ?? Vcpu?.Cpu;

    /// <summary>The interrupt that a delivery program works on.</summary>
    internal Delivery Delivery { get; set; }

    /// <summary>Its target.</summary>
    internal Vcpu Target => System.Vcpus[Delivery.Target];

    /// <summary>What the step before found: carried from one step to the next, as in a register.</summary>
    internal bool Found { get; set; }

    /// <summary>The guest's ICR write, if it goes to several vCPUs: <see cref="Delivery"/> then names one after the other, beginning behind -1. Else nothing.</summary>
    internal IcrWrite Multicast { get; set; }

    /// <summary>The ICR write as hardware sees it.</summary>
    internal IcrWrite Icr => Multicast.IsMulticast ? Multicast : new IcrWrite(Delivery.Vector, (uint)Delivery.Target);

    /// <summary>The entry of AVIC's physical table that a step before read.</summary>
    internal AvicPhysicalEntry ReadEntry { get; set; }

    /// <summary>The remapping entry that a step before read (AMD).</summary>
    internal AvicIrte ReadIrte { get; set; }

    /// <summary>A step that stays needs not be tried again before this time, unless somebody pokes its CPU; 0: try again.</summary>
    internal long WaitUntil { get; set; }

    /// <summary>Cycles that this step cost beyond its own figure.</summary>
    internal int Extra { get; set; }

    /// <summary>It follows a trace, whose own cycles hold what its steps would cost. Ends when L0 decides something that the trace does not tell.</summary>
    internal bool IsRecorded { get; set; }

    /// <summary>True if no program is under way.</summary>
    internal bool IsIdle => _depth == 0;

    /// <summary>The step that comes next. There must be one.</summary>
    internal Step Current => _programs[_depth - 1][_positions[_depth - 1]];

    /// <summary>Programs under way, one inside the other.</summary>
    internal int Depth => _depth;

    /// <summary>A program under way, the outermost first, and the position in it.</summary>
    internal (Program Program, int Position) Frame(int index) => (_programs[index], _positions[index]);

    /// <summary>The delivery is about to become a bit of its target's PIR or IRR. False if the target's APIC takes none: then it ends here.</summary>
    internal bool Requested()
    {
        if (!System.Takes(Delivery))
        {
            return false;
        }

        if (!Guest.IsL1Notification(Delivery.Level, Delivery.Vector))
        {
            System.Ledger.Requested(Delivery);
        }

        return true;
    }

    /// <summary>Begins a program; the one under way goes on behind its present step when that ends.</summary>
    internal void Call(Program program)
    {
        _programs[_depth] = System.InForce(program);
        _positions[_depth] = -1;
        _depth++;
    }

    /// <summary>Begins a program in place of the one under way.</summary>
    internal void Jump(Program program)
    {
        _programs[_depth - 1] = System.InForce(program);
        _positions[_depth - 1] = -1;
    }

    /// <summary>Begins a program when idle, or puts it in front of what is under way, so that its first step is the current one.</summary>
    internal void Begin(Program program)
    {
        if (_depth > 0)
        {
            // It was not carried out yet, and must be when this program ends.
            _positions[_depth - 1]--;
        }

        Call(program);
        _positions[_depth - 1] = 0;
    }

    /// <summary>Forgets everything under way.</summary>
    internal void Abandon() => _depth = 0;

    /// <summary>Carries out the current step. Returns its cycles.</summary>
    internal int Advance()
    {
        Step step = Current;
        bool isPriced = !IsRecorded;
        Extra = 0;
        WaitUntil = 0;
        Flow flow = step.Run(this);
        if (flow == Flow.Return)
        {
            _depth--;
        }

        if (flow != Flow.Stay)
        {
            MoveOn();
        }

        int cycles = (isPriced ? step.Cycles(System.Spec.Profile) : 0) + Extra;
        return flow == Flow.Stay && isPriced ? Math.Max(1, cycles) : cycles;
    }

    private void MoveOn()
    {
        while (_depth > 0 && ++_positions[_depth - 1] >= _programs[_depth - 1].Length)
        {
            _depth--;
        }
    }
}
