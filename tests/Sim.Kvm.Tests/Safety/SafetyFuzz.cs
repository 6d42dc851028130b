using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Kvm.Tests.Machines;
using Sim.Tlb;

namespace Sim.Kvm.Tests.Safety;

/// <summary>
/// Two vCPUs on two lanes that do everything a guest hypervisor can: random accesses, map changes in all tables, nested transitions, invalidations of both levels. Compares the
/// oracle's verdict on each access with <see cref="NaiveVirtualTlb"/>'s.
/// </summary>
internal sealed class SafetyFuzz
{
    private static readonly ulong[] Addresses = [0x10000, 0x11000, 0x250000, 0xFFFF_8000_0001_0000];

    private readonly Machine _machine;
    private Rng _rng;
    private readonly bool _amd;
    private readonly bool _ept;
    private readonly bool _vpid;
    private readonly bool _pcids;
    private readonly NaiveVirtualTlb[] _vcpus;
    private readonly int[] _lane = [0, 1];
    private readonly TraceBlock _block = new();
    private ulong _record;

    /// <param name="policy">Policy under test.</param>
    /// <param name="amd">AMD, else Intel.</param>
    /// <param name="ept">L0 uses EPT or NPT.</param>
    /// <param name="tags">"vpid", "no vpid", or "no vpid02": the second vCPU gets no VPID for its L2.</param>
    /// <param name="pcids">Guests use PCIDs.</param>
    /// <param name="seed">Seed.</param>
    public SafetyFuzz(IFlushPolicy policy, bool amd, bool ept, string tags, bool pcids, ulong seed)
    {
        _pcids = pcids;
        _amd = amd;
        _ept = ept;
        _vpid = tags != "no vpid";
        bool offered = _vpid && policy.Rules(amd ? Vendor.Amd : Vendor.Intel).OffersVpid;
        CpuProfile profile = (amd ? Profiles.TextbookAmd : Profiles.Textbook) with { AddressSpaceIds = tags == "no vpid02" ? 3 + (offered ? policy.L2Tags(2) : 0) : 64 };
        _machine = new Machine(new MachineSpec { Profile = profile, L0Ept = ept, L0Vpid = _vpid, Attribution = false, Vpid02Pool = 2 }, policy, ReplayKind.ByPolicy, 2);
        _vcpus = [.. Enumerable.Range(0, 2).Select(_ => new NaiveVirtualTlb(_machine.Spaces, amd, Addresses))];
        _vpid &= offered || amd;
        _rng = new Rng(seed);
        Send(0, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        Send(1, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 1));
    }

    /// <summary>The last steps, newest last: what a failed comparison is told with.</summary>
    public Queue<string> Trail { get; } = new();

    /// <summary>The last incident.</summary>
    public string Story { get; private set; } = "";

    public long Incidents { get; private set; }

    public long Permitted { get; private set; }

    /// <summary>One random operation; fails if oracle and naive reference disagree.</summary>
    public void Step()
    {
        int v = (int)_rng.Below(2);
        NaiveVirtualTlb vcpu = _vcpus[v];
        ulong address = Addresses[_rng.Below((ulong)Addresses.Length)];
        switch (_rng.Below(20))
        {
            case 0 or 1 or 2 when !vcpu.L2:
                Enter(v, vcpu);
                break;
            case 0 or 1 when vcpu.L2:
                Note(v, "nested exit");
                Send(v, TraceEvent.VmExit(0, TransitionKind.L2ToL0, (ushort)v, 10));
                Send(v, TraceEvent.VmExit(0, TransitionKind.L2ToL1, (ushort)v, 10));
                Send(v, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, (ushort)v));
                vcpu.Exit();
                break;
            case 3 or 4:
                Change(v, vcpu, address);
                break;
            case 5:
                MovToCr3(v, vcpu);
                break;
            case 6:
                Note(v, $"invlpg {address:x}");
                Send(v, TraceEvent.Invlpg(0, LevelOf(vcpu), address));
                vcpu.Invlpg(address);
                break;
            case 7:
                ControlRegisters(v, vcpu, address);
                break;
            case 8 when !vcpu.L2:
                Emulated(v, vcpu, address);
                break;
            case 9 when _rng.Below(4) == 0:
                Note(0, "lanes are swapped");
                foreach (int each in new[] { 0, 1 })
                {
                    Send(each, TraceEvent.VmExit(0, _vcpus[each].L2 ? TransitionKind.L2ToL0 : TransitionKind.L1ToL0, (ushort)each, 1));
                }

                (_lane[0], _lane[1]) = (_lane[1], _lane[0]);
                foreach (int each in new[] { 0, 1 })
                {
                    Send(each, TraceEvent.VmEnter(0, _vcpus[each].L2 ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1, (ushort)each));
                }

                break;
            default:
                Access(v, vcpu, address, _rng.Below(3) == 0 ? AccessType.Write : AccessType.Read);
                break;
        }

