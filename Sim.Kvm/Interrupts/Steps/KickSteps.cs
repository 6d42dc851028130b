namespace Sim.Kvm.Interrupts;

/// <summary>Delivery without APICv: the software APIC, a request, and a kick (docs/rules.md#delivery, "No APICv").</summary>
internal static class KickSteps
{
    /// <summary>The vector into the software APIC's IRR.</summary>
    public static Step SetIrr { get; } = new("set IRR", Costs.SharedLine, activity =>
    {
        if (!activity.Requested())
        {
            return Flow.Return;
        }

        activity.Target.Apic.Irr.TestAndSet(activity.Delivery.Vector);
        activity.System.Conductor.Poke(activity.Target.Cpu);
        return Flow.Next;
    });

    /// <summary>KVM_REQ_EVENT.</summary>
    public static Step RequestEvent { get; } = new("make KVM_REQ_EVENT", Costs.SharedLine, activity =>
    {
        activity.System.Request(activity.Target, VcpuRequests.Event);
        return Flow.Next;
    });

    /// <summary>kvm_vcpu_kick.</summary>
    public static Step Kick { get; } = new("kick", Costs.SharedLine, activity =>
    {
        activity.System.Kick(activity.Target, activity.Cpu);
        return Flow.Next;
    });

    /// <summary>The whole of it.</summary>
    public static Program Inject { get; } = new("inject", SetIrr, RequestEvent, Kick);
}
