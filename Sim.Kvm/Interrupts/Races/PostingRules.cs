namespace Sim.Kvm.Interrupts;

/// <summary>Wrong rules about KVM's own posting and injection, entry, halting and scheduling on VMX (docs/rules.md#delivery, #halting).</summary>
internal static class PostingRules
{
    private static readonly Step TestOn = new("test ON", Costs.SharedLine, activity =>
    {
        activity.Found = activity.Vcpu!.Pid.On;
        return Flow.Next;
    });

    private static readonly Step ClearOn = new("clear ON", Costs.SharedLine, activity =>
    {
        activity.Vcpu!.Pid.TestAndClearOn();
        return Flow.Next;
    });

    private static readonly Step NotifyOnly = new("notify if IN_GUEST_MODE", Costs.SharedLine, activity =>
        activity.Found ? PostingSteps.NotifyOrWake.Run(activity) : Flow.Next);

    private static readonly Step KeepNdst = new("SN=0, NV=0xf2", Costs.SharedLine, activity =>
    {
        uint before = activity.Vcpu!.Pid.Ndst;
        SchedulerSteps.LoadDescriptor.Run(activity);
        activity.Vcpu.Pid.Ndst = before;
        return Flow.Next;
    });

    private static readonly Step KeepSn = new("NDST, NV=0xf2", Costs.SharedLine, activity =>
    {
        bool before = activity.Vcpu!.Pid.Sn;
        SchedulerSteps.LoadDescriptor.Run(activity);
        activity.Vcpu.Pid.Sn = before;
        return Flow.Next;
    });

    private static readonly Step ClearOnOnlyIfActive = new("test and clear ON if APICv is active", Costs.SharedLine, activity =>
    {
        activity.Found = false;
        return activity.Vcpu!.ApicvActive ? EntrySteps.TestAndClearOn.Run(activity) : Flow.Next;
    });

    private static readonly Step EnableInterrupts = new("local_irq_restore", Costs.None, activity =>
    {
        activity.Cpu!.InterruptsEnabled = true;
        return Flow.Next;
    });

    public static WrongRule PirBeforeMode { get; } = new(
        "pir-before-mode", "the entry looks into PIR before vcpu->mode says IN_GUEST_MODE", program => program.Moved(EntrySteps.EnterGuestMode, behind: EntrySteps.MovePir));

    public static WrongRule ModeBeforeOn { get; } = new(
        "mode-before-on", "the sender reads vcpu->mode before it sets PIR and ON", program => program.Moved(PostingSteps.ReadMode, behind: PostingSteps.ChooseWay));

    public static WrongRule OnBeforePir { get; } = new(
        "on-before-pir", "the sender sets ON before the bit in PIR", program => program.Moved(PostingSteps.TestAndSetPir, behind: PostingSteps.TestAndSetOn));

    public static WrongRule OnClearedBehindPir { get; } = new(
        "on-cleared-behind-pir", "PIR is moved first, and ON cleared behind that", program => program.Added(ClearOn, behind: EntrySteps.MovePir).Replaced(EntrySteps.TestAndClearOn, TestOn));

    public static WrongRule NoRecheck { get; } = new(
        "no-recheck", "the entry does not look for requests again behind IN_GUEST_MODE", program => program.Without(EntrySteps.Recheck));

    public static WrongRule KickBeforeRequest { get; } = new(
        "kick-before-request", "the target is kicked before KVM_REQ_EVENT is set", program => program.Moved(KickSteps.RequestEvent, behind: KickSteps.Kick));

    public static WrongRule StateBehindCheck { get; } = new(
        "state-behind-check", "a halting vCPU looks for interrupts before it is TASK_INTERRUPTIBLE", program => program.Moved(SchedulerSteps.PrepareToSleep, behind: SchedulerSteps.CheckRunnable));

    public static WrongRule NoWakeUp { get; } = new(
        "no-wake-up", "a target that is not in guest mode is not woken", program => program.Replaced(PostingSteps.NotifyOrWake, NotifyOnly));

    public static WrongRule NoWakeupVector { get; } = new(
        "no-wakeup-vector", "NV stays 0xf2 while the vCPU sleeps", program => program.Without(SchedulerSteps.SetWakeupVector));

    public static WrongRule NoRepeatedNotification { get; } = new(
        "no-repeated-notification", "ON is not looked at when NV becomes 0xf1", program => program.Without(SchedulerSteps.RepeatNotification).Added(EnableInterrupts, behind: SchedulerSteps.SetWakeupVector));

    public static WrongRule OnTestedBeforeNv { get; } = new(
        "on-tested-before-nv", "ON is looked at before NV becomes 0xf1", program => program.Moved(SchedulerSteps.SetWakeupVector, behind: SchedulerSteps.RepeatNotification));

    public static WrongRule OffTheWakeupList { get; } = new(
        "off-the-wakeup-list", "NV becomes 0xf1, but the vCPU is on no wake-up list", program => program.Without(SchedulerSteps.JoinWakeupList));

    public static WrongRule NdstKept { get; } = new(
        "ndst-kept", "vcpu_load leaves NDST at the CPU where the vCPU ran before", program => program.Replaced(SchedulerSteps.LoadDescriptor, KeepNdst));

    public static WrongRule SnKept { get; } = new(
        "sn-kept", "vcpu_load leaves SN set", program => program.Replaced(SchedulerSteps.LoadDescriptor, KeepSn));

    public static WrongRule NoPirRecheck { get; } = new(
        "no-pir-recheck", "vcpu_load clears SN and does not look into PIR", program => program.Without(SchedulerSteps.RecheckPir));

    public static WrongRule PirRecheckedBeforeSn { get; } = new(
        "pir-rechecked-before-sn", "vcpu_load looks into PIR and clears SN behind that", program => program.Moved(SchedulerSteps.LoadDescriptor, behind: SchedulerSteps.RecheckPir));

    public static WrongRule NoSyncIfInhibited { get; } = new(
        "no-sync-if-inhibited", "the entry looks into PIR only while APICv is active", program => program.Replaced(EntrySteps.TestAndClearOn, ClearOnOnlyIfActive));
}
