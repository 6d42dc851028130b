using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>
/// A hypervisor's TLB-flush policy: what L0 decides at nested transitions. One file each in Policies/, found by
/// <see cref="Core.ComponentAttribute"/>. Decides from the facts alone and keeps no state of its own.
/// </summary>
public interface IFlushPolicy
{
    /// <summary>Vendors whose hardware the policy can run on.</summary>
    bool Supports(Vendor vendor);

    /// <summary>The rest of the kernel that the policy lives in.</summary>
    KernelRules Rules(Vendor vendor);

    /// <summary>Real VPIDs (or ASIDs) that L2 gets on each vCPU: KVM has one. <paramref name="pool"/> is <see cref="MachineSpec.Vpid02Pool"/>.</summary>
    int L2Tags(int pool) => 1;

    /// <summary>It is there to compare others with, or to think with, and nobody can choose it.</summary>
    bool IsYardstick => false;

    /// <summary>The release of KVM that it is; null if it is none.</summary>
    KernelVersion? Release => null;

    /// <summary>Decides at one nested transition.</summary>
    void OnTransition(in NestedTransition transition, FlushDecision decision);
}
