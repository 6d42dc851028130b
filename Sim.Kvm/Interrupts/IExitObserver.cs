namespace Sim.Kvm.Interrupts;

/// <summary>
/// The translation side of what interrupt delivery does. A run of interrupts alone has none. Each call returns the cycles that it costs beyond hardware's and KVM's own, such as refills; what a trace tells
/// itself is not told again.
/// </summary>
public interface IExitObserver
{
    /// <summary>A VM-exit happened.</summary>
    int OnExit(int lane, int vcpu, int level, ExitCause cause);

    /// <summary>A VM-entry happens.</summary>
    int OnEntry(int lane, int vcpu, int level);

    /// <summary>L1's VMRESUME (VMRUN) takes effect.</summary>
    int OnNestedEntry(int lane, int vcpu);

    /// <summary>L0 reflects an exit of L2 to L1.</summary>
    int OnNestedExit(int lane, int vcpu, ExitCause cause);

    /// <summary>A VM-entry to L2 failed: L1 is active again.</summary>
    int OnFailedEntry(int lane, int vcpu);

    /// <summary>A guest's handler starts.</summary>
    int OnHandler(int lane, int vcpu, int level, byte vector);

    /// <summary>The vCPU serves a remote TLB flush (kvm_flush_remote_tlbs).</summary>
    int OnTlbFlush(int lane, int vcpu);
}
