using Sim.Core.Architecture;

namespace Sim.Captures.Ftrace;

/// <summary>
/// Which kvm_inj_virq are new interrupts. KVM traces one again if it took the injection back before the entry (cancel_injection), or if an exit cut the delivery short
/// (vmx_complete_interrupts, svm_complete_interrupts): kernels from 6.0 on say "reinjected", for older ones the vectoring information of the exit tells.
/// </summary>
public sealed class InjectedInterrupts
{
    // The vector that L0 will inject again, by thread.
    private readonly Dictionary<int, ulong> _pending = [];

    /// <summary>Takes an event, in order. True if it is a kvm_inj_virq of an interrupt that this vCPU has not been given before.</summary>
    public bool IsNew(in KernelEvent e)
    {
        switch (e.Type)
        {
            case KernelEventType.KvmEntry or KernelEventType.KvmNestedVmexitInject:
                // It goes to the guest now, or L1 is told of it.
                _pending.Remove(e.Pid);
                return false;
            case KernelEventType.KvmExit:
                // VMX prints IDT-vectoring information as info2, SVM EXITINTINFO as intr_info; type 0 is an external interrupt for both.
                ulong vectoring = e[(KvmIsa)e[KernelOperand.Isa] == KvmIsa.Svm ? KernelOperand.IntrInfo : KernelOperand.Info2];
                if (((InterruptionInfo)vectoring & InterruptionInfo.Valid) != 0 && ((InterruptionInfo)vectoring & InterruptionInfo.Type) == 0)
                {
                    _pending[e.Pid] = vectoring & byte.MaxValue;
                }

                return false;
            case KernelEventType.KvmInjVirq:
                bool isAgain = e[KernelOperand.Reinjected] != 0 || (_pending.TryGetValue(e.Pid, out ulong vector) && vector == e[KernelOperand.Vector]);
                _pending[e.Pid] = e[KernelOperand.Vector];
                return !isAgain;
            default:
                return false;
        }
    }
}
