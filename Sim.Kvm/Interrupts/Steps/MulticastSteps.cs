namespace Sim.Kvm.Interrupts;

/// <summary>An IPI to several vCPUs: one after the other, in order of their APIC IDs.</summary>
internal static class MulticastSteps
{
    private static readonly Step Next = new("next target", Costs.None, activity =>
    {
        if (Advance(activity))
        {
            return Flow.Next;
        }

        activity.Multicast = default;
        return Flow.Return;
    });

    private static readonly Step NextByHardware = new("next target (hardware)", Costs.None, activity =>
    {
        if (Advance(activity))
        {
            return Flow.Next;
        }

        if (!activity.Found)
        {
            activity.Multicast = default;
            return Flow.Return;
        }

        activity.Delivery = activity.Delivery with { Target = -1 };
        activity.Jump(ExitSteps.IncompleteIpi);
        return Flow.Next;
    });

    private static readonly Step CallPost = new("post", Costs.None, activity =>
    {
        activity.Call(activity.System.Path.Post);
        return Flow.Next;
    });

    private static readonly Step CallComplete = new("complete delivery", Costs.None, activity =>
    {
        activity.Call(AvicSteps.CompleteDelivery);
        return Flow.Next;
    });

    /// <summary>kvm_irq_delivery_to_apic: each in software.</summary>
    public static Program Post { get; } = ForEach("kvm_irq_delivery_to_apic", Next, CallPost);

    /// <summary>avic_kick_target_vcpus: IRR is set in each; those that run are rung again.</summary>
    public static Program Complete { get; } = ForEach("avic_kick_target_vcpus", Next, CallComplete);

    /// <summary>AVIC: IRR of each, a doorbell to those that run, and one exit behind the last if any does not.</summary>
    public static Program Avic { get; } = ForEach("AVIC IPI to several", NextByHardware, AvicSteps.SetIrr, AvicSteps.ReadIsRunning, AvicSteps.DoorbellOrNote);

    /// <summary>Whether there is another target, which the delivery is to then.</summary>
    private static bool Advance(Activity activity)
    {
        for (int vcpu = activity.Delivery.Target + 1; vcpu < activity.System.Vcpus.Length; vcpu++)
        {
            if (activity.System.IsAddressed(activity.Multicast, activity.Vcpu!.Id, vcpu))
            {
                activity.Delivery = activity.Delivery with { Target = vcpu };
                return true;
            }
        }

        return false;
    }

    private static Program ForEach(string name, params Step[] body)
    {
        Program? each = null;
        Step again = new("again", Costs.None, activity =>
        {
            activity.Jump(each!);
            return Flow.Next;
        });
        return each = new Program(name, [.. body, again]);
    }
}
