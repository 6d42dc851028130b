using Sim.Core;
using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Kvm.Tests.Machines;
using Sim.Tlb;

namespace Sim.Kvm.Tests.Safety;

/// <summary>
/// Two vCPUs on two lanes that do everything a guest hypervisor can: accesses, map changes in all tables, nested transitions, invalidations of both levels. Compares the oracle's verdict on
/// each access with <see cref="NaiveVirtualTlb"/>'s.
/// </summary>
/// <remarks>
/// L1 keeps one rule without which its L2s would go wrong on any CPU: before it gives a vpid12 (an ASID) to another L2 whose translations have the same tag, it flushes it (INVVPID, TLB_CONTROL).
/// Where L0 has no EPT, guests keep two more, the preconditions of docs/safety.md. Before L1 runs an L2 again under a vpid12 after it ran it without VPID, it flushes the vpid12. And nobody loads CR3 without a flush for tables that changed after the PCID was emptied of them, or that never ran under it.
/// </remarks>
internal sealed class SafetyFuzz
{
    private const int Phase = 80;

    /// <summary>L2's VPIDs under policies that use several: fewer than the vpid12s.</summary>
    private const int Pool = 3;

    private const ulong Kernel = 0xFFFF_8000_0001_0000;

    private static readonly ulong[] Addresses = [0x10000, Kernel, Kernel, 0x11000, 0x250000];

    private readonly Machine _machine;
    private readonly bool _amd;
    private readonly bool _ept;
    private readonly bool _offersVpid;
    private readonly bool _pcids;
    private readonly MapHistory _history = new();
    private readonly NaiveVirtualTlb[] _vcpus;
    private readonly Dictionary<(int Vcpu, uint Id12, ulong Ep4ta), ulong> _userOf = [];
    private readonly HashSet<(int Vcpu, ulong L2, uint Id12)> _used = [];
    private readonly HashSet<(int Vcpu, ulong L2, uint Id12)> _owed = [];
    private readonly int[] _lane = [0, 1];
    private readonly TraceBlock _block = new();
    private Rng _rng;
    private ulong _kinds;
    private long _drawn;
    private ulong _record;

    /// <param name="policy">Policy under test.</param>
    /// <param name="amd">AMD, else Intel.</param>
    /// <param name="ept">L0 uses EPT or NPT.</param>
    /// <param name="tags">"vpid", "no vpid", or "no vpid02": the second vCPU gets no VPID for its L2.</param>
    /// <param name="pcids">Guests use PCIDs.</param>
    /// <param name="seed">Seed of <see cref="Step"/>.</param>
    public SafetyFuzz(IFlushPolicy policy, bool amd, bool ept, string tags, bool pcids, ulong seed)
    {
        _pcids = pcids;
        _amd = amd;
        _ept = ept;
        bool vpid = tags != "no vpid";
        _offersVpid = vpid && policy.Rules(amd ? Vendor.Amd : Vendor.Intel).OffersVpid;
        CpuProfile profile = amd ? Profiles.TextbookAmd : Profiles.Textbook;
        profile = profile with
        {
            AddressSpaceIds = tags == "no vpid02" ? 3 + (_offersVpid ? policy.L2Tags(Pool) : 0) : 64,
            // Four pages need few sets: each invalidation goes through all of them.
            SecondLevel = [profile.SecondLevel[0] with { Sets = 8, Ways = 32 }],
        };
        _machine = new Machine(new MachineSpec { Profile = profile, L0Ept = ept, L0Vpid = vpid, Attribution = false, Vpid02Pool = Pool }, policy, ReplayKind.ByPolicy, 2);
        _vcpus = [.. Enumerable.Range(0, 2).Select(_ => new NaiveVirtualTlb(_machine.Spaces, amd, _history))];
        _rng = new Rng(seed);
        Send(0, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        Send(1, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 1));
        Look();
    }

    /// <summary>The story of the first incident of each kind.</summary>
    public string Story => string.Join('\n', _machine.Safety!.Incidents.SelectMany(incident => incident.Story));

    public long Incidents => _machine.SafetyCounts.Incidents;

    public long Permitted => _machine.SafetyCounts.Permitted;

    /// <summary>Where oracle and naive reference disagreed first; null if they never did.</summary>
    public string? Disagreement { get; private set; }

