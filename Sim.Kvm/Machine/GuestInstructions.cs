using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>Instructions that change or drop translations of whoever executes them: carried out by hardware, or by L0 that intercepts them.</summary>
internal sealed class GuestInstructions(MachineSpec spec, ReplayKind kind, Kernel kernel, Vcpus vcpus, VirtualCpuView view, Transitions steps)
{
    /// <summary>Bits of CR4 that a guest with EPT changes without an exit, of those that matter here (KVM_POSSIBLE_CR4_GUEST_BITS). SVM intercepts every MOV to CR4.</summary>
    private const Cr4Bits OwnedByGuest = Cr4Bits.Pge;

    /// <summary>MOV to CR3.</summary>
    public void SetCr3(Lane lane, in TraceEvent e)
    {
        ControlRegisters registers = lane.Registers;
        bool pcide = (registers.Cr4 & Cr4Bits.Pcide) != 0;
        bool noFlush = e.C != 0 && pcide;
        registers.Root = e.A;
        registers.Pcid = (ushort)e.B;
        view.Flushed(lane, new MovToCr3(registers.EffectivePcid, noFlush), becomes: true);
        if (Intercepts(lane))
        {
            Reason reason = new("guest", "mov_to_cr3");
            steps.InL0(lane, vcpu =>
            {
                kernel.Roots.Select(lane, vcpu, reason);
                if (!noFlush)
                {
                    kernel.Roots.InvalidatePcid(vcpu, registers.EffectivePcid, reason);
                }
            });
        }
        else
        {
            steps.Switch(lane, lane.Level == 0 ? "host" : "guest");
            Direct(lane, new MovToCr3(registers.EffectivePcid, noFlush), "mov_to_cr3");
        }
    }

    /// <summary>MOV to CR4.</summary>
    public void SetCr4(Lane lane, Cr4Bits value)
    {
        ControlRegisters registers = lane.Registers;
        Cr4Bits changed = registers.Cr4 ^ value;
        bool everything = (changed & Cr4Bits.Pge) != 0 || (changed & registers.Cr4 & Cr4Bits.Pcide) != 0;
        bool context = (changed & Cr4Bits.Pae) != 0 || (changed & value & Cr4Bits.Smep) != 0;
        registers.Cr4 = value;
        view.Flushed(lane, everything ? new MovToCr4Pge() : context ? new MovToCr4Context() : null, becomes: true);
        if (Intercepts(lane) || (changed != Cr4Bits.None && lane.Level > 0 && kind == ReplayKind.ByPolicy && (spec.Profile.Vendor == Vendor.Amd || (changed & ~OwnedByGuest) != 0)))
        {
            Reason reason = new("guest", "mov_to_cr4");
            steps.InL0(lane, vcpu =>
            {
                kernel.Nested.LoadCr4(lane, vcpu, value ^ changed, reason.Transition);
                if (!spec.L0Ept)
                {
                    kernel.Roots.Select(lane, vcpu, reason);
                }

                kernel.Roots.Cr4Changed(vcpu, value ^ changed, value, reason);
            });
            return;
        }

        steps.Switch(lane, lane.Level == 0 ? "host" : "guest");
        if (everything)
        {
            Direct(lane, new MovToCr4Pge(), "mov_to_cr4");
        }
        else if (context)
        {
            Direct(lane, new MovToCr4Context(), "mov_to_cr4");
        }
    }

    /// <summary>
    /// A CR4 that L0 sets for a guest: a MOV to CR4 that exited (kvm_post_set_cr4), or the CR4 of the vmcb12 that is being entered. Only taken note of if that level is not active.
    /// </summary>
    public void EmulateSetCr4(Lane lane, in TraceEvent e)
    {
        Vcpu vcpu = vcpus.RunningOn(lane);
        ControlRegisters registers = e.Level == 1 ? vcpu.L1 : vcpu.L2(vcpu.Vmcs12.Address);
        Cr4Bits before = registers.Cr4;
        registers.Cr4 = (Cr4Bits)e.A;
        if (vcpu.GuestMode != (e.Level == 2) || kind == ReplayKind.AsRecorded)
        {
            return;
        }

        bool isMove = vcpu.ExitLevel == e.Level;
        kernel.Nested.LoadCr4(lane, vcpu, before, isMove ? "emulation" : "recorded");
        if (!isMove)
        {
            return;
        }

        Cr4Bits changed = before ^ registers.Cr4;
        Reason reason = new("emulation", "mov_to_cr4");
        if ((changed & Cr4Bits.Pge) != 0 || (changed & before & Cr4Bits.Pcide) != 0)
        {
            view.Emulated(vcpu, new MovToCr4Pge(), becomes: true);
        }

        kernel.Roots.Cr4Changed(vcpu, before, registers.Cr4, reason);
    }

