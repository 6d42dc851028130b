namespace Sim.Kvm;

/// <summary>A bit in vcpu->requests that this model services before a VM-entry, in the order of <see cref="KernelRules.ServiceOrder"/>.</summary>
public enum FlushRequest
{
    /// <summary>KVM_REQ_MMU_SYNC: synchronise the unsync shadow pages under the current root.</summary>
    MmuSync,

    /// <summary>KVM_REQ_LOAD_MMU_PGD: write the current root into the VMCS.</summary>
    LoadMmuPgd,

    /// <summary>KVM_REQ_TLB_FLUSH: all contexts.</summary>
    All,

    /// <summary>KVM_REQ_TLB_FLUSH_CURRENT (5.8 and later): the active root or tag.</summary>
    Current,

    /// <summary>KVM_REQ_TLB_FLUSH_GUEST (KVM_REQ_HV_TLB_FLUSH before 5.14): the guest flushed its TLB, or is deemed to have.</summary>
    Guest,
}

/// <summary>What a policy wants done at a transition, besides raising requests.</summary>
public enum ImmediateFlush
{
    /// <summary>The one flush primitive of kernels up to 5.7, on the root and VPID that are active at this moment.</summary>
    Active,

    /// <summary>INVVPID single-context of vpid02.</summary>
    Vpid02,

    /// <summary>INVEPT single-context of the EPTP that is active at this moment.</summary>
    ActiveEptp,
}

/// <summary>One step of a decision.</summary>
/// <param name="Request">The request to raise; null if <paramref name="Immediate"/> is set.</param>
/// <param name="Immediate">The flush to do at once; null if <paramref name="Request"/> is set.</param>
/// <param name="Rule">Name of the rule that decided, for attribution.</param>
public readonly record struct FlushStep(FlushRequest? Request, ImmediateFlush? Immediate, string Rule);

/// <summary>What a <see cref="IFlushPolicy"/> decides at one nested transition.</summary>
public sealed class FlushDecision
{
    private readonly List<FlushStep> _steps = [];

    /// <summary>The steps, in the order in which the policy took them.</summary>
    public IReadOnlyList<FlushStep> Steps => _steps;

    /// <summary>True if the policy recorded vpid12 as the one its real VPID stands for now (vmx->nested.last_vpid).</summary>
    public bool Vpid12Remembered { get; private set; }

    /// <summary>Raises a request, serviced later in the kernel's order.</summary>
    public void Raise(FlushRequest request, string rule) => _steps.Add(new FlushStep(request, null, rule));

    /// <summary>Flushes at once, before the destination's root is loaded.</summary>
    public void FlushNow(ImmediateFlush flush, string rule) => _steps.Add(new FlushStep(null, flush, rule));

    /// <summary>Records vpid12 as the last one used.</summary>
    public void RememberVpid12() => Vpid12Remembered = true;

    /// <summary>Replaces each step by what <paramref name="change"/> makes of it; null drops it.</summary>
    internal void Rewrite(NestedTransition transition, Func<NestedTransition, FlushStep, FlushStep?> change)
    {
        FlushStep[] steps = [.. _steps];
        _steps.Clear();
        _steps.AddRange(steps.Select(step => change(transition, step)).OfType<FlushStep>());
    }

    internal void Clear()
    {
        _steps.Clear();
        Vpid12Remembered = false;
    }
}
