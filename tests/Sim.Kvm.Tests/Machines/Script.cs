using Sim.Core;
using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core.Traces;

namespace Sim.Kvm.Tests.Machines;

/// <summary>A hand-written trace on one lane and the machine that replays it: reads like the sequence of events it stands for.</summary>
internal sealed class Script
{
    private readonly Machine _machine;
    private readonly TraceBlock _block = new();
    private ulong _time;
    private ulong _record;
    private int _lane;

    public Script(
        string policy, bool ept = true, bool vpid = true, CpuProfile? profile = null, int pool = 8, ReplayKind kind = ReplayKind.ByPolicy, int lanes = 1, Func<MachineSpec, MachineSpec>? change = null)
        : this(MutatedPolicy.Create(new Catalogue<IFlushPolicy>(typeof(IFlushPolicy).Assembly), policy, (profile ?? Profiles.Textbook).Vendor), ept, vpid, profile, pool, kind, lanes, change)
    {
    }

    public Script(
        IFlushPolicy policy, bool ept = true, bool vpid = true, CpuProfile? profile = null, int pool = 8, ReplayKind kind = ReplayKind.ByPolicy, int lanes = 1, Func<MachineSpec, MachineSpec>? change = null)
    {
        MachineSpec spec = new() { Profile = profile ?? Profiles.Textbook, L0Ept = ept, L0Vpid = vpid, Vpid02Pool = pool };
        _machine = new Machine(change?.Invoke(spec) ?? spec, policy, kind, lanes);
    }

    public Machine Machine => _machine;

    /// <summary>Invalidations executed since the last call, as "name x count", ordinal order; those of tag retention left out.</summary>
    public string Issued()
    {
        StatSheet now = _machine.Snapshot();
        StatSheet since = now.Since(_before);
        _before = now;
        return string.Join(", ", since.Stats
            .Where(stat => stat.Path == "lane[0].invalidations" && stat.Value != 0)
            .Select(stat => (Name: stat.Label.Split(',')[0]["invalidation=".Length..], stat.Value))
            .GroupBy(item => item.Name, item => item.Value)
            .OrderBy(group => group.Key, StringComparer.Ordinal)
            .Select(group => $"{group.Key} x{group.Sum()}"));
    }

    private StatSheet _before = new();

    public StatSheet Stats => _machine.Snapshot();

    /// <summary>Incidents so far as "kind x count", ordinal order; "safe" if there are none.</summary>
    public string Verdict => _machine.Safety!.Incidents.Count == 0 ? "safe" : string.Join(", ", _machine.Safety.Incidents.Select(incident => $"{incident.Kind} x{incident.Count}"));

    public long Permitted => _machine.Safety!.PermittedStaleUses;

    /// <summary>The story of the first incident.</summary>
    public string Story => string.Join('\n', _machine.Safety!.Incidents[0].Story);

    public Script L1(ushort vcpu = 0)
    {
        Event(TraceEvent.VmEnter(_time, TransitionKind.L0ToL1, vcpu));
        return this;
    }

    /// <summary>L1's VMRESUME takes effect, from L1 running to L2 running.</summary>
    public Script NestedEnter(ulong vmcs12 = 0x5000, uint vpid12 = 1, ulong eptp12 = 0x70000, TlbControl tlbControl = TlbControl.None)
    {
        Event(TraceEvent.VmExit(_time, TransitionKind.L1ToL0, 0, VmxExit.Vmresume));
        VmControls controls = (vpid12 == NoVpid ? VmControls.None : VmControls.EnableVpid) | (eptp12 == 0 ? VmControls.None : VmControls.EnableEpt);
        Event(TraceEvent.NestedEnter(_time, 0, vmcs12, controls.With(tlbControl), vpid12 == NoVpid ? 0 : vpid12, eptp12));
        Event(TraceEvent.VmEnter(_time, TransitionKind.L0ToL2, 0));
        return this;
    }

    public const uint NoVpid = uint.MaxValue;

    /// <summary>An exit of L2 that L0 reflects, from L2 running to L1 running.</summary>
    public Script NestedExit()
    {
        Event(TraceEvent.VmExit(_time, TransitionKind.L2ToL0, 0, VmxExit.Cpuid));
        Event(TraceEvent.VmExit(_time, TransitionKind.L2ToL1, 0, VmxExit.Cpuid));
        Event(TraceEvent.VmEnter(_time, TransitionKind.L0ToL1, 0));
        return this;
    }

    /// <summary>An exit that L0 handles itself.</summary>
    public Script ExitAndReenter(TransitionKind exit, Action<Script>? inL0 = null)
    {
        Event(TraceEvent.VmExit(_time, exit, 0, VmxExit.Hlt));
        inL0?.Invoke(this);
        Event(TraceEvent.VmEnter(_time, exit == TransitionKind.L2ToL0 ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1, 0));
        return this;
    }

    public Script RoundTrips(int count, ulong vmcs12 = 0x5000, uint vpid12 = 1, ulong eptp12 = 0x70000)
    {
        for (int i = 0; i < count; i++)
        {
            NestedEnter(vmcs12, vpid12, eptp12).NestedExit();
        }

        return this;
    }

    public Script Touch(params ulong[] addresses) => Access(AccessType.Read, addresses);

    public Script Write(params ulong[] addresses) => Access(AccessType.Write, addresses);

    /// <summary>Goes on on another physical CPU.</summary>
    public Script OnLane(int lane)
    {
        _lane = lane;
        return this;
    }

    /// <summary>A paging-structure entry changes; L1 is who writes EPT12 and, without EPT12, the tables of L2.</summary>
    public Script Change(MapTable table, ulong address, MapChangeKind change = MapChangeKind.Changed, ulong root = 0, ulong size = 4096, byte by = 1) =>
        Event(TraceEvent.MapChange(_time, by, table, root, address, size, change));

    private Script Access(AccessType type, ulong[] addresses)
    {
        foreach (ulong address in addresses)
        {
            _block.Clear();
            _block.Lane = _lane;
            _block.FirstRecord = _record++;
            _block.AddAccess(_time++, address, AccessFlags.Pack(type));
            _machine.Replay(_block, 0, 1);
        }

        return this;
    }

    public Script Event(in TraceEvent e)
    {
        _block.Clear();
        _block.Lane = _lane;
        _block.FirstRecord = _record++;
        _block.AddEvent(e with { Time = _time++ });
        _machine.Replay(_block, 0, 1);
        return this;
    }
}