    /// <summary>
    /// The CR3 that L0 runs a level with next, where the trace tells the exits of a shadow-paged guest itself: of a MOV to CR3 that exited (kvm_set_cr3), or of a nested transition (nested_vmx_load_cr3). L1's MOV
    /// for its L2 is only taken note of. A hardware log does not tell whether the guest asked for a flush: its records say no_flush.
    /// </summary>
    public void EmulateSetCr3(Lane lane, in TraceEvent e)
    {
        Vcpu vcpu = vcpus.RunningOn(lane);
        ControlRegisters registers = e.Level == 1 ? vcpu.L1 : vcpu.L2(vcpu.Vmcs12.Address);
        bool isNew = (registers.Root, registers.Pcid) != (e.A, (ushort)e.B);
        bool noFlush = e.C != 0;
        (registers.Root, registers.Pcid) = (e.A, (ushort)e.B);
        if (vcpu.GuestMode != (e.Level == 2) || kind == ReplayKind.AsRecorded || spec.L0Ept)
        {
            return;
        }

        view.Emulated(vcpu, new MovToCr3(registers.EffectivePcid, noFlush), becomes: true);
        Reason reason = new("emulation", "mov_to_cr3");
        if (isNew || noFlush)
        {
            kernel.Roots.Select(lane, vcpu, reason);
        }

        // Where the switch of the root flushes, kvm_set_cr3 does nothing more.
        if (!noFlush && !(isNew && kernel.Rules.RootSwitch == RootSwitch.CachedAndFlush))
        {
            kernel.Roots.InvalidatePcid(vcpu, registers.EffectivePcid, reason);
        }
    }

    /// <summary>An INVLPG that exited (kvm_mmu_invlpg), or L0's drop of the address of a #PF that it gives to the guest although the guest's entry is present (kvm_inject_emulated_page_fault).</summary>
    public void EmulateInvlpg(Lane lane, ulong address)
    {
        if (kind == ReplayKind.ByPolicy && !spec.L0Ept)
        {
            Vcpu vcpu = vcpus.RunningOn(lane);
            view.Emulated(vcpu, new Invlpg(address), becomes: false);
            kernel.Roots.InvalidateAddress(lane, vcpu, address, null, new Reason("emulation", "invlpg"));
        }
    }

    /// <summary>INVPCID of any type.</summary>
    public void Invpcid(Lane lane, in TraceEvent e)
    {
        ushort pcid = (ushort)e.B;
        Reason reason = new("guest", "invpcid");
        if (e.A > 0)
        {
            view.Flushed(lane, e.A == 1 ? new InvpcidContext(pcid) : e.A == 2 ? new InvpcidAll() : new InvpcidAllNonGlobal());
        }

        switch (e.A)
        {
            case 0:
                InvalidateAddress(lane, new InvpcidAddress(pcid, e.C), e.C, "invpcid");
                break;
            case 1 when Intercepts(lane):
                steps.InL0(lane, vcpu => kernel.Roots.InvalidatePcid(vcpu, pcid, reason));
                break;
            case 1:
                Direct(lane, new InvpcidContext(pcid), "invpcid");
                break;
            case var _ when Intercepts(lane):
                // KVM does not track globals under shadow paging: type 3 is treated as type 2.
                steps.InL0(lane, vcpu => kernel.Roots.GuestFlushedAll(vcpu, reason));
                break;
            case 2:
                Direct(lane, new InvpcidAll(), "invpcid");
                break;
            default:
                Direct(lane, new InvpcidAllNonGlobal(), "invpcid");
                break;
        }
    }

    /// <summary>INVLPG or INVPCID type 0: executed by hardware, or emulated as kvm_mmu_invlpg with flush_gva under shadow paging.</summary>
    public void InvalidateAddress(Lane lane, Invalidation direct, ulong address, string rule)
    {
        view.Flushed(lane, direct);
        if (Intercepts(lane))
        {
            steps.InL0(lane, vcpu => kernel.Roots.InvalidateAddress(lane, vcpu, address, (direct as InvpcidAddress)?.Pcid, new Reason("guest", rule)));
        }
        else
        {
            Direct(lane, direct, rule);
        }
    }

    /// <summary>True if L0 intercepts the paging instructions of who runs: a guest under shadow paging.</summary>
    public bool Intercepts(Lane lane) => lane.Level > 0 && !spec.L0Ept && kind == ReplayKind.ByPolicy;

    /// <summary>An invalidation that whoever runs executes on the hardware directly.</summary>
    private static void Direct(Lane lane, Invalidation invalidation, string rule) =>
        lane.Execute(invalidation, new Reason(lane.Level == 0 ? "host" : "guest", rule));
}
