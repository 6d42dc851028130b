using Sim.Apic;

namespace Sim.Kvm.Interrupts;

/// <summary>Wrong rules about AVIC: one or more for each thing that docs/rules.md#avic-delivery and #nested-avic say must be done.</summary>
internal static class AvicRules
{
    private static readonly Step EnterBlindly = new("VM-entry that does not look at IRR", Costs.None, activity =>
    {
        Flow flow = EntrySteps.VmEntry.Run(activity);
        activity.Vcpu!.FoundInIrr = false;
        return flow;
    });

    private static readonly Step CompleteWithoutDoorbell = new("wake, or request and kick", Costs.SharedLine, activity =>
        activity is { Found: true, Target.ApicvActive: true } ? Flow.Next : AvicSteps.Complete.Run(activity));

    private static readonly Step CompleteWithoutWaking = new("doorbell, or request and kick", Costs.SharedLine, activity =>
        activity is { Found: false, Target.ApicvActive: true } ? Flow.Next : AvicSteps.Complete.Run(activity));

    private static readonly Step CompleteWithoutRequest = new("doorbell, wake, or kick", Costs.SharedLine, activity =>
    {
        if (activity.Target.ApicvActive)
        {
            return AvicSteps.Complete.Run(activity);
        }

        activity.System.Kick(activity.Target, activity.Cpu);
        return Flow.Next;
    });

    private static readonly Step CompleteWithoutKick = new("doorbell, wake, or request", Costs.SharedLine, activity =>
    {
        if (activity.Target.ApicvActive)
        {
            return AvicSteps.Complete.Run(activity);
        }

        activity.System.Request(activity.Target, VcpuRequests.Event);
        return Flow.Next;
    });

    private static readonly Step CompleteAsIfActive = new("doorbell or wake", Costs.SharedLine, activity =>
    {
        bool active = activity.Target.ApicvActive;
        activity.Target.ApicvActive = true;
        Flow flow = AvicSteps.Complete.Run(activity);
        activity.Target.ApicvActive = active;
        return flow;
    });

    private static readonly Step IgnoreDoorbell = new("AVIC_INCOMPLETE_IPI or nothing", Costs.None, activity =>
        activity.ReadEntry.IsRunning ? Flow.Next : AvicSteps.DoorbellOrExit.Run(activity));

    private static readonly Step LogOnly = new("GA log or nothing (IOMMU)", Costs.None, activity =>
        activity.ReadIrte.IsRun ? Flow.Next : AvicSteps.DoorbellOrLog.Run(activity));

    private static readonly Step DoorbellOnly = new("doorbell or nothing (IOMMU)", Costs.None, activity =>
        activity.ReadIrte.IsRun ? AvicSteps.DoorbellOrLog.Run(activity) : Flow.Next);

    private static readonly Step DeliverIfHeard = new("set IRR if IsRun or GALogIntr (IOMMU)", Costs.SharedLine, activity =>
        activity.Target.Irte is { GuestMode: true, IsRun: false, GaLogInterrupt: false } ? Flow.Return : AvicSteps.DeliverByIrte.Run(activity));

    private static readonly Step ReadIrteOnly = new("read the IRTE (IOMMU)", Costs.SharedLine, activity =>
    {
        activity.ReadIrte = activity.Target.Irte;
        return Flow.Next;
    });

    private static readonly Step DeliverByOldIrte = new("set IRR by the IRTE as it was (IOMMU)", Costs.SharedLine, activity =>
    {
        AvicIrte read = activity.ReadIrte;
        AvicIrte now = activity.Target.Irte;
        activity.Target.Irte = read;
        Flow flow = AvicSteps.DeliverByIrte.Run(activity);
        activity.Target.Irte = now;
        return flow;
    });

    private static readonly Step LoadWithoutTable = new("set IsRun", Costs.SharedLine, activity => Loaded(activity, table: true, irte: false, running: true));
    private static readonly Step LoadWithoutHostId = new("set IsRunning, host APIC ID as before", Costs.SharedLine, activity => Loaded(activity, table: true, irte: false, running: false));
    private static readonly Step LoadWithoutIrte = new("set IsRunning in the table", Costs.SharedLine, activity => Loaded(activity, table: false, irte: true, running: true));
    private static readonly Step LoadWithoutDestination = new("set IsRun, destination as before", Costs.SharedLine, activity => Loaded(activity, table: false, irte: true, running: false));

    private static readonly Step PutAskingForLog = new("clear IsRunning, ask for the GA log", Costs.SharedLine, activity => AvicSteps.PutBlocking.Run(activity));

