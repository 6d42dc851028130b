using Sim.Apic;
using Sim.Core.Architecture;

namespace Sim.Kvm.Interrupts;

/// <summary>What L0 does when L1 writes IA32_APIC_BASE (kvm_lapic_set_base, kvm_recalculate_apic_map), and what follows from the modes of all vCPUs.</summary>
internal static class ApicModes
{
    private const int LargestXApicId = 0xFF;

    private static readonly ApicvInhibit[] OfBoth = [ApicvInhibit.ApicIdModified];
    private static readonly ApicvInhibit[] OfSvm = [ApicvInhibit.ApicIdModified, ApicvInhibit.LogicalIdAliased];

    /// <summary>The write; the mode is the delivery's vector, the vCPU its target. A disabled APIC forgets what it held.</summary>
    private static Step Write { get; } = new("write IA32_APIC_BASE", Costs.SharedLine, activity =>
    {
        Vcpu vcpu = activity.Target;
        vcpu.ApicMode = (ApicMode)activity.Delivery.Vector;
        if (vcpu.ApicMode == ApicMode.Disabled)
        {
            vcpu.Apic.Irr = default;
            vcpu.Apic.Isr = default;
            vcpu.Pid.Pir = default;
            activity.System.Ledger.Forgotten(vcpu.Id, 1);
        }

        EnterIds(activity.System, vcpu);
        activity.System.Request(vcpu, VcpuRequests.ApicvUpdate);
        return Flow.Next;
    });

    /// <summary>kvm_recalculate_apic_map, the part that sets or clears <see cref="ApicvInhibit.ApicIdModified"/>.</summary>
    private static Step RecalculateIds { get; } = Recalculate(ApicvInhibit.ApicIdModified);

    /// <summary>The part that sets or clears <see cref="ApicvInhibit.LogicalIdAliased"/>.</summary>
    private static Step RecalculateLogicalIds { get; } = Recalculate(ApicvInhibit.LogicalIdAliased);

    /// <summary>All of it.</summary>
    public static Program Change { get; } = new("write IA32_APIC_BASE", Write, RecalculateIds, RecalculateLogicalIds);

    /// <summary>Calls <see cref="Change"/>.</summary>
    public static Step CallChange { get; } = new("change the mode of an APIC", Costs.None, activity =>
    {
        activity.Call(Change);
        return Flow.Next;
    });

    /// <summary>Reasons for which the vendor inhibits and that depend on modes.</summary>
    public static IReadOnlyList<ApicvInhibit> Reasons(InterruptSystem system) => EntrySteps.IsSvm(system) ? OfSvm : OfBoth;

    /// <summary>
    /// Whether the modes of all vCPUs ask for an inhibition: an xAPIC's 8-bit ID that is not its vCPU's, or logical IDs of two kinds (KVM_APIC_MODE_MAP_DISABLED).
    /// </summary>
    public static bool WantsInhibit(InterruptSystem system, ApicvInhibit reason) => reason == ApicvInhibit.ApicIdModified
        ? Array.Exists(system.Vcpus, vcpu => vcpu.ApicMode == ApicMode.XApic && vcpu.Id > LargestXApicId)
        : Array.Exists(system.Vcpus, vcpu => vcpu.ApicMode == ApicMode.XApic) && Array.Exists(system.Vcpus, vcpu => vcpu.ApicMode == ApicMode.X2Apic);

    /// <summary>The vCPU's entries in the tables by which hardware finds targets: none of an APIC that is disabled.</summary>
    public static void EnterIds(InterruptSystem system, Vcpu vcpu)
    {
        bool isThere = vcpu.ApicMode != ApicMode.Disabled;
        system.PidPointers.Set(vcpu.Id, isThere ? vcpu.Pid : null);
        system.AvicPhysicalIds[vcpu.Id] = isThere ? AvicPhysicalEntry.For(0x1_0000_0000 + ((ulong)vcpu.Id << 12)) : default;
        byte ldr = LogicalApicId.XApic(vcpu.Id, system.Vcpus.Length);
        if (vcpu.ApicMode == ApicMode.XApic)
        {
            system.AvicLogicalIds.Set(ldr, (byte)vcpu.Id);
        }
        else
        {
            system.AvicLogicalIds.Clear(ldr);
        }
    }

    private static Step Recalculate(ApicvInhibit reason) => new($"recalculate the APIC map: {reason}", Costs.None, activity =>
    {
        InterruptSystem system = activity.System;
        bool wanted = WantsInhibit(system, reason);
        if (Reasons(system).Contains(reason) && wanted != ((system.Apicv.Reasons >> (int)reason & 1) != 0))
        {
            activity.Delivery = activity.Delivery with { Vector = (byte)reason };
            activity.Found = wanted;
            activity.Call(ApicvSteps.Change);
        }

        return Flow.Next;
    });
}
