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
    public bool BeforeRun(int lane, Vcpu vcpu, bool fails)
    {
        Cpu cpu = CpuOf(lane);
        Vmcs vmcb = vcpu.AsidVmcb;
        if (vmcb.LoadedOn != lane)
        {
            foreach (Vmcs other in _rules.RenewsBothAsids ? [vcpu.Vmcs01, vcpu.Vmcs02] : new[] { vmcb })
            {
                other.AsidGeneration = 0;
            }

            vmcb.LoadedOn = lane;
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
