namespace Sim.Kvm;

/// <summary>nested_vmx_transition_tlb_flush as it is since 5.15.7 and 5.16 (712494de96f3): the decision that policies E1, F and G share.</summary>
internal static class GuestFlushOnNewVpid12
{
    /// <summary>First match wins: no vpid12, a new vpid12, no tag of L2's own.</summary>
    public static void Decide(in NestedTransition transition, FlushDecision decision)
    {
        if (!transition.Vpid12Enabled)
        {
            decision.Raise(FlushRequest.Guest, "no_vpid12");
        }
        else if (transition.IsEntry && transition.Vpid12IsNew)
        {
            decision.RememberVpid12();
            decision.Raise(FlushRequest.Guest, "new_vpid12");
        }
        else if (!transition.HasGuestTlbTag)
        {
            decision.Raise(FlushRequest.Current, "no_guest_tag");
        }
    }
}
