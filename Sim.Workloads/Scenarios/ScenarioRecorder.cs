using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Workloads.Scenarios;

/// <summary>
/// Turns what happens in a scenario into trace records: keeps who runs on which lane, puts in the real transitions around nested ones and around what L0 does, and
/// gives each record a time.
/// </summary>
internal sealed class ScenarioRecorder
{
    private const ulong CyclesBetweenRecords = 10;
    private const uint VmxEntryFailed = 0x8000_0021;
    private const uint SvmError = uint.MaxValue;

    private readonly SortedDictionary<int, ScenarioVcpu> _running = [];
    private readonly L2Memory _l2Memory = new();
    private readonly List<TraceBlock> _blocks = [];
    private ulong _time;
    private ulong _records;

    /// <summary>Whose exit reasons are written.</summary>
    public Vendor Vendor { get; set; } = Vendor.Intel;

    /// <summary>True if there is more than one vCPU: then leaving and coming are recorded.</summary>
    public bool HasSeveralVcpus { get; set; }

    /// <summary>Largest vpid12 or ASID so far.</summary>
    public uint LargestVpid { get; set; }

    private uint Cpuid => Vendor == Vendor.Intel ? (uint)VmxExit.Cpuid : (uint)SvmExit.Cpuid;

    /// <summary>The records since the last call.</summary>
    public IReadOnlyList<TraceBlock> TakeBlocks()
    {
        TraceBlock[] taken = [.. _blocks];
        _blocks.Clear();
        return taken;
    }

    /// <summary>One access to each page by whoever runs on the vCPU.</summary>
    public void Access(ScenarioVcpu vcpu, ScenarioPages pages, AccessType type)
    {
        Run(vcpu);
        for (int i = 0; i < pages.Count; i++)
        {
            ulong address = pages.Address + ((ulong)i * ScenarioPages.Bytes);
            Room(vcpu.Lane).AddAccess(Tick(), address, AccessFlags.Pack(type, pages.IsKernel ? 0 : 3));
            _records++;
            if (vcpu is { InL2: true, Vmcs.Ept: { } ept })
            {
                _l2Memory.Use(ept, vcpu.Vmcs.L2.Root, address);
            }
        }
    }

    /// <summary>An instruction that whoever runs executes without leaving: its level and time are put in.</summary>
    public void Execute(ScenarioVcpu vcpu, TraceEvent e)
    {
        Run(vcpu);
        Add(vcpu.Lane, e with { Level = (byte)vcpu.Level });
        if (e.Kind == RecordKind.Work)
        {
            _time += e.A;
        }
    }

    /// <summary>An instruction of L1 that L0 emulates: exit, record, entry.</summary>
    public void Emulate(ScenarioVcpu vcpu, TraceEvent e)
    {
        uint reason = e.Kind switch
        {
            RecordKind.Invvpid => (uint)VmxExit.Invvpid,
            RecordKind.Invept => (uint)VmxExit.Invept,
            RecordKind.Vmxon => (uint)VmxExit.Vmxon,
            RecordKind.Vmxoff => (uint)VmxExit.Vmxoff,
            _ => (uint)SvmExit.Invlpga,
        };
        Run(vcpu);
        Leave(vcpu, reason);
        Add(vcpu.Lane, e with { Level = 1 });
        Enter(vcpu);
    }

    /// <summary>Something that L0 does on the vCPU's lane; the guest that runs there leaves before and comes back after.</summary>
    public void InL0(ScenarioVcpu vcpu, TraceEvent e)
    {
        bool runs = _running.GetValueOrDefault(vcpu.Lane) == vcpu;
        if (runs)
        {
            Leave(vcpu, Interrupt);
        }

        Add(vcpu.Lane, e with { Level = 0 });
        if (runs)
        {
            Enter(vcpu);
        }
    }

    /// <summary>A paging-structure entry changes: one record for each page.</summary>
    public void Change(ScenarioVcpu vcpu, int level, MapTable table, ulong root, ScenarioPages pages, ulong bytes, MapChangeKind change)
    {
        for (int i = 0; i < pages.Count; i++)
        {
            ulong address = pages.Address + ((ulong)i * bytes);
            TraceEvent e = TraceEvent.MapChange(0, (byte)level, table, root, address, bytes, change);
            if (level == 0)
            {
                InL0(vcpu, e);
            }
            else
            {
                Run(vcpu);
                Add(vcpu.Lane, e);
            }

            if (table == MapTable.L2 && vcpu.Vmcs?.Ept is { } ept)
            {
                _l2Memory.Change(ept, root, address, change);
            }
        }
    }