        foreach (NaiveVirtualTlb each in _vcpus)
        {
            each.Look();
        }
    }

    private static byte LevelOf(NaiveVirtualTlb vcpu) => vcpu.L2 ? (byte)2 : (byte)1;

    private void Enter(int v, NaiveVirtualTlb vcpu)
    {
        ulong vmcs12 = (_rng.Below(2) + 5) << 12;
        bool v12 = _amd || _rng.Below(3) != 0;
        ulong eptp12 = _rng.Below(3) != 0 ? (_rng.Below(2) + 0x70) << 12 : 0;
        // A vpid12 (or ASID) stands for one VM: a hypervisor that gives it to another one flushes it.
        ulong vm = eptp12 != 0 && _ept ? (eptp12 >> 12) - 0x70 : (vmcs12 >> 12) - 3;
        uint id12 = (uint)((2 * vm) + _rng.Below(2) + 1);
        bool runs = _rng.Below(6) != 0;
        Note(v, $"nested entry vmcs12={vmcs12:x} v12={v12} id12={id12} eptp12={eptp12:x} runs={runs}");
        Send(v, TraceEvent.VmExit(0, TransitionKind.L1ToL0, (ushort)v, 24));
        Send(v, TraceEvent.NestedEnter(0, (ushort)v, vmcs12, (v12 ? VmControls.EnableVpid : 0) | (eptp12 != 0 ? VmControls.EnableEpt : 0), id12, eptp12));
        vcpu.Enter(vmcs12, v12 && _vpid, id12, _ept ? eptp12 : 0);
        if (!runs)
        {
            vcpu.Look();
            Send(v, TraceEvent.VmExit(0, TransitionKind.L2ToL1, (ushort)v, 1));
            vcpu.Exit();
        }

        Send(v, TraceEvent.VmEnter(0, runs ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1, (ushort)v));
    }

    /// <summary>A guest changes a table, or the host unmaps a page.</summary>
    private void Change(int v, NaiveVirtualTlb vcpu, ulong address)
    {
        MapChangeKind kind = (MapChangeKind)_rng.Below(5);
        ulong root = _rng.Below(2) << 12;
        int which = (int)_rng.Below(_ept ? 6UL : 5UL);
        (MapTable table, PageTable? tables) = which switch
        {
            0 => (MapTable.L1, _machine.Spaces.L1Tables(root)),
            1 or 2 when vcpu.Vmcs12 != 0 => (MapTable.L2, vcpu.TablesOfL2(root)),
            3 => (MapTable.Tdp01, _machine.Spaces.Host),
            5 when vcpu.Vmcs12 != 0 => (MapTable.Tdp12, _machine.Spaces.Ept12((_rng.Below(2) + 0x70) << 12)),
            _ => (MapTable.L0, null),
        };
        if (tables is null)
        {
            return;
        }

        if (table is MapTable.Tdp01 or MapTable.Tdp12)
        {
            // An address that the tables of some context lead to.
            PageTable above = vcpu.Vmcs12 != 0 && _rng.Below(2) != 0 ? vcpu.TablesOfL2(root) : _machine.Spaces.L1Tables(root);
            if (!above.TryFind(address, out Mapping mapping))
            {
                return;
            }

            address = mapping.At(address) & ~0xFFFUL;
            if (table == MapTable.Tdp01 && vcpu.Eptp12 != 0 && _machine.Spaces.Ept12(vcpu.Eptp12).TryFind(address, out Mapping second))
            {
                address = second.At(address) & ~0xFFFUL;
            }
        }

        Note(v, $"{kind} in {table} root {tables.Root:x} at {address:x}");
        byte by = table == MapTable.Tdp01 ? (byte)0 : LevelOf(vcpu);
        Send(v, TraceEvent.MapChange(0, by, table, tables.Root, address, 4096, kind));
    }

    private void MovToCr3(int v, NaiveVirtualTlb vcpu)
    {
        bool pcide = (vcpu.Now.Cr4 & Cr4Bits.Pcide) != 0;
        (ulong root, ushort pcid, bool noFlush) = (_rng.Below(2) << 12, pcide ? (ushort)_rng.Below(3) : (ushort)0, pcide && _rng.Below(2) != 0);
        Note(v, $"mov cr3 {root:x} pcid {pcid} noflush {noFlush}");
        Send(v, TraceEvent.SetCr3(0, LevelOf(vcpu), root, pcid, noFlush));
        vcpu.MovToCr3(root, pcid, noFlush);
    }

    private void ControlRegisters(int v, NaiveVirtualTlb vcpu, ulong address)
    {
        if (_rng.Below(2) == 0)
        {
            Cr4Bits bit = _rng.Below(_pcids ? 3UL : 2) switch { 0 => Cr4Bits.Pge, 1 => Cr4Bits.Smep, _ => Cr4Bits.Pcide };
            if (bit != Cr4Bits.Pcide || vcpu.Now.Pcid == 0)
            {
                Note(v, $"toggle {bit}");
                Send(v, TraceEvent.SetCr4(0, LevelOf(vcpu), vcpu.Now.Cr4 ^ bit));
                vcpu.MovToCr4(vcpu.Now.Cr4 ^ bit);
            }

            return;
        }

        (byte type, ushort pcid) = ((byte)_rng.Below(4), (vcpu.Now.Cr4 & Cr4Bits.Pcide) != 0 ? (ushort)_rng.Below(3) : (ushort)0);
        Note(v, $"invpcid {type} {pcid} {address:x}");
        Send(v, TraceEvent.Invpcid(0, LevelOf(vcpu), type, pcid, address));
        vcpu.Invpcid(type, pcid, address);
    }

    /// <summary>Instructions of L1 that L0 emulates.</summary>
    private void Emulated(int v, NaiveVirtualTlb vcpu, ulong address)
    {
        (int type, uint id12, ulong eptp12) = ((int)_rng.Below(4), (uint)_rng.Below(8) + 1, (_rng.Below(2) + 0x70) << 12);
        Send(v, TraceEvent.VmExit(0, TransitionKind.L1ToL0, (ushort)v, 50));
        if (_amd)
        {
            Note(v, $"invlpga {id12} {address:x}");
            Send(v, TraceEvent.Invlpga(0, 1, id12, address));
            vcpu.Invlpga(id12, address);
        }
        else if (_rng.Below(2) == 0 && _vpid)
        {
            Note(v, $"invvpid {type} {id12} {address:x}");
            Send(v, TraceEvent.Invvpid(0, 1, (byte)type, (ushort)id12, address));
            vcpu.Invvpid(type, id12, address);
        }
        else if (_ept)
        {
            Note(v, $"invept {(type & 1) + 1} {eptp12:x}");
            Send(v, TraceEvent.Invept(0, 1, (byte)((type & 1) + 1), eptp12));
            vcpu.Invept((type & 1) + 1, eptp12);
        }

        Send(v, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, (ushort)v));
    }

    private void Access(int v, NaiveVirtualTlb vcpu, ulong address, AccessType type)
    {
        Note(v, $"{type} {address:x} at level {LevelOf(vcpu)}");
        _block.Clear();
        _block.Lane = _lane[v];
        _block.AddAccess(0, address, AccessFlags.Pack(type));
        _block.FirstRecord = _record++;
        _machine.Replay(_block, 0, 1);
        Assert.That(_machine.MmuOf(_lane[v]).TryPeek(address, type, out ulong page, out bool readOnly), "the access left an entry");
        int naive = vcpu.Judge(address, type == AccessType.Write, page, readOnly);
        SafetyReport report = _machine.Safety!;
        long incidents = report.Incidents.Sum(incident => incident.Count);
        int oracle = incidents > 0 ? 2 : report.PermittedStaleUses > 0 ? 1 : 0;
        Incidents += incidents;
        Permitted += report.PermittedStaleUses;
        if (incidents > 0)
        {
            Story = string.Join('\n', report.Incidents.SelectMany(incident => incident.Story));
        }

        _machine.RestartSafety();
        if (oracle != naive)
        {
            Assert.Fail($"oracle {Word(oracle)}, naive {Word(naive)}, page {page:x} ro {readOnly}:\n{string.Join('\n', Trail)}\n{Story}");
        }
    }

    private static string Word(int verdict) => verdict switch { 0 => "current", 1 => "permitted", _ => "incident" };

    private void Note(int v, string what)
    {
        if (Trail.Count == 60)
        {
            Trail.Dequeue();
        }

        Trail.Enqueue($"{_record} vCPU {v}: {what}");
    }

    private void Send(int v, TraceEvent e)
    {
        _block.Clear();
        _block.Lane = _lane[v];
        _block.AddEvent(e);
        _block.FirstRecord = _record++;
        _machine.Replay(_block, 0, 1);
    }
}
