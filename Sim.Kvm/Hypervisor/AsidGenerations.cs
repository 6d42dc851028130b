namespace Sim.Kvm;

/// <summary>
/// ASIDs as pre_svm_run and new_asid hand them out (svm/svm.c, docs/rules.md#nsvm-today): each CPU counts up; when it has given all away, its generation rises, the whole TLB
/// is flushed and it begins again. A VMCB takes a new ASID when it last ran on another CPU or its generation is not the CPU's. L1 and L2 of a vCPU share the number.
/// </summary>
internal sealed class AsidGenerations
{
    private const ushort FirstAsid = 1;

    private readonly int _asids;
    private readonly List<Cpu> _cpus = [];

    /// <summary>CPUs with ASIDs 0 to <paramref name="asids"/> - 1, of which 0 is the host's.</summary>
    public AsidGenerations(int asids) => _asids = asids;

    /// <summary>pre_svm_run: gives the vCPU an ASID to run with on this CPU if it needs one. True if the CPU's ASIDs had run out: VMRUN must flush them all.</summary>
    public bool BeforeRun(int lane, Vcpu vcpu)
    {
        Cpu cpu = CpuOf(lane);
        Vmcs vmcb = vcpu.AsidVmcb;
        if (vmcb.LoadedOn != lane)
        {
            vmcb.AsidGeneration = 0;
            vmcb.LoadedOn = lane;
        }

        if (vmcb.AsidGeneration == cpu.Generation)
        {
            return false;
        }

        bool wraps = cpu.Next == _asids;
        if (wraps)
        {
            cpu.Generation++;
            cpu.Next = FirstAsid;
        }

        vmcb.AsidGeneration = cpu.Generation;
        vcpu.Vpid01 = (ushort)cpu.Next++;
        return wraps;
    }

    private Cpu CpuOf(int lane)
    {
        while (_cpus.Count <= lane)
        {
            _cpus.Add(new Cpu());
        }

        return _cpus[lane];
    }

    private sealed class Cpu
    {
        public long Generation { get; set; } = 1;

        public int Next { get; set; } = FirstAsid;
    }
}