    private static readonly Step PutTableOnly = new("clear IsRunning in the table", Costs.SharedLine, activity => Put(activity, table: true));
    private static readonly Step PutIrteOnly = new("clear IsRun, ask for the GA log", Costs.SharedLine, activity => Put(activity, table: false));

    private static readonly Step NoInhibition = new("serve requests, without the inhibition of nested entry", Costs.None, activity =>
    {
        activity.Vcpu!.Requests &= activity.Vcpu.GuestMode ? ~VcpuRequests.ApicvUpdate : ~VcpuRequests.None;
        return EntrySteps.ServeRequests.Run(activity);
    });

    private static readonly Step InhibitionWithoutTable = new("serve requests, and leave IsRunning in the table", Costs.None, activity => ServedInL2(activity, table: true));
    private static readonly Step InhibitionWithoutIrte = new("serve requests, and leave IsRun in the IRTE", Costs.None, activity => ServedInL2(activity, table: false));

    public static WrongRule Erratum1235 { get; } = new(
        "erratum-1235", "the processor reads a stale IsRunning: as if before its write of IRR", program => program.Moved(AvicSteps.SetIrr, behind: AvicSteps.ReadIsRunning));

    public static WrongRule StaleIrte { get; } = new(
        "stale-irte", "the IOMMU delivers by the entry as it was before KVM changed it: no completion wait", program => program.Replaced(AvicSteps.DeliverByIrte, ReadIrteOnly).Added(DeliverByOldIrte, behind: ReadIrteOnly));

    public static WrongRule ModeBeforeIrr { get; } = new(
        "mode-before-irr", "the sender reads vcpu->mode before it sets IRR", program => program.Moved(AvicSteps.SetIrr, behind: AvicSteps.ReadMode));

    public static WrongRule NoLookAtIrr { get; } = new(
        "no-look-at-irr", "VMRUN does not look at IRR, so a doorbell to a core that left the guest counts for nothing", program => program.Replaced(EntrySteps.VmEntry, EnterBlindly), (path, _) => path.UsesAvic);

    public static WrongRule NoDoorbell { get; } = new(
        "no-doorbell", "a target that is in its guest is not told", program =>
            program.Replaced(AvicSteps.Complete, CompleteWithoutDoorbell).Replaced(AvicSteps.DoorbellOrExit, IgnoreDoorbell).Replaced(AvicSteps.DoorbellOrLog, LogOnly));

    public static WrongRule NoWakeUp { get; } = new(
        "no-avic-wake-up", "a target that is not in its guest is not woken", program => program.Replaced(AvicSteps.Complete, CompleteWithoutWaking));

    public static WrongRule NoRequest { get; } = new(
        "no-request", "a target whose AVIC is off is kicked without KVM_REQ_EVENT", program => program.Replaced(AvicSteps.Complete, CompleteWithoutRequest));

    public static WrongRule NoKick { get; } = new(
        "no-kick", "a target whose AVIC is off gets KVM_REQ_EVENT and no kick", program => program.Replaced(AvicSteps.Complete, CompleteWithoutKick));

    public static WrongRule FlagKept { get; } = new(
        "flag-kept", "KVM's senders take a vCPU that runs L2 for one whose AVIC is active", program => program.Replaced(AvicSteps.Complete, CompleteAsIfActive));

    public static WrongRule IsRunningClearedLate { get; } = new(
        "is-running-cleared-late", "a halting vCPU looks for interrupts before IsRunning is cleared", program => program.Moved(AvicSteps.PutBlocking, behind: SchedulerSteps.CheckRunnable));

    public static WrongRule IsRunningKeptAsleep { get; } = new(
        "is-running-kept-asleep", "a halting vCPU leaves IsRunning set in the table", program => program.Replaced(AvicSteps.PutBlocking, PutIrteOnly));

    public static WrongRule IsRunKeptAsleep { get; } = new(
        "is-run-kept-asleep", "a halting vCPU leaves IsRun set in the IRTE", program => program.Replaced(AvicSteps.PutBlocking, PutTableOnly));

    public static WrongRule NoGaLogAsleep { get; } = new(
        "no-ga-log-asleep", "GALogIntr stays off while the vCPU sleeps", program => program.Replaced(AvicSteps.PutBlocking, AvicSteps.Put));

    public static WrongRule GaLogIgnored { get; } = new(
        "ga-log-ignored", "the IOMMU writes no log for a target that does not run", program => program.Replaced(AvicSteps.DoorbellOrLog, DoorbellOnly));

    public static WrongRule GaLogForPreempted { get; } = new(
        "ga-log-for-preempted", "GALogIntr is on for a preempted vCPU too (before 6.17)", program => program.Replaced(AvicSteps.Put, PutAskingForLog));

