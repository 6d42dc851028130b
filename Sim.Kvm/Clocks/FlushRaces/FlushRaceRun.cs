using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>One order of the steps of a race, carried out on a machine of its own: two CPUs, two vCPUs that begin on the first one. A step that makes no sense where it comes does nothing.</summary>
internal sealed class FlushRaceRun
{
    private const ulong Eptp12 = 0x70000;
    private const uint Vpid12 = 1;

    // A program's page, and one of its kernel, which is global.
    private static readonly ulong[] Addresses = [0x40_0000, 0xFFFF_8000_0000_0000];

    private readonly Machine _machine;
    private readonly TraceBlock _block = new();
    private readonly int[] _lane = [0, 0];
    private readonly bool[] _owes = new bool[2];
    private readonly bool[] _isOff = new bool[2];

    // The level that a vCPU exited from, until L0 has done with that exit what a guest asked for; 0 if there is no exit to handle.
    private readonly int[] _exited = [0, 0];
    private readonly bool _amd;
    private readonly bool _ept12;
    private ulong _record;

    /// <summary>The machine at its reset.</summary>
    public FlushRaceRun(MachineSpec spec, IFlushPolicy policy, IFlushRace race)
    {
        _machine = new Machine(spec, policy, ReplayKind.ByPolicy, 2);
        _amd = spec.Profile.Vendor == Vendor.Amd;
        _ept12 = race.UsesEpt12 && spec.L0Ept;
    }

    /// <summary>A translation was used that the architecture forbids.</summary>
    public bool IsWrong => _machine.SafetyCounts.Incidents > 0;

    /// <summary>What the oracle says of the first one; empty if there is none.</summary>
    public IReadOnlyList<string> Incident => _machine.Safety!.Incidents is [var first, ..] ? first.Story : [];

    /// <summary>Carries a step out. Returns it in words; null if it did nothing.</summary>
    public string? Take(FlushRaceStep step)
    {
        int v = step.Vcpu;
        Vcpu vcpu = _machine.Vcpus.Of((ushort)v);
        bool inGuest = IsInGuest(v);
        Lane lane = _machine.LaneOf(_lane[v]);
        switch (step.Action)
        {
            case FlushRaceAction.Run:
                Enter(v);
                Use(v);
                return Told(v, $"{(inGuest ? "goes on" : "is entered")} and uses its pages");
            case FlushRaceAction.Exit:
                Enter(v);
                Exit(v, isAsked: true);
                return Told(v, "exits");
            case FlushRaceAction.NestedEntry when Handles(v, 1) && !_isOff[v]:
                VmControls controls = VmControls.EnableVpid | (_ept12 ? VmControls.EnableEpt : 0);
                Send(v, TraceEvent.NestedEnter(0, (ushort)v, 0x5000 + ((ulong)v << 12), controls.With(_owes[v] ? TlbControl.FlushAsid : TlbControl.None), Vpid12, _ept12 ? Eptp12 : 0));
                _owes[v] = false;
                return Told(v, "nested VM-entry, emulated");
            case FlushRaceAction.NestedExit when Handles(v, 2):
                Send(v, TraceEvent.VmExit(0, TransitionKind.L2ToL1, (ushort)v, Reason));
                return Told(v, "nested VM-exit, emulated");
            case FlushRaceAction.FailEntry when !inGuest && vcpu is { GuestMode: true, AwaitsEntryOn: >= 0 }:
                Send(v, TraceEvent.VmExit(0, TransitionKind.L2ToL1, (ushort)v, Reason));
                return Told(v, "the VM-entry to L2 fails, and L1 is told an exit");
            case FlushRaceAction.ServeRequests when !inGuest && vcpu.IsAnyFlushPending:
                _machine.Steps.ServeRequests(lane, vcpu);
                return Told(v, "requests are served");
            case FlushRaceAction.LoadRoot when !inGuest && vcpu.ActiveMmu(true).Current is null:
                _machine.Steps.LoadRoot(lane, vcpu);
                return Told(v, "the root is loaded");
            case FlushRaceAction.Remap when !vcpu.GuestMode:
                return Remap(v);
            case FlushRaceAction.Invalidate when Handles(v, 1):
                return Invalidate(v);
            case FlushRaceAction.Vmxoff or FlushRaceAction.Vmxon when _isOff[v] == (step.Action == FlushRaceAction.Vmxon) && Handles(v, 1):
                _isOff[v] = !_isOff[v];
                Send(v, step.Action == FlushRaceAction.Vmxoff ? TraceEvent.Vmxoff(0, (ushort)v) : TraceEvent.Vmxon(0, (ushort)v));
                return Told(v, step.Action == FlushRaceAction.Vmxoff ? "VMXOFF, emulated" : "VMXON, emulated");
            case FlushRaceAction.Move:
                if (inGuest)
                {
                    Exit(v);
                }

                _lane[v] ^= 1;
                return $"the host moves vCPU {v} (L{vcpu.Level}) to CPU {_lane[v]}";
            case FlushRaceAction.HostTakesPage when _machine.Spaces.L1Tables(0).TryFind(Addresses[0], out Mapping mapping):
                Send(v, TraceEvent.MapChange(0, 0, MapTable.Tdp01, _machine.Spaces.Host.Root, mapping.At(Addresses[0]) & ~0xFFFUL, 4096, MapChangeKind.Changed));
                return "the host moves a page of L1's memory and flushes all CPUs";
            default:
                return null;
        }
    }



