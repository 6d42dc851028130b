using Sim.Apic;

namespace Sim.Kvm.Interrupts;

/// <summary>Wrong rules about nested transitions and L1's own posting (docs/rules.md#nested-interrupts, #apicv-inhibition).</summary>
internal static class NestedRules
{
    private static readonly Step EnterWithL1sVector = new("nested VM-entry with PINV=0xf2", Costs.None, activity =>
    {
        Flow flow = NestedSteps.EnterL2.Run(activity);
        activity.Vcpu!.Vmcs02.NotificationVector = HostVectors.PostedInterrupt;
        return flow;
    });

    private static readonly Step EnterWithoutEvaluation = new("nested VM-entry that does not look for L1's interrupts", Costs.None, activity =>
    {
        VcpuRequests before = activity.Vcpu!.Requests;
        Flow flow = NestedSteps.EnterL2.Run(activity);
        activity.Vcpu.Requests &= before | ~VcpuRequests.Event;
        return flow;
    });

    private static readonly Step MovePirWithoutRequest = new("move PIR to IRR, without a request", Costs.None, activity =>
    {
        VcpuRequests before = activity.Vcpu!.Requests;
        Flow flow = EntrySteps.MovePir.Run(activity);
        activity.Vcpu.Requests &= before | ~VcpuRequests.Event;
        return flow;
    });

    private static readonly Step ForgetPendingRun = new("check and inject events, whether or not L2 was entered", Costs.None, activity =>
    {
        activity.Vcpu!.NestedRunPending = false;
        return EntrySteps.ServeEvents.Run(activity);
    });

    /// <summary>VM-exit clears the valid bit of vmcs12's VM-entry interruption information.</summary>
    private static readonly Step LeaveL2AndItsInjection = new("nested VM-exit", Costs.None, activity =>
    {
        activity.Vcpu!.Vmcs02.Injection = -1;
        return NestedSteps.LeaveL2.Run(activity);
    });

    private static readonly Step CheckL1Only = new("check whether L1 is runnable", Costs.SharedLine, activity =>
    {
        Vcpu vcpu = activity.Vcpu!;
        return vcpu.Apic.Deliverable >= 0 ? SchedulerSteps.CheckRunnable.Run(activity) : Flow.Next;
    });

    private static readonly Step ServeWithoutEvent = new("serve requests, and raise no EVENT", Costs.None, activity =>
    {
        VcpuRequests before = activity.Vcpu!.Requests;
        Flow flow = EntrySteps.ServeRequests.Run(activity);
        activity.Vcpu.Requests &= before | ~VcpuRequests.Event;
        return flow;
    });

    public static WrongRule OneVector { get; } = new(
        "one-vector", "vmcs02 notifies on 0xf2 as vmcs01 does, so L2's hardware takes what is for L1", program => program.Replaced(NestedSteps.EnterL2, EnterWithL1sVector), (path, _) => path.UsesApicv);

    public static WrongRule NoRequestInL2 { get; } = new(
        "no-request-in-l2", "what is moved from PIR to IRR while L2 is active raises no request", program => program.Replaced(EntrySteps.MovePir, MovePirWithoutRequest));

    public static WrongRule NoEvaluationAtEntry { get; } = new(
        "no-evaluation-at-entry", "nested entry does not look for interrupts that L1 did not take", program => program.Replaced(NestedSteps.EnterL2, EnterWithoutEvaluation));

    public static WrongRule PendingRunForgotten { get; } = new(
        "pending-run-forgotten", "a nested exit comes before the entry that L1 asked for, and what it injects is gone", program =>
            program.Replaced(EntrySteps.ServeEvents, ForgetPendingRun).Replaced(NestedSteps.LeaveL2, LeaveL2AndItsInjection));

    public static WrongRule NoPiPending { get; } = new(
        "no-pi-pending", "L0 sends 0xf0 and leaves no pi_pending behind", program => program.Without(NestedSteps.SetPiPending));

    public static WrongRule PiPendingLate { get; } = new(
        "pi-pending-late", "L0 sends 0xf0 and sets pi_pending behind that", program => program.Moved(NestedSteps.SetPiPending, behind: NestedSteps.NotifyNested));

    public static WrongRule PirBeforeModeInL1 { get; } = new(
        "pir12-before-mode", "L1 looks into L2's PIR before its own vcpu->mode says IN_GUEST_MODE", program =>
            program.Without(L1Steps.SyncPir12).Replaced(L1Steps.EnterMode, L1Steps.SyncPir12).Added(L1Steps.EnterMode, behind: L1Steps.SyncPir12));

    public static WrongRule NoSyncInL1 { get; } = new(
        "no-pir12-at-entry", "L1 leaves PIR12 to pi_pending when it enters L2, and L0 forgets that when it takes vector and descriptor from vmcs12 anew", program => program.Without(L1Steps.SyncPir12));

    public static WrongRule HaltedL2IgnoresPiPending { get; } = new(
        "halted-l2-ignores-pi-pending", "an L2 that sleeps in L0 is not woken by pi_pending", program => program.Replaced(SchedulerSteps.CheckRunnable, CheckL1Only));

    public static WrongRule NoEventWhenInhibited { get; } = new(
        "no-event-when-inhibited", "a vCPU whose APICv was just inhibited does not look for interrupts to inject", program => program.Replaced(EntrySteps.ServeRequests, ServeWithoutEvent));
}
