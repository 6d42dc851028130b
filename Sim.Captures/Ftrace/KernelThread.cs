namespace Sim.Captures.Ftrace;

/// <summary>What the function tracer's lines say about one thread: where in KVM it is, as far as flushes are concerned.</summary>
internal sealed class KernelThread
{
    /// <summary>Services KVM_REQ_TLB_FLUSH_CURRENT and _GUEST; called in each round of vcpu_enter_guest that finds any request (5.16 and later).</summary>
    public const string Service = "kvm_service_local_tlb_flush_requests";

    /// <summary>Loads a root.</summary>
    public const string LoadRoot = "kvm_mmu_load";

    /// <summary>The only flush function of SVM beside that of one address, read in 5.10.</summary>
    public const string SvmOnly = "svm_flush_tlb";

    private const string ResetContext = "kvm_mmu_reset_context";
    private const string SvmAsid = "svm_flush_tlb_asid";

    private bool _isOutsideKvmRun = true;
    private bool _isEnteringL2;
    private string _lastFlush = "";

    /// <summary>The function it entered last since its last exit; empty if none.</summary>
    public string Last { get; private set; } = "";

    /// <summary>True between kvm_mmu_load and that function's own flush.</summary>
    public bool IsLoadingRoot { get; private set; }

    /// <summary>A remote flush was raised in that time: what was pending before is not any more, and a second one adds nothing.</summary>
    public bool HasFlushedWhileLoading { get; set; }

    /// <summary>True if requests were serviced since its last exit or nested transition.</summary>
    public bool HasServiced { get; private set; }

    /// <summary>Userspace set the registers of this thread's vCPU since its last entry.</summary>
    public bool HasNewRegisters { get; set; }

    /// <summary>Flush calls before it is known to be a vCPU's thread.</summary>
    public List<KernelFlush> Unclaimed { get; } = [];

    /// <summary>Its kvm_entry.</summary>
    public void Enter()
    {
        IsLoadingRoot = false;
        _isOutsideKvmRun = false;
        _isEnteringL2 = false;
    }

    /// <summary>Its kvm_exit.</summary>
    public void Exit()
    {
        Last = "";
        HasServiced = false;
    }

    /// <summary>Its kvm_userspace_exit.</summary>
    public void ExitToUserspace() => _isOutsideKvmRun = true;

    /// <summary>Its kvm_nested_vmenter or kvm_nested_vmrun: nested_vmcb02_prepare_save comes next.</summary>
    public void EnterNested()
    {
        _isEnteringL2 = true;
        _lastFlush = "";
        HasServiced = false;
    }

    /// <summary>Its kvm_nested_vmexit_inject.</summary>
    public void ExitNested() => HasServiced = false;

    /// <summary>True if this function, entered now, is userspace's KVM_SET_SREGS of a vCPU (kvm_mmu_reset_context outside of KVM_RUN), which raises KVM_REQ_TLB_FLUSH_GUEST.</summary>
    public bool SetsRegisters(string function) => function == ResetContext && _isOutsideKvmRun;

    /// <summary>
    /// True if this function, entered now, shows that svm_set_cr4 found another CR4.PGE in vmcb12 than L1 has: svm_flush_tlb_asid by itself, called by no other flush
    /// function, since svm_flush_tlb_current is inlined into svm_set_cr4.
    /// </summary>
    public bool ShowsPge(string function) => function is SvmAsid or SvmOnly && _isEnteringL2 && _lastFlush.Length == 0;

    /// <summary>Takes note of a function that it enters.</summary>
    public void EnterFunction(string function)
    {
        switch (function)
        {
            case LoadRoot:
                IsLoadingRoot = true;
                HasFlushedWhileLoading = false;
                break;
            case Service:
                HasServiced = true;
                _isEnteringL2 = false;
                break;
            case "nested_svm_load_cr3" or "kvm_mmu_sync_roots":
                _isEnteringL2 = false;
                break;
            case var _ when function.Contains("_flush_tlb", StringComparison.Ordinal):
                _lastFlush = function;
                IsLoadingRoot &= function is not ("svm_flush_tlb_current" or "vmx_flush_tlb_current" or SvmOnly);
                break;
            default:
                break;
        }

        Last = function;
    }
}
