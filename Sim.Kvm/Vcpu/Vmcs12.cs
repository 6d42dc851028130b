using Sim.Core.Traces;

namespace Sim.Kvm;

/// <summary>What one vmcs12 (or vmcb12) said at its last nested VM-entry.</summary>
/// <param name="Address">Its guest-physical address: its name.</param>
/// <param name="Controls">Controls L1 enabled.</param>
/// <param name="Vpid">vpid12, or vmcb12.ASID.</param>
/// <param name="Eptp">EPTP12 or nested CR3, address bits only; 0 if not used.</param>
internal readonly record struct Vmcs12(ulong Address, VmControls Controls, uint Vpid, ulong Eptp)
{
    public bool UsesVpid => (Controls & VmControls.EnableVpid) != 0;

    public bool UsesEpt => (Controls & VmControls.EnableEpt) != 0;

    /// <summary>Name of the VM it runs: two vmcs12 with one EPTP12 are vCPUs of one VM.</summary>
    public ulong Vm => UsesEpt ? Eptp : Address;
}
