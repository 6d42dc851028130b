using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>
/// The transitions that a trace tells, each carried out to its end at its record: nothing comes in between, and the entry behind an exit finds all requests that were made since. Costs are the profile's; who
/// has a clock of its own charges its own (<see cref="Interrupts.Translation"/>).
/// </summary>
internal sealed class UntimedClock(MachineSpec spec, ReplayKind kind, Kernel kernel, Vcpus vcpus, Transitions steps)
{
    /// <summary>Bit 31 of an exit reason: the VM-entry failed (SDM vol. 3, "Basic VM-exit information").</summary>
    private const ulong EntryFailed = 1UL << 31;

    private readonly OperationCosts _costs = spec.Profile.Costs;

    /// <summary>A real VM-entry.</summary>
    public void Enter(Lane lane, in TraceEvent e)
    {
        Vcpu vcpu = vcpus.Of(e.Vcpu);
        bool guestMode = e.Transition == TransitionKind.L0ToL2;
        lane.Charge(_costs.VmEntry, 0);
        if (kind == ReplayKind.AsRecorded)
        {
            vcpu.GuestMode = guestMode;
            lane.Recorded = ((ushort)e.D, InveptSingle.Ep4taOf(e.E));
            lane.Vcpu = vcpu;
            steps.EnterRecorded(lane, vcpu);
        }
        else
        {
            steps.BeginAt(lane, vcpu, guestMode);
            steps.Enter(lane, vcpu, fails: ((VmControls)e.F & VmControls.EntryFails) != 0);
        }
    }

    /// <summary>A real VM-exit.</summary>
    public void Exit(Lane lane, in TraceEvent e)
    {
        lane.Charge(_costs.VmExit, _costs.KvmExitHandling);
        steps.Exit(lane, e.C);
    }

    /// <summary>L1 enters L2, as L1 sees it.</summary>
    public void NestedEnter(Lane lane, in TraceEvent e)
    {
        Vcpu vcpu = vcpus.Of(e.Vcpu);
        lane.Charge(0, _costs.KvmNestedEntry);
        if (!kernel.Nested.Accept(lane, vcpu, e, out Vmcs12 vmcs12))
        {
            lane.Refused = true;
        }
        else if (kind == ReplayKind.AsRecorded)
        {
            vcpu.Vmcs12 = vmcs12;
        }
        else
        {
            lane.Charge(0, _costs.Vmptrld);
            steps.NestedEnter(lane, vcpu, vmcs12, e);
        }
    }

    /// <summary>L2 exits to L1, as L1 sees it.</summary>
    public void NestedExit(Lane lane, in TraceEvent e)
    {
        lane.Charge(0, _costs.KvmNestedExit);
        if (kind == ReplayKind.AsRecorded)
        {
            kernel.Nested.CountExit();
            return;
        }

        Vcpu vcpu = vcpus.Of(e.Vcpu);
        if (IsInjected((uint)e.C))
        {
            kernel.Requests.Service(lane, vcpu);
        }

        lane.Charge(0, _costs.Vmptrld);
        if (e.Level == 0)
        {
            steps.LeaveByForce(lane, vcpu);
        }
        else if (vcpu.AwaitsEntryOn >= 0 && (e.C & EntryFailed) != 0 && spec.Profile.Vendor == Vendor.Intel)
        {
            steps.NestedEntryFails(lane, vcpu);
        }
        else
        {
            steps.NestedExit(lane, vcpu);
        }
    }

    /// <summary>
    /// True if a nested VM-exit for this reason comes out of vcpu_enter_guest's event injection (vmx_check_nested_events, svm_check_nested_events), hence after its requests were
    /// serviced, and not out of the exit handler: external interrupt, INIT and preemption timer; INTR, NMI, SMI and INIT. VMX's NMI shares its number with exceptions and is left out.
    /// </summary>
    private bool IsInjected(uint reason) => spec.Profile.Vendor == Vendor.Intel 
        ? (VmxExit)reason is VmxExit.ExternalInterrupt or VmxExit.Init or VmxExit.PreemptionTimer
        : (SvmExit)reason is SvmExit.Interrupt or SvmExit.Nmi or SvmExit.Smi or SvmExit.Init;
}