    // CPUID stands for whatever the guest asks for: its number decides nothing here.
    private uint Reason => _amd ? 0x72u : 10;

    private uint Interrupt => _amd ? 0x60u : 1;

    private bool IsInGuest(int v) => _machine.LaneOf(_lane[v]) is { Level: > 0, Vcpu: { } running } && running.Number == v;

    private string Told(int v, string what) => $"vCPU {v} (L{_machine.Vcpus.Of((ushort)v).Level}) on CPU {_lane[v]}: {what}";

    private void Enter(int v)
    {
        if (!IsInGuest(v))
        {
            if (IsInGuest(1 - v) && _lane[1 - v] == _lane[v])
            {
                Exit(1 - v);
            }

            _exited[v] = 0;
            Send(v, TraceEvent.VmEnter(0, _machine.Vcpus.Of((ushort)v).GuestMode ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1, (ushort)v));
        }
    }

    /// <summary>The guest is left, for what it asked or for the host's interrupt.</summary>
    private void Exit(int v, bool isAsked = false)
    {
        int level = _machine.LaneOf(_lane[v]).Level;
        _exited[v] = isAsked ? level : 0;
        Send(v, TraceEvent.VmExit(0, level == 2 ? TransitionKind.L2ToL0 : TransitionKind.L1ToL0, (ushort)v, isAsked ? Reason : Interrupt));
    }

    /// <summary>The vCPU exited from this level, and L0 handles that now: not a second time.</summary>
    private bool Handles(int v, int level)
    {
        bool handles = _exited[v] == level;
        _exited[v] = handles ? 0 : _exited[v];
        return handles;
    }

    private string? Remap(int v)
    {
        Vcpu vcpu = _machine.Vcpus.Of((ushort)v);
        if (vcpu.Vmcs12.Address == 0 || !_machine.Spaces.L2Tables(vcpu.Vmcs12, 0).TryFind(Addresses[0], out Mapping mapping))
        {
            return null;
        }

        Enter(v);
        Send(v, _ept12
            ? TraceEvent.MapChange(0, 1, MapTable.Tdp12, Eptp12, mapping.At(Addresses[0]) & ~0xFFFUL, 4096, MapChangeKind.Changed)
            : TraceEvent.MapChange(0, 1, MapTable.L2, 0, Addresses[0], 4096, MapChangeKind.Changed));
        return Told(v, $"maps a page of its L2 elsewhere, in {(_ept12 ? "the second-level tables" : "the tables that it shadows")}");
    }

    private string Invalidate(int v)
    {
        if (_amd && _ept12)
        {
            _owes[v] = true;
            return Told(v, "will set TLB_CONTROL in vmcb12");
        }

        Send(v, _amd ? TraceEvent.Invlpga(0, 1, Vpid12, Addresses[0]) : _ept12 ? TraceEvent.Invept(0, 1, 1, Eptp12) : TraceEvent.Invvpid(0, 1, 1, (ushort)Vpid12));
        return Told(v, _amd ? "INVLPGA, emulated" : _ept12 ? "INVEPT, emulated" : "INVVPID, emulated");
    }

    private void Use(int v)
    {
        foreach (ulong address in Addresses)
        {
            _block.Clear();
            _block.Lane = _lane[v];
            _block.AddAccess(0, address, AccessFlags.Pack(AccessType.Read));
            Replay();
        }
    }

    private void Send(int v, in TraceEvent e)
    {
        _block.Clear();
        _block.Lane = _lane[v];
        _block.AddEvent(e);
        Replay();
    }

    private void Replay()
    {
        _block.FirstRecord = _record++;
        _machine.Replay(_block, 0, 1);
    }
}
