namespace Sim.Kvm;

/// <summary>L0's kernel in one machine: the rules of its version and policy, and the parts that carry them out.</summary>
internal sealed class Kernel
{
    /// <summary>The kernel of a policy. <paramref name="flushRemote"/> is kvm_flush_remote_tlbs, <paramref name="calls"/> is told of every call of a flush function.</summary>
    public Kernel(MachineSpec spec, IFlushPolicy policy, AddressSpaces spaces, SafetyOracle? oracle, Action<Lane, Reason> flushRemote, Action<FlushCall>? calls)
    {
        Rules = policy.Rules(spec.Profile.Vendor);
        ShadowMmu = new ShadowMmu(spec, Rules, spaces) { FlushRemote = flushRemote };
        Flush = new FlushFunctions(spec, Rules, spaces, calls);
        Roots = new MmuRoots(spec, Rules, Flush, spaces, ShadowMmu, ShadowEpt);
        Requests = new RequestSteps(Rules, Flush, Roots);
        Nested = new NestedTransitions(spec, policy, spaces, Flush, Roots, Requests);
        Emulated = new EmulatedInvalidations(spec, Rules, Flush, Roots, Nested, oracle);
    }

    public KernelRules Rules { get; }

    /// <summary>Shadow page tables, where L0 has no EPT.</summary>
    public ShadowMmu ShadowMmu { get; }

    /// <summary>EPT02 as far as a recording tells it.</summary>
    public ShadowEpt ShadowEpt { get; } = new();

    public FlushFunctions Flush { get; }

    public MmuRoots Roots { get; }

    public RequestSteps Requests { get; }

    public NestedTransitions Nested { get; }

    /// <summary>INVVPID, INVEPT and INVLPGA of L1.</summary>
    public EmulatedInvalidations Emulated { get; }
}
