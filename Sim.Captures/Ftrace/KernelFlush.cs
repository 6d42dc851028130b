namespace Sim.Captures.Ftrace;

/// <summary>A call of one of KVM's vendor flush functions (<c>vmx_flush_tlb_*</c>, <c>svm_flush_tlb_*</c>; on SVM in 5.10 <c>svm_flush_tlb</c>, whatever is flushed), and the place where it happened.</summary>
/// <param name="Position">How many records of the lifted trace come before it.</param>
/// <param name="Time">Time since the start of the trace.</param>
/// <param name="Lane">Physical CPU.</param>
/// <param name="Vcpu">Number of the vCPU whose thread called it.</param>
/// <param name="Function">Name of the function. <c>svm_flush_tlb_asid</c> is also called by the other svm functions, and is listed after them.</param>
/// <param name="ExitReason">Reason of that vCPU's last real exit; null before the first.</param>
/// <param name="ExitLevel">Level of that exit; 0 before the first.</param>
/// <param name="RealExit">Number of that vCPU's real exits so far.</param>
/// <param name="IsInL2">True if the vCPU was in L2 by then, as the nested-entry and nested-exit events say.</param>
/// <param name="NestedTransition">Number of that vCPU's nested transitions so far.</param>
/// <param name="After">The traced function that the same thread entered just before it, since its last exit; empty if none.</param>
public sealed record KernelFlush(
    ulong Position, ulong Time, int Lane, int Vcpu, string Function, uint? ExitReason, int ExitLevel, long RealExit, bool IsInL2, long NestedTransition, string After);