    /// <summary>Guest-physical address of a page of the L2 that uses an EPT12; null if it has not been used.</summary>
    public ulong? PhysicalOf(ScenarioEpt ept, ulong root, ulong address) => _l2Memory.PhysicalOf(ept, root, address);

    /// <summary>L1's VMRESUME or VMRUN, and L2 runs; on another lane if L0 moves the vCPU between the two.</summary>
    public void NestedEnter(ScenarioVcpu vcpu, ScenarioVmcs vmcs, int? lane)
    {
        Run(vcpu);
        Leave(vcpu, Vendor == Vendor.Intel ? (uint)VmxExit.Vmresume : (uint)SvmExit.Vmrun);
        vcpu.Vmcs = vmcs;
        Add(vcpu.Lane, TraceEvent.NestedEnter(0, vcpu.Id, vmcs.Address, vmcs.Controls, vmcs.Vpid, vmcs.Ept?.Eptp ?? 0));
        vcpu.InL2 = true;
        if (lane is { } other && other != vcpu.Lane)
        {
            Add(vcpu.Lane, new TraceEvent { Kind = RecordKind.SchedOut, A = vcpu.Id, B = 1 });
            Move(vcpu, other);
            Run(vcpu);
        }
        else
        {
            Enter(vcpu);
        }
    }

    /// <summary>L1's VMRESUME or VMRUN fails after L0 took over the state of L2: L1 sees a VM-exit, and runs on.</summary>
    public void NestedFail(ScenarioVcpu vcpu, ScenarioVmcs vmcs)
    {
        Run(vcpu);
        Leave(vcpu, Vendor == Vendor.Intel ? (uint)VmxExit.Vmresume : (uint)SvmExit.Vmrun);
        vcpu.Vmcs = vmcs;
        uint reason = Vendor == Vendor.Intel ? VmxEntryFailed : SvmError;
        Add(vcpu.Lane, TraceEvent.NestedEnter(0, vcpu.Id, vmcs.Address, vmcs.Controls, vmcs.Vpid, vmcs.Ept?.Eptp ?? 0));
        Add(vcpu.Lane, TraceEvent.VmExit(0, TransitionKind.L2ToL1, vcpu.Id, reason));
        Enter(vcpu);
    }

    /// <summary>L0 takes the vCPU out of L2 by force; it runs in L1 at its next action.</summary>
    public void LeaveByForce(ScenarioVcpu vcpu)
    {
        Run(vcpu);
        Leave(vcpu, Interrupt);
        Add(vcpu.Lane, TraceEvent.ForcedLeave(0, vcpu.Id));
        vcpu.InL2 = false;
    }

    /// <summary>L0 enters the vCPU, and hardware refuses.</summary>
    public void FailToRun(ScenarioVcpu vcpu)
    {
        if (_running.GetValueOrDefault(vcpu.Lane) is { } other)
        {
            Leave(other, Interrupt);
            if (other != vcpu)
            {
                Add(vcpu.Lane, new TraceEvent { Kind = RecordKind.SchedOut, A = other.Id, B = 1 });
            }
        }

        if (HasSeveralVcpus)
        {
            Add(vcpu.Lane, new TraceEvent { Kind = RecordKind.SchedIn, A = vcpu.Id });
            vcpu.HasRun = true;
        }

        Add(vcpu.Lane, TraceEvent.VmEnter(0, vcpu.InL2 ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1, vcpu.Id) with { F = (ulong)VmControls.EntryFails });
        Leave(vcpu, Vendor == Vendor.Intel ? VmxEntryFailed : SvmError);
    }

    /// <summary>The CPU of a lane goes offline and comes online; who ran there leaves before.</summary>
    public void Restart(int lane)
    {
        if (_running.GetValueOrDefault(lane) is { } runs)
        {
            Leave(runs, Interrupt);
            Add(lane, new TraceEvent { Kind = RecordKind.SchedOut, A = runs.Id, B = 1 });
        }

        Add(lane, new TraceEvent { Kind = RecordKind.CpuOnline });
    }

