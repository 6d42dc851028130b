using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>A moment of <see cref="ApicvUpdateScenario"/>, with the state behind it.</summary>
/// <param name="Time">Reference cycles.</param>
/// <param name="Event">What happened to the vCPU that runs L2.</param>
/// <param name="Level">Level that is active on it.</param>
/// <param name="ApicvActive">apicv_active: what KVM's software believes.</param>
/// <param name="Vmcs01">APICv controls of vmcs01 are on.</param>
/// <param name="Vmcs02">APICv controls of vmcs02 are on.</param>
public sealed record ApicvMoment(long Time, string Event, int Level, bool ApicvActive, bool Vmcs01, bool Vmcs02);

/// <summary>Seed 2 as a run: APICv of L1 changes while L2 is active.</summary>
/// <param name="Moments">The order of states.</param>
/// <param name="Sent">Interrupts sent.</param>
/// <param name="Handled">Interrupts whose handler ran.</param>
/// <param name="Findings">What went wrong.</param>
public sealed record ApicvUpdateScenario(IReadOnlyList<ApicvMoment> Moments, long Sent, long Handled, IReadOnlyList<InterruptFinding> Findings)
{
    private const int Other = 0;
    private const int Nested = 1;
    private const long Gap = 100_000;
    private const VmControls WithoutTprShadow = VmControls.ExternalInterruptExiting | VmControls.AckInterruptOnExit;

    private static readonly string[] Told =
        ["nested VM-entry", "nested VM-exit", "VM-entry", "apicv_active = 0", "apicv_active = 1", "store the reasons", "handler starts", "acknowledge for L1"];

    /// <summary>
    /// The seed's own case: vmcs12 has no TPR shadow, L1 entered L2 with APICv inhibited, and APICv is un-inhibited while L2 runs. Then two interrupts for L1 while L2 runs,
    /// and one when L1 does not enter L2 any more.
    /// </summary>
    public static ApicvUpdateScenario Uninhibited(InterruptSpec spec, IApicvUpdateRule rule) =>
        Run(spec with { Inhibits = 1UL << (int)ApicvInhibit.BlockIrq, Controls12 = WithoutTprShadow }, rule, inhibits: false);

    /// <summary>The opposite: L2 uses APICv, and L1's is inhibited while L2 runs. Then an interrupt for L2, two for L1 while L2 runs, and one when L1 does not enter L2 any more.</summary>
    public static ApicvUpdateScenario Inhibited(InterruptSpec spec, IApicvUpdateRule rule) => Run(spec, rule, inhibits: true);

    private static ApicvUpdateScenario Run(InterruptSpec spec, IApicvUpdateRule rule, bool inhibits)
    {
        CommandedBehaviour guests = new((1, GuestActionKind.Spin), (2, GuestActionKind.Spin));
        List<ApicvMoment> moments = [];
        InterruptSimulation simulation = null!;
        simulation = new InterruptSimulation(
            spec with { Lanes = 2, VcpusPerLane = 1, HaltPollCycles = 0 }, new PostedInterrupts(), rule, guests, [], step => Note(step));
        long time = Gap;
        simulation.Run(until: time);
        Do(new GuestAction(inhibits ? GuestActionKind.Inhibit : GuestActionKind.Uninhibit, Vector: (byte)ApicvInhibit.BlockIrq));
        if (inhibits)
        {
            Do(new GuestAction(GuestActionKind.SendIpi, 0, Nested, 2, 0x61));
        }

        Do(new GuestAction(GuestActionKind.SendIpi, 0, Nested, 1, 0x51));
        guests.Settle(Nested, 1);
        Do(new GuestAction(GuestActionKind.SendIpi, 0, Nested, 1, 0x52));
        Do(new GuestAction(GuestActionKind.SendIpi, 0, Nested, 1, 0x31));
        simulation.Run();
        return new ApicvUpdateScenario(moments, simulation.Ledger.Sent, simulation.Ledger.Handled, simulation.Findings);

        void Do(GuestAction action)
        {
            guests.Command(Other, action);
            simulation.Rouse(Other);
            time += Gap;
            simulation.Run(until: time);
        }

        void Note(ExecutedStep step)
        {
            Vcpu vcpu = simulation.System.Vcpus[Nested];
            bool shared = step.Name == "store the reasons";
            if ((step.Vcpu == Nested || shared) && (Told.Contains(step.Name) || step.Name.StartsWith("VM-exit", StringComparison.Ordinal) || step.Name.StartsWith("VM-entry to L2 failed", StringComparison.Ordinal)))
            {
                moments.Add(new ApicvMoment(step.Time, shared ? "inhibit reasons change" : step.Name, vcpu.Level, vcpu.ApicvActive, Uses(vcpu.Vmcs01), Uses(vcpu.Vmcs02)));
            }
        }
    }

    private static bool Uses(Vmcs vmcs) => vmcs.Has(VmControls.VirtualInterruptDelivery);
}