    /// <summary>One random operation that does something; fails if oracle and naive reference disagree.</summary>
    public void Step()
    {
        while (!Apply(Draw()))
        {
        }

        if (Disagreement is not null)
        {
            Assert.Fail(Disagreement);
        }
    }

    /// <summary>
    /// The next random operation; it may do nothing. In each phase of <see cref="Phase"/> operations a quarter of the kinds of operations is left out, and mostly one vCPU acts: what many kinds of flushes
    /// would hide from each other shows ("swarm testing", Groce et al. 2012).
    /// </summary>
    public FuzzOperation Draw()
    {
        if (_drawn++ % Phase == 0)
        {
            _kinds = _rng.Next() | _rng.Next();
        }

        FuzzOperation operation;
        do
        {
            operation = FuzzOperation.Draw(ref _rng, Addresses, _amd, _ept, _pcids);
        }
        while (operation.Action is not (FuzzAction.Read or FuzzAction.Write) && ((_kinds >> operation.KindOfOperation) & 1) == 0);
        return _rng.Below(4) != 0 ? operation with { Vcpu = (int)(_drawn / Phase % 2) } : operation;
    }

    /// <summary>Carries an operation out; false if it makes no sense now.</summary>
    public bool Apply(in FuzzOperation operation)
    {
        NaiveVirtualTlb vcpu = _vcpus[operation.Vcpu];
        switch (operation.Action)
        {
            case FuzzAction.Enter when !vcpu.L2:
                Enter(vcpu, operation);
                break;
            case FuzzAction.Exit when vcpu.L2:
                Send(operation.Vcpu, TraceEvent.VmExit(0, TransitionKind.L2ToL0, (ushort)operation.Vcpu, VmxExit.Cpuid));
                Send(operation.Vcpu, TraceEvent.VmExit(0, TransitionKind.L2ToL1, (ushort)operation.Vcpu, VmxExit.Cpuid));
                Send(operation.Vcpu, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, (ushort)operation.Vcpu));
                vcpu.Exit();
                break;
            case FuzzAction.Change when TargetOf(vcpu, operation, out PageTable? tables, out ulong address):
                Send(operation.Vcpu, TraceEvent.MapChange(0, operation.Table == MapTable.Tdp01 ? (byte)0 : LevelOf(vcpu), operation.Table, tables!.Root, address, 4096, operation.Kind));
                _history.Now++;
                _history.See(tables, address);
                break;
            case FuzzAction.MovToCr3:
                MovToCr3(vcpu, operation);
                break;
            case FuzzAction.ToggleCr4 when operation.Bit != Cr4Bits.Pcide || vcpu.Now.Pcid == 0:
                Send(operation.Vcpu, TraceEvent.SetCr4(0, LevelOf(vcpu), vcpu.Now.Cr4 ^ operation.Bit));
                vcpu.MovToCr4(vcpu.Now.Cr4 ^ operation.Bit);
                break;
            case FuzzAction.Invlpg:
                Send(operation.Vcpu, TraceEvent.Invlpg(0, LevelOf(vcpu), operation.Address));
                vcpu.Invlpg(operation.Address);
                break;
            case FuzzAction.Invpcid:
                ushort pcid = (vcpu.Now.Cr4 & Cr4Bits.Pcide) != 0 ? operation.Pcid : (ushort)0;
                Send(operation.Vcpu, TraceEvent.Invpcid(0, LevelOf(vcpu), operation.Type, pcid, operation.Address));
                vcpu.Invpcid(operation.Type, pcid, operation.Address);
                break;
            case FuzzAction.Invvpid when !vcpu.L2 && _offersVpid:
                Emulated(operation.Vcpu, TraceEvent.Invvpid(0, 1, operation.Type, (ushort)operation.Id12, operation.Address));
                vcpu.Invvpid(operation.Type, operation.Id12, operation.Address);
                break;
            case FuzzAction.Invept when !vcpu.L2 && _ept && operation.Eptp12 != 0:
                Emulated(operation.Vcpu, TraceEvent.Invept(0, 1, (byte)((operation.Type & 1) + 1), operation.Eptp12));
                vcpu.Invept((operation.Type & 1) + 1, operation.Eptp12);
                break;
            case FuzzAction.Invlpga when !vcpu.L2:
                Emulated(operation.Vcpu, TraceEvent.Invlpga(0, 1, operation.Id12, operation.Address));
                vcpu.Invlpga(operation.Id12, operation.Address);
                break;
            case FuzzAction.SwapLanes:
                SwapLanes();
                break;
            case FuzzAction.Read or FuzzAction.Write:
                Access(vcpu, operation);
                break;
            default:
                return false;
        }

