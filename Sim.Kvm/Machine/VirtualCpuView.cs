using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>What happens to the virtual CPU that a guest sees, told to the safety oracle: which context it is in, and which of its translations it drops.</summary>
internal sealed class VirtualCpuView(MachineSpec spec, ReplayKind kind, AddressSpaces spaces, SafetyOracle? oracle)
{
    // With nested paging, MOV to CR3, INVLPG and their like do not exit: hardware does what they say.
    private bool InstructionsExit => !spec.L0Ept;

    /// <summary>The virtual CPU is in another context: another level, other page tables, other tags. Its tables exist from now on.</summary>
    public void Became(Vcpu vcpu) => Became(vcpu, byL0: true);

    private void Became(Vcpu vcpu, bool byL0)
    {
        ulong root = vcpu.Active.Root;
        PageTable tables = vcpu.GuestMode ? spaces.L2Tables(vcpu.Vmcs12, root) : spaces.L1Tables(root);
        oracle?.Runs(vcpu, tables, vcpu.GuestMode && vcpu.Vmcs12.UsesEpt ? spaces.Ept12(vcpu.Vmcs12.Eptp) : null, byL0);
    }

    /// <summary>Who runs executed an instruction that drops translations of its virtual CPU, and <paramref name="becomes"/> another context by it.</summary>
    public void Flushed(Lane lane, Invalidation? invalidation, bool becomes = false)
    {
        if (lane.Level == 0 || kind == ReplayKind.AsRecorded)
        {
            return;
        }

        Vcpu vcpu = lane.Vcpu!;
        if (becomes)
        {
            Became(vcpu, InstructionsExit);
        }

        if (invalidation is not null)
        {
            oracle?.Invalidated(vcpu, invalidation, $"L{lane.Level}", InstructionsExit);
        }
    }

    /// <summary>L0 emulated an instruction of the level that is active: its virtual CPU drops translations, and <paramref name="becomes"/> another context by it.</summary>
    public void Emulated(Vcpu vcpu, Invalidation invalidation, bool becomes)
    {
        if (becomes)
        {
            Became(vcpu);
        }

        oracle?.Invalidated(vcpu, invalidation, vcpu.GuestMode ? "L2" : "L1");
    }

    /// <summary>What L1 knows a nested transition to flush: without VPID the mappings of VPID 0; on AMD, at an entry, what vmcb12.TLB_CONTROL says.</summary>
    public void NestedTransitionFlushed(Vcpu vcpu, string what)
    {
        Vmcs12 vmcs12 = vcpu.Vmcs12;
        ushort asid12 = (ushort)vmcs12.Vpid;
        Invalidation? flushed = (spec.Profile.Vendor, vcpu.GuestMode ? vmcs12.Controls.TlbControl() : TlbControl.None) switch
        {
            (Vendor.Intel, _) => vmcs12.UsesVpid ? null : new VmTransitionWithoutVpid(),
            (_, TlbControl.FlushAll) => new TlbControlAll(),
            (_, TlbControl.FlushAsid) => new TlbControlAsid(asid12),
            (_, TlbControl.FlushAsidNonGlobal) => new TlbControlAsidNonGlobal(asid12),
            _ => null,
        };
        if (flushed is not null)
        {
            oracle?.Invalidated(vcpu, flushed, what);
        }
    }
}
