namespace Sim.Captures.HwLog;

/// <summary>
/// Which L1 vCPUs are of one virtual machine of L0: those that ran with one EPT pointer (KVM's vCPUs of a VM share the root of EPT01). Without EPT in L0 nothing tells, and all are
/// taken to be of one.
/// </summary>
internal sealed class VirtualMachines
{
    private readonly Dictionary<ulong, int> _vms = [];
    private readonly Dictionary<ulong, int> _byEptp01 = [];

    /// <summary>Number of virtual machines seen.</summary>
    public int Count { get; private set; }

    /// <summary>The virtual machine of a vCPU, by its vmcs01: from 0 in order of first sight.</summary>
    public int Of(ulong vmcs01) => _vms.GetValueOrDefault(vmcs01);

    /// <summary>A guest of level 1 was entered or left with this EPT pointer; 0 for none.</summary>
    public void Take(ulong vmcs01, ulong eptp01)
    {
        if (_vms.TryGetValue(vmcs01, out int vm))
        {
            _byEptp01[eptp01] = vm;
            return;
        }

        if (!_byEptp01.TryGetValue(eptp01, out vm))
        {
            vm = Count++;
            _byEptp01.Add(eptp01, vm);
        }

        _vms.Add(vmcs01, vm);
    }
}
