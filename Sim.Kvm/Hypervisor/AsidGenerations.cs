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

    private readonly KernelRules _rules;

    /// <summary>CPUs with ASIDs 0 to <paramref name="asids"/> - 1, of which 0 is the host's.</summary>
    public AsidGenerations(int asids, KernelRules rules)
    {
        _asids = asids;
        _rules = rules;
    }

    /// <summary>
    /// pre_svm_run, VMRUN, and what svm_vcpu_run clears behind it: gives the vCPU an ASID to run with on this CPU if it needs one. True if the CPU's ASIDs had run out: VMRUN must flush them all, and
    /// does so unless it fails.
    /// </summary>
    public bool BeforeRun(int lane, VCpu vcpu, bool fails)
    {
        Cpu cpu = CpuOf(lane);
        Vmcb vmcb = vcpu.CurrentVmcb;
        if (vmcb.Lane != lane)
        {
            foreach (Vmcb other in _rules.RenewsBothAsids ? vcpu.Vmcbs : [vmcb])
            {
                other.AsidGeneration = 0;
            }

            vmcb.Lane = lane;
        }

        if (vmcb.AsidGeneration != cpu.Generation)
        {
            if (cpu.Next == _asids)
            {
                cpu.Generation++;
                cpu.Next = FirstAsid;
                cpu.OwesFlush = true;
            }

            vmcb.AsidGeneration = cpu.Generation;
            vcpu.Vpid01 = (ushort)cpu.Next++;
        }

        bool flushes = cpu.OwesFlush;
        cpu.OwesFlush &= fails && _rules.KeepsFlushOfFailedRun;
        return flushes;
    }

    /// <summary>svm_enable_virtualization_cpu: the CPU's next ASID opens a new generation, which is the first again in kernels that restart there.</summary>
    public void ComesOnline(int lane)
    {
        Cpu cpu = CpuOf(lane);
        cpu.Generation = _rules.BumpsAsidGenerationAtOnline ? cpu.Generation + 1 : 1;
        cpu.Next = _asids;
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
        /// <summary>A CPU begins with 1, and its first vCPU finds no ASID left of that; what is flushed then is nothing yet.</summary>
        public long Generation { get; set; } = 2;

        public int Next { get; set; } = FirstAsid;

        /// <summary>All ASIDs are to be flushed at the next VMRUN.</summary>
        public bool OwesFlush { get; set; }
    }
}

/// <summary>What KVM keeps of one VMCB about ASIDs (struct kvm_vmcb_info), and its TLB_CONTROL.</summary>
internal sealed class Vmcb
{
    /// <summary>Generation in which its ASID was given out; 0 if it has none.</summary>
    public long AsidGeneration { get; set; }

    /// <summary>CPU it ran on last; -1 if it has not run.</summary>
    public int Lane { get; set; } = -1;
}