    /// <summary>L2 exits to L0, which may raise a request on the vCPU and then reflects the exit to L1; L1 runs.</summary>
    public void NestedExit(ScenarioVcpu vcpu, uint? reason, RequestedFlush? request)
    {
        Run(vcpu);
        Leave(vcpu, reason ?? Cpuid);
        Raise(vcpu, request);
        Add(vcpu.Lane, TraceEvent.VmExit(0, TransitionKind.L2ToL1, vcpu.Id, reason ?? Cpuid));
        vcpu.InL2 = false;
        Enter(vcpu);
    }

    /// <summary>Who runs on the vCPU exits to L0, which may raise a request on the vCPU, and goes on.</summary>
    public void ExitAndReenter(ScenarioVcpu vcpu, uint? reason, RequestedFlush? request)
    {
        Run(vcpu);
        Leave(vcpu, reason ?? Cpuid);
        Raise(vcpu, request);
        Enter(vcpu);
    }

    /// <summary>The vCPU's thread goes to another lane; it runs there at its next action.</summary>
    public void Move(ScenarioVcpu vcpu, int lane)
    {
        if (_running.GetValueOrDefault(vcpu.Lane) == vcpu)
        {
            Leave(vcpu, Interrupt);
            Add(vcpu.Lane, new TraceEvent { Kind = RecordKind.SchedOut, A = vcpu.Id, B = 1 });
        }

        Add(vcpu.Lane, new TraceEvent { Kind = RecordKind.Migrate, A = vcpu.Id, B = (ulong)lane });
        vcpu.Lane = lane;
    }

    /// <summary>A record that nobody executes.</summary>
    public void Note(ScenarioVcpu vcpu, in TraceEvent e) => Add(vcpu.Lane, e);

    private uint Interrupt => Vendor == Vendor.Intel ? (uint)VmxExit.ExternalInterrupt : (uint)SvmExit.Interrupt;

    /// <summary>Sees to it that the vCPU runs on its lane.</summary>
    private void Run(ScenarioVcpu vcpu)
    {
        ScenarioVcpu? other = _running.GetValueOrDefault(vcpu.Lane);
        if (other == vcpu)
        {
            return;
        }

        if (other is not null)
        {
            Leave(other, Interrupt);
            Add(vcpu.Lane, new TraceEvent { Kind = RecordKind.SchedOut, A = other.Id, B = 1 });
        }

        if (HasSeveralVcpus || vcpu.HasRun)
        {
            Add(vcpu.Lane, new TraceEvent { Kind = RecordKind.SchedIn, A = vcpu.Id });
        }

        vcpu.HasRun = true;
        Enter(vcpu);
    }

    private void Raise(ScenarioVcpu vcpu, RequestedFlush? request)
    {
        if (request is { } raised)
        {
            Add(vcpu.Lane, TraceEvent.FlushRequest(0, raised, vcpu.Id));
        }
    }

    private void Enter(ScenarioVcpu vcpu)
    {
        Add(vcpu.Lane, TraceEvent.VmEnter(0, vcpu.InL2 ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1, vcpu.Id));
        _running[vcpu.Lane] = vcpu;
    }

    private void Leave(ScenarioVcpu vcpu, uint reason)
    {
        Add(vcpu.Lane, TraceEvent.VmExit(0, vcpu.InL2 ? TransitionKind.L2ToL0 : TransitionKind.L1ToL0, vcpu.Id, reason));
        _running.Remove(vcpu.Lane);
    }

    private void Add(int lane, in TraceEvent e)
    {
        Room(lane).AddEvent(e with { Time = Tick() });
        _records++;
    }

    private ulong Tick() => _time += CyclesBetweenRecords;

    private TraceBlock Room(int lane)
    {
        if (_blocks.Count == 0 || _blocks[^1].Lane != lane || _blocks[^1].IsFull)
        {
            _blocks.Add(new TraceBlock { Lane = lane, FirstRecord = _records });
        }

        return _blocks[^1];
    }
}
