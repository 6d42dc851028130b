namespace Sim.Core.Architecture;

/// <summary>Vectors that Linux gives to interrupts of its own (arch/x86/include/asm/irq_vectors.h). A guest's Linux numbers its own in the same way.</summary>
public enum HostVector : byte
{
    /// <summary>LOCAL_TIMER_VECTOR.</summary>
    LocalTimer = 0xEC,

    /// <summary>POSTED_INTR_NESTED_VECTOR: something was posted into L1's own descriptor for L2. The lowest vector that a CPU sends to another.</summary>
    NestedPostedInterrupt = 0xF0,

    /// <summary>POSTED_INTR_WAKEUP_VECTOR: something was posted for a vCPU that blocks.</summary>
    Wakeup = 0xF1,

    /// <summary>POSTED_INTR_VECTOR: something was posted into the descriptor of the vCPU that runs.</summary>
    PostedInterrupt = 0xF2,

    /// <summary>CALL_FUNCTION_SINGLE_VECTOR.</summary>
    CallFunctionSingle = 0xFB,

    /// <summary>CALL_FUNCTION_VECTOR.</summary>
    CallFunction = 0xFC,

    /// <summary>RESCHEDULE_VECTOR: kvm_vcpu_kick, or the scheduler.</summary>
    Reschedule = 0xFD,
}
