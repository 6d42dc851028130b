namespace Sim.Kvm;

/// <summary>A flush function of the vendor module (struct kvm_x86_ops).</summary>
public enum FlushFunction
{
    /// <summary>flush_tlb_all.</summary>
    All,

    /// <summary>flush_tlb_current.</summary>
    Current,

    /// <summary>flush_tlb_guest.</summary>
    Guest,

    /// <summary>flush_tlb_gva.</summary>
    Address,

    /// <summary>svm_flush_tlb_asid, which ends a flush of one address (<see cref="KernelRules.AddressFlushTakesAsid"/>).</summary>
    Asid,
}

/// <summary>One call of a flush function of L0, as a function tracer sees it. What hardware does for it is an <see cref="IssuedInvalidation"/>: on SVM at the next VMRUN, once for several calls.</summary>
/// <param name="Time">Trace time of the record during which it happened.</param>
/// <param name="Lane">Physical CPU.</param>
/// <param name="Vcpu">vCPU whose TLB it is about.</param>
/// <param name="Function">Which.</param>
/// <param name="Transition">Kind of transition or instruction at which it was decided.</param>
/// <param name="Rule">Rule that decided.</param>
public sealed record FlushCall(ulong Time, int Lane, ushort Vcpu, FlushFunction Function, string Transition, string Rule);
