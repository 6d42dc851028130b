using Sim.Core.Traces;

namespace Sim.Kvm;

/// <summary>What the designs with an ASID for L2 share (docs/rules.md#nsvm-rework, #nsvm-policies): vmcb12.ASID and vmcb12.TLB_CONTROL decide, at VMRUN only.</summary>
internal static class FlushOnNewAsid12
{
    /// <summary>
    /// TLB_CONTROL 1 names all ASIDs of L1's CPU, L1's own (0) too; 3 and 7 name this one, and 7 is widened to 3. All sync the shadow of NPT12, for ASIDs tag its translations.
    /// </summary>
    public static void Decide(in NestedTransition transition, FlushDecision decision)
    {
        if (!transition.IsEntry)
        {
            return;
        }

        if (transition.Vpid12IsNew)
        {
            decision.RememberVpid12();
        }

        if (transition.TlbControl12 == TlbControl.FlushAll)
        {
            decision.Raise(FlushRequest.Guest, "tlb_control");
            decision.Raise(FlushRequest.All, "tlb_control");
        }
        else if (transition.TlbControl12 != TlbControl.None)
        {
            decision.Raise(FlushRequest.Guest, "tlb_control");
        }
        else if (transition.Vpid12IsNew)
        {
            decision.Raise(FlushRequest.Guest, "new_asid12");
        }
    }
}
