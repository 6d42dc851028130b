using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>One invalidation that a lane's hardware carried out.</summary>
/// <param name="Time">Trace time of the record during which it happened.</param>
/// <param name="Lane">Physical CPU.</param>
/// <param name="Invalidation">What, with its operands.</param>
/// <param name="Transition">Kind of transition or instruction at which it was decided.</param>
/// <param name="Rule">Rule that decided.</param>
/// <param name="Dropped">Entries it dropped, over all structures.</param>
public sealed record IssuedInvalidation(ulong Time, int Lane, Invalidation Invalidation, string Transition, string Rule, int Dropped);