    public static WrongRule NoIrrIfPreempted { get; } = new(
        "no-irr-if-preempted", "the IOMMU drops the interrupt of a target that does not run and wants no log", program =>
            program.Replaced(AvicSteps.DeliverByIrte, DeliverIfHeard));

    public static WrongRule IsRunningKeptPreempted { get; } = new(
        "is-running-kept-preempted", "vcpu_put leaves IsRunning and IsRun set", program => program.Without(AvicSteps.Put));

    public static WrongRule NoIsRunning { get; } = new(
        "no-is-running", "vcpu_load does not set IsRunning in the table", program => program.Replaced(AvicSteps.Load, LoadWithoutTable));

    public static WrongRule HostIdKept { get; } = new(
        "host-id-kept", "vcpu_load leaves the host APIC ID at the CPU where the vCPU ran before", program => program.Replaced(AvicSteps.Load, LoadWithoutHostId));

    public static WrongRule NoIsRun { get; } = new(
        "no-is-run", "vcpu_load does not set IsRun in the IRTE", program => program.Replaced(AvicSteps.Load, LoadWithoutIrte));

    public static WrongRule DestinationKept { get; } = new(
        "destination-kept", "vcpu_load leaves the IRTE's destination at the CPU where the vCPU ran before", program => program.Replaced(AvicSteps.Load, LoadWithoutDestination));

    public static WrongRule NoNestedInhibition { get; } = new(
        "no-nested-inhibition", "AVIC stays active in L1's name while VMCB02 runs", program => program.Replaced(EntrySteps.ServeRequests, NoInhibition), (path, _) => path.UsesAvic);

    public static WrongRule TableKeptInL2 { get; } = new(
        "table-kept-in-l2", "nested entry leaves IsRunning set in the table", program => program.Replaced(EntrySteps.ServeRequests, InhibitionWithoutTable), (path, _) => path.UsesAvic);

    public static WrongRule IrteKeptInL2 { get; } = new(
        "irte-kept-in-l2", "nested entry leaves the IRTE in guest mode with IsRun set", program => program.Replaced(EntrySteps.ServeRequests, InhibitionWithoutIrte), (path, _) => path.UsesAvic);

    /// <summary>avic_vcpu_load that forgets one of the two: it keeps its running bit (running), or only the CPU in it.</summary>
    private static Flow Loaded(Activity activity, bool table, bool irte, bool running)
    {
        Vcpu vcpu = activity.Vcpu!;
        ref AvicPhysicalEntry entry = ref activity.System.AvicPhysicalIds[vcpu.Id];
        AvicPhysicalEntry tableBefore = entry;
        AvicIrte irteBefore = vcpu.Irte;
        AvicSteps.Load.Run(activity);
        if (table)
        {
            entry.HostApicId = tableBefore.HostApicId;
            entry.IsRunning = running ? tableBefore.IsRunning : entry.IsRunning;
        }

        if (irte)
        {
            vcpu.Irte.Destination = irteBefore.Destination;
            vcpu.Irte.IsRun = running ? irteBefore.IsRun : vcpu.Irte.IsRun;
        }

        return Flow.Next;
    }

    /// <summary>avic_vcpu_put of a blocking vCPU that forgets one of the two.</summary>
    private static Flow Put(Activity activity, bool table)
    {
        Vcpu vcpu = activity.Vcpu!;
        AvicPhysicalEntry tableBefore = activity.System.AvicPhysicalIds[vcpu.Id];
        AvicIrte irteBefore = vcpu.Irte;
        AvicSteps.PutBlocking.Run(activity);
        if (table)
        {
            vcpu.Irte = irteBefore;
        }
        else
        {
            activity.System.AvicPhysicalIds[vcpu.Id] = tableBefore;
        }

        return Flow.Next;
    }

    /// <summary>The requests of a nested entry, with the table or the remapping entry as it was.</summary>
    private static Flow ServedInL2(Activity activity, bool table)
    {
        Vcpu vcpu = activity.Vcpu!;
        AvicPhysicalEntry tableBefore = activity.System.AvicPhysicalIds[vcpu.Id];
        AvicIrte irteBefore = vcpu.Irte;
        Flow flow = EntrySteps.ServeRequests.Run(activity);
        if (vcpu.GuestMode && table)
        {
            activity.System.AvicPhysicalIds[vcpu.Id] = tableBefore;
        }
        else if (vcpu.GuestMode)
        {
            vcpu.Irte = irteBefore;
        }

        return flow;
    }
}
