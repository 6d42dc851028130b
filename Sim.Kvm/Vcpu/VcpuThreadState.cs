namespace Sim.Kvm;

/// <summary>vcpu->mode.</summary>
internal enum VcpuMode
{
    OutsideGuestMode,
    InGuestMode,
    ExitingGuestMode,
}

/// <summary>What the host's scheduler thinks of a vCPU's thread.</summary>
internal enum VcpuThreadState
{
    /// <summary>Has, or waits for, a CPU.</summary>
    Runnable,

    /// <summary>Is about to sleep (set_current_state(TASK_INTERRUPTIBLE)): a wake-up now keeps it from sleeping.</summary>
    Interruptible,

    /// <summary>Off the run queue.</summary>
    Asleep,
}
