namespace Sim.Kvm;

/// <summary>What two vCPUs do on one CPU, while another one idles, if nothing comes in between. One file each, found by its <see cref="Core.ComponentAttribute"/>; stateless.</summary>
internal interface IFlushRace
{
    /// <summary>vmcs12 uses EPT12 (NPT12); else L1 shadows its L2's page tables.</summary>
    bool UsesEpt12 { get; }

    /// <summary>The race exists on this hardware.</summary>
    bool Supports(Core.Profiles.Vendor vendor);

    /// <summary>The steps, as they come without a happening.</summary>
    IReadOnlyList<FlushRaceStep> Steps { get; }
}

/// <summary>Steps that many races have.</summary>
internal static class FlushRaceSteps
{
    /// <summary>The guest of a vCPU runs.</summary>
    public static FlushRaceStep[] Run(int vcpu) => [new(vcpu, FlushRaceAction.Run)];

    /// <summary>L1 enters L2, which runs.</summary>
    public static FlushRaceStep[] EnterL2(int vcpu) => All(vcpu, FlushRaceAction.Exit, FlushRaceAction.NestedEntry, FlushRaceAction.ServeRequests, FlushRaceAction.LoadRoot, FlushRaceAction.Run);

    /// <summary>L2 exits to L1, which runs.</summary>
    public static FlushRaceStep[] LeaveL2(int vcpu) => All(vcpu, FlushRaceAction.Exit, FlushRaceAction.NestedExit, FlushRaceAction.ServeRequests, FlushRaceAction.LoadRoot, FlushRaceAction.Run);

    /// <summary>L1 maps a page of L2 elsewhere and invalidates what its L2 may have cached.</summary>
    public static FlushRaceStep[] Remap(int vcpu) => All(vcpu, FlushRaceAction.Remap, FlushRaceAction.Exit, FlushRaceAction.Invalidate, FlushRaceAction.ServeRequests, FlushRaceAction.LoadRoot, FlushRaceAction.Run);

    /// <summary>L1 executes an instruction that L0 emulates.</summary>
    public static FlushRaceStep[] Emulated(int vcpu, FlushRaceAction instruction) => All(vcpu, FlushRaceAction.Exit, instruction, FlushRaceAction.Run);

    private static FlushRaceStep[] All(int vcpu, params FlushRaceAction[] actions) => [.. actions.Select(action => new FlushRaceStep(vcpu, action))];
}
