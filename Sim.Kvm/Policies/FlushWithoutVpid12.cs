namespace Sim.Kvm;

/// <summary>nested_vmx_transition_tlb_flush of 5.8 to 5.13 with parts of later kernels: what stable 5.10 from .50 on has, and kernels with single fixes put in.</summary>
internal static class FlushWithoutVpid12
{
    /// <summary>First match wins: no VPID in L0, no vpid12, no tag of L2's own, a new vpid12.</summary>
    /// <param name="transition">The facts.</param>
    /// <param name="decision">Where the flushes go.</param>
    /// <param name="half">Without vpid12 a guest flush is raised beside, if L0 has no EPT (5.10.50).</param>
    /// <param name="newVpid12IsGuestFlush">A new vpid12 is a guest flush instead of an INVVPID at once.</param>
    public static void Decide(in NestedTransition transition, FlushDecision decision, bool half, bool newVpid12IsGuestFlush)
    {
        if (!transition.L0Vpid)
        {
            return;
        }

        bool isNew = transition.IsEntry && transition.Vpid12Enabled && transition.Vpid12IsNew;
        if (!transition.Vpid12Enabled)
        {
            decision.Raise(FlushRequest.All, "no_vpid12");
            if (half && !transition.L0Ept)
            {
                decision.Raise(FlushRequest.Guest, "no_vpid12");
            }
        }
        else if (isNew && newVpid12IsGuestFlush)
        {
            decision.RememberVpid12();
            decision.Raise(FlushRequest.Guest, "new_vpid12");
        }
        else if (!transition.HasGuestTlbTag)
        {
            decision.Raise(FlushRequest.Current, "no_guest_tag");
        }
        else if (isNew)
        {
            decision.RememberVpid12();
            decision.FlushNow(ImmediateFlush.Vpid02, "new_vpid12");
        }
    }
}
