using Sim.Core.Traces;

namespace Sim.Kvm;

/// <summary>What one vmcs12 (or vmcb12) said at its last nested VM-entry.</summary>
/// <param name="Address">Its guest-physical address: its name.</param>
/// <param name="Controls">Controls L1 enabled.</param>
/// <param name="Vpid">vpid12, or vmcb12.ASID.</param>
/// <param name="Eptp">EPTP12 or nested CR3, address bits only; 0 if not used.</param>
internal readonly record struct Vmcs12(ulong Address, VmControls Controls, uint Vpid, ulong Eptp)
{
    public bool UsesVpid => (Controls & VmControls.EnableVpid) != 0;

    public bool UsesEpt => (Controls & VmControls.EnableEpt) != 0;

    /// <summary>Name of the VM it runs: two vmcs12 with one EPTP12 are vCPUs of one VM.</summary>
    public ulong Vm => UsesEpt ? Eptp : Address;
}

/// <summary>Control registers of one context that matter to translation.</summary>
internal sealed class ControlRegisters
{
    public ulong Root { get; set; }

    public ushort Pcid { get; set; }

    public Cr4Bits Cr4 { get; set; } = Cr4Bits.Pae | Cr4Bits.Pge;

    public ushort EffectivePcid => (Cr4 & Cr4Bits.Pcide) != 0 ? Pcid : (ushort)0;

    public bool GlobalPages => (Cr4 & Cr4Bits.Pge) != 0;
}

/// <summary>Why a request is pending, or a root must be loaded: for attribution.</summary>
/// <param name="Transition">Kind of transition or instruction at which it was decided.</param>
/// <param name="Rule">Rule that decided.</param>
internal readonly record struct Reason(string Transition, string Rule);

/// <summary>L0's state of one vCPU of L1: struct kvm_vcpu as far as it decides flushes.</summary>
internal sealed class VCpu
{
    private readonly Dictionary<ulong, ControlRegisters> _l2 = [];
    private readonly Vmcb[] _vmcbs = [new(), new()];
    private readonly Reason?[] _pending = new Reason?[Enum.GetValues<FlushRequest>().Length];

    public VCpu(ushort id, ushort vpid01, L2Tags tags)
    {
        Id = id;
        Vpid01 = vpid01;
        Tags = tags;
    }

    public ushort Id { get; }

    /// <summary>Real VPID (ASID) of L1; 0 if L0 uses no VPID. Under <see cref="TagAllocation.PerCpu"/> it changes, and is L2's too.</summary>
    public ushort Vpid01 { get; set; }

    /// <summary>Real VPIDs (ASIDs) of L2.</summary>
    public L2Tags Tags { get; }

    /// <summary>is_guest_mode: L2 is active.</summary>
    public bool GuestMode { get; set; }

    /// <summary>See <see cref="KernelRules.HasOneVmcb"/>.</summary>
    public bool HasOneVmcb { get; init; }

    /// <summary>ASID state of vmcb01 and vmcb02.</summary>
    public IReadOnlyList<Vmcb> Vmcbs => _vmcbs;

    /// <summary>The one that it runs with now.</summary>
    public Vmcb CurrentVmcb => _vmcbs[CurrentVmcbIndex];

    /// <summary>0 for vmcb01, 1 for vmcb02.</summary>
    public int CurrentVmcbIndex => GuestMode && !HasOneVmcb ? 1 : 0;

    /// <summary>Level of its last real VM-exit; 0 before the first.</summary>
    public int ExitLevel { get; set; }

    /// <summary>TLB_CONTROL of the VMRUNs to come, by VMCB or ASID (<see cref="FlushFunctions"/>): those that flush, with the reason of the first who asked.</summary>
    public SortedDictionary<int, Reason> TlbControl { get; } = [];

    /// <summary>The vmcs12 of the L2 that is, or was last, active.</summary>
    public Vmcs12 Vmcs12 { get; set; }

    public ControlRegisters L1 { get; } = new();

    /// <summary>root_mmu: roots of L1, and of an L2 without nested EPT.</summary>
    public RootCache RootMmu { get; } = new();

    /// <summary>guest_mmu: roots of nested EPT.</summary>
    public RootCache GuestMmu { get; } = new();

    /// <summary>The root whose EPTP (or CR3) the VMCS that runs has; null before the first load.</summary>
    public RootKey? LoadedRoot { get; set; }

    /// <summary>Why the current root was switched last.</summary>
    public Reason RootReason { get; set; } = new("vm_entry", "root_load");

    /// <summary>Lane on which a nested VM-entry was carried out whose real one is still to come; -1 if there is none.</summary>
    public int AwaitsEntryOn { get; set; } = -1;

    /// <summary>The guest flush that left no root (<see cref="ShadowGuestFlush.Unload"/>): the flush of the next root load is its.</summary>
    public Reason? UnloadedFor { get; set; }

    /// <summary>Lane on which vmcs01 (index 0) and vmcs02 (index 1) were last loaded; -1 if never.</summary>
    public int[] LastLane { get; } = [-1, -1];

    public ControlRegisters L2(ulong vmcs12)
    {
        if (!_l2.TryGetValue(vmcs12, out ControlRegisters? registers))
        {
            registers = new ControlRegisters();
            _l2.Add(vmcs12, registers);
        }

        return registers;
    }

    /// <summary>Control registers of the level that is active.</summary>
    public ControlRegisters Active => GuestMode ? L2(Vmcs12.Address) : L1;

    /// <summary>The MMU in use: vcpu->arch.mmu.</summary>
    public RootCache ActiveMmu(bool l0Ept) => GuestMode && l0Ept && Vmcs12.UsesEpt ? GuestMmu : RootMmu;

    /// <summary>Key of the root that the active level needs; see <see cref="KernelRules.L2HasOwnDirectRoot"/>.</summary>
    public RootKey NeededRoot(bool l0Ept, bool l2HasOwnDirectRoot) => l0Ept
        ? RootOf(GuestMode, l2HasOwnDirectRoot)
        : new RootKey(GuestMode ? Vmcs12.Vm : 0, Active.Root | Active.EffectivePcid, GuestMode, false);

    /// <summary>Key of the second-level root of L2 (in guest mode) or L1.</summary>
    public RootKey RootOf(bool guestMode, bool l2HasOwnDirectRoot) =>
        guestMode && Vmcs12.UsesEpt ? new RootKey(0, Vmcs12.Eptp, true, true) : new RootKey(0, 0, guestMode && l2HasOwnDirectRoot, false);

    public void Raise(FlushRequest request, Reason reason) => _pending[(int)request] ??= reason;

    /// <summary>A request is pending.</summary>
    public bool IsAnyPending => Array.Exists(_pending, reason => reason is not null);

    public bool Take(FlushRequest request, out Reason reason)
    {
        reason = _pending[(int)request].GetValueOrDefault();
        bool pending = _pending[(int)request] is not null;
        _pending[(int)request] = null;
        return pending;
    }
}
