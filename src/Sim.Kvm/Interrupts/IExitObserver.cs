namespace Sim.Kvm.Interrupts;

/// <summary>The translation side of a VM-exit, a VM-entry and a TLB shootdown that interrupt delivery causes. A run of interrupts alone has none.</summary>
public interface IExitObserver
{
    /// <summary>A VM-exit happened. Returns cycles it costs beyond hardware and KVM, such as refills.</summary>
    int OnExit(int lane, int vcpu, int level);

    /// <summary>A VM-entry happens. Returns cycles likewise.</summary>
    int OnEntry(int lane, int vcpu, int level);

    /// <summary>The vCPU serves a remote TLB flush (kvm_flush_remote_tlbs). Returns its cycles.</summary>
    int OnTlbFlush(int lane, int vcpu);
}