        Look();
        return true;
    }

    private static byte LevelOf(NaiveVirtualTlb vcpu) => vcpu.L2 ? (byte)2 : (byte)1;

    private void Look()
    {
        _history.Now++;
        foreach (NaiveVirtualTlb each in _vcpus)
        {
            each.Look();
        }
    }

    private void Enter(NaiveVirtualTlb vcpu, in FuzzOperation operation)
    {
        ushort v = (ushort)operation.Vcpu;
        (bool v12, ulong eptp12) = (_amd || (_offersVpid && operation.V12), _ept ? operation.Eptp12 : 0);
        TlbControl control = operation.TlbControl;
        if (v12 && (IsOthers(operation, eptp12) | Owes(operation)))
        {
            if (_amd)
            {
                control = control == TlbControl.FlushAll ? control : TlbControl.FlushAsid;
            }
            else
            {
                Emulated(v, TraceEvent.Invvpid(0, 1, 1, (ushort)operation.Id12, 0));
                vcpu.Invvpid(1, operation.Id12, 0);
            }
        }

        if (!v12 && !_ept)
        {
            RunsWithoutVpid(v, operation.Vmcs12);
        }

        Send(v, TraceEvent.VmExit(0, TransitionKind.L1ToL0, v, VmxExit.Vmresume));
        VmControls controls = (operation.V12 ? VmControls.EnableVpid : 0) | (operation.Eptp12 != 0 ? VmControls.EnableEpt : 0);
        Send(v, TraceEvent.NestedEnter(0, v, operation.Vmcs12, controls.With(control), operation.Id12, operation.Eptp12));
        vcpu.Enter(operation.Vmcs12, v12, operation.Id12, eptp12, control);
        if (operation.Flag)
        {
            vcpu.Look();
            Send(v, TraceEvent.VmExit(0, TransitionKind.L2ToL1, v, VmxExit.ExternalInterrupt));
            vcpu.Exit();
        }

        Send(v, TraceEvent.VmEnter(0, operation.Flag ? TransitionKind.L0ToL1 : TransitionKind.L0ToL2, v));
    }

    /// <summary>True if translations of another L2 may be cached under the tag: on Intel those of one EPTP12 cannot be mistaken for those of another.</summary>
    private bool IsOthers(in FuzzOperation operation, ulong eptp12)
    {
        (int, uint, ulong) tag = (operation.Vcpu, operation.Id12, _amd ? 0 : eptp12);
        ulong l2 = eptp12 != 0 ? eptp12 : operation.Vmcs12;
        bool isOthers = _userOf.TryGetValue(tag, out ulong user) && user != l2;
        _userOf[tag] = l2;
        return isOthers;
    }

    /// <summary>True if the L2 ran without VPID since it ran under this vpid12.</summary>
    private bool Owes(in FuzzOperation operation)
    {
        (int, ulong, uint) name = (operation.Vcpu, operation.Vmcs12, operation.Id12);
        _used.Add(name);
        return _owed.Remove(name);
    }

    /// <summary>An L2 is about to run without VPID.</summary>
    private void RunsWithoutVpid(int v, ulong l2)
    {
        foreach ((int Vcpu, ulong L2, uint Id12) name in _used)
        {
            if (name.Vcpu == v && name.L2 == l2)
            {
                _owed.Add(name);
            }
        }
    }

    /// <summary>The table and address that a change is about; false if there is no such table or address yet.</summary>
    private bool TargetOf(NaiveVirtualTlb vcpu, in FuzzOperation operation, out PageTable? tables, out ulong address)
    {
        address = operation.Address;
        bool hasL2 = vcpu.Vmcs12 != 0;
        tables = operation.Table switch
        {
            MapTable.L1 => _machine.Spaces.L1Tables(operation.Root),
            MapTable.L2 => hasL2 ? vcpu.TablesOfL2(operation.Root) : null,
            MapTable.Tdp01 => _machine.Spaces.Host,
            _ => hasL2 && operation.Eptp12 != 0 ? _machine.Spaces.Ept12(operation.Eptp12) : null,
        };
        if (tables is null || operation.Table is MapTable.L1 or MapTable.L2)
        {
            return tables is not null;
        }

        // An address that the tables of some context lead to.
        PageTable above = hasL2 && operation.Flag ? vcpu.TablesOfL2(operation.Root) : _machine.Spaces.L1Tables(operation.Root);
        if (!above.TryFind(address, out Mapping mapping))
        {
            return false;
        }

        address = mapping.At(address) & ~0xFFFUL;
        if (operation.Table == MapTable.Tdp01 && vcpu.Eptp12 != 0 && _machine.Spaces.Ept12(vcpu.Eptp12).TryFind(address, out Mapping second))
        {
            address = second.At(address) & ~0xFFFUL;
        }

        return true;
    }

    private void MovToCr3(NaiveVirtualTlb vcpu, in FuzzOperation operation)
    {
        bool pcide = (vcpu.Now.Cr4 & Cr4Bits.Pcide) != 0;
        (ushort pcid, bool noFlush) = (pcide ? operation.Pcid : (ushort)0, pcide && operation.Flag && (_ept || vcpu.IsUpToDate(operation.Root, operation.Pcid)));
        Send(operation.Vcpu, TraceEvent.SetCr3(0, LevelOf(vcpu), operation.Root, pcid, noFlush));
        vcpu.MovToCr3(operation.Root, pcid, noFlush);
    }

    private void SwapLanes()
    {
        foreach (int each in new[] { 0, 1 })
        {
            Send(each, TraceEvent.VmExit(0, _vcpus[each].L2 ? TransitionKind.L2ToL0 : TransitionKind.L1ToL0, (ushort)each, 1));
        }

        (_lane[0], _lane[1]) = (_lane[1], _lane[0]);
        foreach (int each in new[] { 0, 1 })
        {
            Send(each, TraceEvent.VmEnter(0, _vcpus[each].L2 ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1, (ushort)each));
        }
    }

    /// <summary>An instruction of L1 that exits to L0.</summary>
    private void Emulated(int v, in TraceEvent instruction)
    {
        Send(v, TraceEvent.VmExit(0, TransitionKind.L1ToL0, (ushort)v, VmxExit.Invept));
        Send(v, instruction);
        Send(v, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, (ushort)v));
    }

    private void Access(NaiveVirtualTlb vcpu, in FuzzOperation operation)
    {
        AccessType type = operation.Action == FuzzAction.Write ? AccessType.Write : AccessType.Read;
        (ulong address, int lane) = (operation.Address, _lane[operation.Vcpu]);
        _block.Clear();
        _block.Lane = lane;
        _block.AddAccess(0, address, AccessFlags.Pack(type));
        _block.FirstRecord = _record++;
        (long incidents, long permitted) = _machine.SafetyCounts;
        _machine.Replay(_block, 0, 1);
        if (!_machine.MmuOf(lane).TryPeek(address, type, out ulong page, out bool readOnly))
        {
            throw new InvalidOperationException("An access left no entry.");
        }

        int naive = vcpu.Judge(address, type == AccessType.Write, page, readOnly);
        int oracle = Incidents > incidents ? 2 : Permitted > permitted ? 1 : 0;
        if (oracle != naive)
        {
            Disagreement ??= $"record {_record - 1}, {operation}: oracle {Word(oracle)}, naive reference {Word(naive)}, page {page:x}{(readOnly ? ", read-only" : "")}\n{Story}";
        }

        PageTable tables = vcpu.Tables;
        _history.Now++;
        _history.See(tables, address);
        if (vcpu.Ept12 is { } ept12 && tables.TryFind(address, out Mapping mapping))
        {
            _history.See(ept12, mapping.At(address));
        }
    }

    private static string Word(int verdict) => verdict switch { 0 => "current", 1 => "permitted", _ => "incident" };

    private void Send(int v, in TraceEvent e)
    {
        _block.Clear();
        _block.Lane = _lane[v];
        _block.AddEvent(e);
        _block.FirstRecord = _record++;
        _machine.Replay(_block, 0, 1);
    }
}
