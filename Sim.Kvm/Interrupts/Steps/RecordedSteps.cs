namespace Sim.Kvm.Interrupts;

/// <summary>What a trace tells of L0: its exits, its stays and its entries. Their cycles are the trace's.</summary>
internal static class RecordedSteps
{
    private static readonly Step LeaveGuest = new("recorded VM-exit", Costs.None, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        PhysicalCpu cpu = activity.Cpu!;
        cpu.InGuest = false;
        cpu.InterruptsEnabled = true;
        cpu.LastExit = ExitCause.Other;
        cpu.LastVictim = StolenFrom.Guest;
        vcpu.Mode = VcpuMode.OutsideGuestMode;
        vcpu.ImmediateExit = false;
        activity.IsRecorded = true;
        activity.System.Trace!.Host.Leave(cpu, vcpu);
        return Flow.Next;
    });

    private static readonly Step InL0 = new("recorded stay in L0", Costs.None, activity => activity.System.Trace!.Host.Step(activity));

    private static readonly Step EnterGuest = new("vcpu_enter_guest", Costs.None, activity =>
    {
        activity.IsRecorded = true;
        activity.Jump(activity.System.Path.Entry);
        return Flow.Next;
    });

    /// <summary>A guest is left, and L0 runs until it enters one.</summary>
    public static Program Exit { get; } = new("recorded exit", LeaveGuest, InL0);

    /// <summary>L0 on a CPU without a vCPU.</summary>
    public static Program Host { get; } = new("recorded host", InL0);

    /// <summary>A vCPU comes to a CPU.</summary>
    public static Program LoadAndEnter { get; } = new("recorded load and entry", SchedulerSteps.CallLoad, EnterGuest);
}
