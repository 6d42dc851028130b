using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>A VM-entry that hardware (or L0 on its behalf) refused.</summary>
/// <param name="Time">Trace time.</param>
/// <param name="Lane">Physical CPU.</param>
/// <param name="Vcpu">vCPU.</param>
/// <param name="Vmcs12">The vmcs12 it was about.</param>
/// <param name="Check">Which check failed, with the values.</param>
public sealed record FailedVmEntry(ulong Time, int Lane, ushort Vcpu, ulong Vmcs12, string Check);

/// <summary>Lanes, vCPUs and one flush policy, replaying one trace.</summary>
/// <remarks>
/// L0 of the trace stays as it was recorded (its accesses, its own CR3 loads and INVLPGs); only its INVVPID, INVEPT and INVLPGA are dropped
/// and decided anew.
/// </remarks>
public sealed class Machine
{
    private readonly MachineSpec _spec;
    private readonly ReplayKind _kind;
    private readonly AddressSpaces _spaces;
    private readonly SafetyOracle? _oracle;
    private readonly Kernel _kernel;
    private readonly Vcpus _vcpus;
    private readonly Lane[] _lanes;
    private readonly Transitions _steps;
    private readonly UntimedClock _clock;
    private readonly GuestInstructions _instructions;
    private readonly MmuEvents _mmu;
    private long _dropped;
    private long _skipped;

    /// <summary>
    /// A machine at reset. <paramref name="observer"/>, if given, is told of every invalidation in order, <paramref name="calls"/> of every call of L0's flush functions.
    /// </summary>
    /// <exception cref="ConfigurationException">The policy is for the other vendor's hardware, or an AMD machine lacks ASIDs.</exception>
    public Machine(MachineSpec spec, IFlushPolicy policy, ReplayKind kind, int lanes, Action<IssuedInvalidation>? observer = null, Action<FlushCall>? calls = null)
        : this(spec, policy, kind, lanes, number => new Vcpu(number), observer, calls)
    {
    }

    /// <summary>A machine whose vCPUs somebody else drives too: <paramref name="vcpuOf"/> gives the one with a number that the trace names for the first time.</summary>
    internal Machine(MachineSpec spec, IFlushPolicy policy, ReplayKind kind, int lanes, Func<ushort, Vcpu> vcpuOf, Action<IssuedInvalidation>? observer, Action<FlushCall>? calls = null)
    {
        Vendor vendor = spec.Profile.Vendor;
        if (!policy.Supports(vendor))
        {
            throw new ConfigurationException(
                $"Policy {ComponentAttribute.NameOf(policy)} does not run on {vendor.Name()} hardware, and profile '{spec.Profile.Name}' is {vendor.Name()}. "
                + (vendor == Vendor.Amd ? "Try nsvm-5.8, or a yardstick such as always-guest." : "Try kvm-6.12, or a yardstick such as always-guest."));
        }

        if (vendor == Vendor.Amd && !spec.L0Vpid)
        {
            throw new ConfigurationException($"Profile '{spec.Profile.Name}' is AMD, where guests always have an ASID. Leave l0_vpid on.");
        }

        _spec = spec;
        _kind = kind;
        _spaces = new AddressSpaces(spec);
        _oracle = spec.Safety && kind == ReplayKind.ByPolicy ? new SafetyOracle(spec, _spaces, invalidation => InvalidationNames.InWords(invalidation, _vcpus!.NameOfTag, _spaces.NameOf)) : null;
        _kernel = new Kernel(spec, policy, _spaces, _oracle, (lane, reason) => _steps!.FlushRemote(lane, reason), calls);
        VirtualCpuView view = new(spec, kind, _spaces, _oracle);
        _vcpus = new Vcpus(spec, _kernel.Rules, policy, vcpuOf, view.Became);
        FlushCauses causes = new();
        _lanes = Enumerable.Range(0, lanes).Select(index => new Lane(index, spec, causes, _oracle is null ? observer : Observed(observer), _oracle)).ToArray();
        _oracle?.Attach(_lanes);
        _steps = new Transitions(spec, kind, _kernel, _spaces, _vcpus, view, _lanes);
        _clock = new UntimedClock(spec, kind, _kernel, _vcpus, _steps);
        _instructions = new GuestInstructions(spec, kind, _kernel, _vcpus, view, _steps);
        _mmu = new MmuEvents(spec, kind, _kernel, new MapChanges(spec, kind, _spaces, _kernel.ShadowMmu, _oracle), _vcpus, _steps, _instructions, _oracle);
        foreach (Lane lane in _lanes)
        {
            _steps.Switch(lane, "reset");
        }
    }

    /// <summary>For tests: every tree.</summary>
    internal AddressSpaces Spaces => _spaces;

    /// <summary>For tests: the translation hardware of a lane.</summary>
    internal Mmu MmuOf(int lane) => _lanes[lane].Mmu;

    /// <summary>VM-entries that failed their consistency checks, in order.</summary>
    public IReadOnlyList<FailedVmEntry> FailedVmEntries => _kernel.Nested.Failed;

    /// <summary>
    /// Name of an invalidation that a hypervisor or a transition without VPID carried out, with KVM's names for tags: INVVPID(vpid02), INVEPT(eptp02:0x7000). Those of a
    /// vCPU n other than 0 are vpid02(vn); a pool's further VPIDs are vpid02.1, vpid02.2. Null for what any kernel does about its own paging.
    /// </summary>
    public string? NameOf(Invalidation invalidation) => InvalidationNames.Of(invalidation, _vcpus.NameOfTag, _spaces.NameOf);

    /// <summary>
    /// What an invalidation's operand stands for, seen from a vCPU: <c>all</c>, <c>vpid01</c>, <c>vpid02</c>, <c>eptp01</c>, <c>eptp02</c>, or <c>other</c> if it is
    /// another vCPU's or another L2's.
    /// </summary>
    public string TargetOf(ushort vcpu, Invalidation invalidation)
    {
        Vcpu seen = _vcpus.Of(vcpu);
        return invalidation switch
        {
            InveptGlobal or InvvpidAll => "all",
            InveptSingle(var eptp) => eptp == _spaces.Tdp(seen.RootOf(true, _kernel.Rules.L2HasOwnDirectRoot))?.Root ? "eptp02"
                : eptp == _spaces.Tdp(seen.RootOf(false, _kernel.Rules.L2HasOwnDirectRoot))?.Root ? "eptp01" : "other",
            InvvpidAddress(var vpid, _) => TargetOf(seen, vpid),
            InvvpidSingle(var vpid) => TargetOf(seen, vpid),
            InvvpidSingleRetainGlobals(var vpid) => TargetOf(seen, vpid),
            _ => "other",
        };
    }

    /// <summary>Replays <paramref name="count"/> records of the block from record <paramref name="first"/> on (accesses and events in their common order).</summary>
    public void Replay(TraceBlock block, int first, int count)
    {
        Lane lane = _lanes[block.Lane];
        int end = first + count;
        int e = EventsBefore(block, first);
        int access = first - e;
        while (access + e < end)
        {
            int next = e < block.EventCount ? block.EventPosition[e] : block.AccessCount;
            if (access < next)
            {
                int to = Math.Min(next, end - e);
                Run(lane, block, access, to);
                access = to;
            }
            else
            {
                _oracle?.At(block.Events[e].Time, block.Lane);
                Follow(lane, block.Events[e]);
                e++;
            }
        }
    }

    /// <summary>Who runs on a lane drops a page by INVLPG, which the trace does not tell. Nothing on a lane whose L2 failed to begin.</summary>
    internal void ShootDown(int lane, ulong page)
    {
        if (_lanes[lane] is { Refused: false } where)
        {
            _instructions.InvalidateAddress(where, new Invlpg(page), page, "invlpg");
        }
    }

    /// <summary>What L0 does, for who keeps a clock of its own.</summary>
    internal Transitions Steps => _steps;

    internal Kernel Kernel => _kernel;

    internal Vcpus Vcpus => _vcpus;

    /// <summary>A physical CPU.</summary>
    internal Lane LaneOf(int lane) => _lanes[lane];

    /// <summary>What the safety oracle saw since the beginning, or since <see cref="RestartSafety"/>; null if it does not watch.</summary>
    public SafetyReport? Safety => _oracle?.Report();

    /// <summary>For tests: wrong uses and permitted uses of old translations so far, without a report.</summary>
    internal (long Incidents, long Permitted) SafetyCounts => _oracle!.Counts;

    /// <summary>The measured window begins: what the oracle saw before it is forgotten, what it knows of tables and virtual TLBs is not.</summary>
    public void RestartSafety() => _oracle?.Restart();

    /// <summary>All statistics now. Changes nothing.</summary>
    public StatSheet Snapshot()
    {
        StatSheet sheet = new();
        foreach (Lane lane in _lanes)
        {
            lane.Collect(sheet);
        }

        _kernel.Nested.Collect(sheet);
        _kernel.Emulated.Collect(sheet);
        _kernel.Roots.Collect(sheet);
        _kernel.Flush.Collect(sheet);
        _steps.Collect(sheet);
        sheet.Counter(StatNames.TraceSkipped, "records", "Records of an L2 whose VM-entry failed.", _skipped);
        sheet.Counter(StatNames.TraceL0FlushesDropped, "records", "L0's own recorded invalidations that by-policy replay drops.", _dropped);

        return sheet;
    }

    /// <summary>Who holds the TLBs now: a gauge for every array and tag that has entries in it. Changes nothing.</summary>
    public StatSheet Occupancy()
    {
        StatSheet sheet = new();
        foreach (Lane lane in _lanes)
        {
            lane.Mmu.CollectOccupancy(sheet);
        }

        return sheet;
    }

    /// <summary>Checks the conservation laws; throws <see cref="InvalidOperationException"/> (our bug, exit code 4) with both sides of the one that fails.</summary>
    public void CheckConservation()
    {
        foreach (Lane lane in _lanes)
        {
            lane.Mmu.CheckConservation();
        }
    }

    private static int EventsBefore(TraceBlock block, int record)
    {
        (int low, int high) = (0, block.EventCount);
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = block.EventPosition[middle] + middle < record ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    private static string TargetOf(Vcpu vcpu, ushort vpid) => vcpu.Tags.All.Contains(vpid) ? "vpid02" : vpid == vcpu.Vpid01 ? "vpid01" : "other";

    private void Run(Lane lane, TraceBlock block, int from, int to)
    {
        lane.Count(RecordKind.Access, to - from, block.Time[from], block.Time[to - 1]);
        if (lane.Refused)
        {
            _skipped += to - from;
        }
        else
        {
            lane.Translate(block, from, to);
        }
    }

    private void Follow(Lane lane, in TraceEvent e)
    {
        lane.Count(e.Kind, 1, e.Time, e.Time);
        if (lane.Refused)
        {
            // The nested VM-exit that ends what never began.
            lane.Refused = !(e.Kind == RecordKind.VmExit && e.Transition == TransitionKind.L2ToL1);
            _skipped++;
            return;
        }

        Handle(lane, e);
    }

    private void Handle(Lane lane, in TraceEvent e)
    {
        switch (e.Kind)
        {
            case RecordKind.VmEnter when e.Transition == TransitionKind.L1ToL2:
                _clock.NestedEnter(lane, e);
                break;
            case RecordKind.VmEnter:
                _clock.Enter(lane, e);
                break;
            case RecordKind.VmExit when e.Transition == TransitionKind.L2ToL1:
                _clock.NestedExit(lane, e);
                break;
            case RecordKind.VmExit:
                _clock.Exit(lane, e);
                break;
            case RecordKind.SetCr3 when lane.Level == 0 && e.Level > 0:
                _instructions.EmulateSetCr3(lane, e);
                break;
            case RecordKind.SetCr3:
                _instructions.SetCr3(lane, e);
                break;
            case RecordKind.SetCr4 when lane.Level == 0 && e.Level > 0:
                _instructions.EmulateSetCr4(lane, e);
                break;
            case RecordKind.SetCr4:
                _instructions.SetCr4(lane, (Cr4Bits)e.A);
                break;
            case RecordKind.Invlpg when lane.Level == 0 && e.Level > 0:
                _instructions.EmulateInvlpg(lane, e.A);
                break;
            case RecordKind.Invlpg:
                _instructions.InvalidateAddress(lane, new Invlpg(e.A), e.A, "invlpg");
                break;
            case RecordKind.Invpcid:
                _instructions.Invpcid(lane, e);
                break;
            case RecordKind.Invvpid when e.Level == 0:
                Recorded(lane, (e.A, (ushort)e.B) switch
                {
                    (0, var vpid) => new InvvpidAddress(vpid, e.C),
                    (1, var vpid) => new InvvpidSingle(vpid),
                    (2, _) => new InvvpidAll(),
                    (_, var vpid) => new InvvpidSingleRetainGlobals(vpid),
                });
                break;
            case RecordKind.Invvpid when _kind == ReplayKind.ByPolicy:
                _kernel.Emulated.Invvpid(lane, _vcpus.RunningOn(lane), e);
                break;
            case RecordKind.Invept when e.Level == 0:
                Recorded(lane, e.A == 1 ? new InveptSingle(e.B) : new InveptGlobal());
                break;
            case RecordKind.Invept when _kind == ReplayKind.ByPolicy:
                _kernel.Emulated.Invept(_vcpus.RunningOn(lane), e);
                break;
            case RecordKind.Invlpga when e.Level == 0:
                Recorded(lane, new Invlpga((ushort)e.A, e.B));
                break;
            case RecordKind.Invlpga when _kind == ReplayKind.ByPolicy:
                _kernel.Emulated.Invlpga(lane, _vcpus.RunningOn(lane), e);
                break;
            case RecordKind.MapChange when (MapTable)e.A == MapTable.Tdp12 && e.D == 0:
                _mmu.WriteEpt12(lane, e);
                break;
            case RecordKind.MapChange when (MapTable)e.A == MapTable.L2 && e.D == 0:
                _mmu.WriteShadowedTable();
                break;
            case RecordKind.MapChange:
                _mmu.MapChange(lane, e);
                break;
            case RecordKind.PageSizes when _spec.PageSizes == PageSizeSource.Recorded:
                _mmu.PageSizes(lane, e);
                break;
            case RecordKind.FlushRequest when _kind == ReplayKind.ByPolicy:
                _mmu.RaiseRecorded(lane, e);
                break;
            case RecordKind.Tdp12Walk when _kind == ReplayKind.ByPolicy && _spec.L0Ept:
                _mmu.WalkEpt12(lane, e);
                break;
            case RecordKind.Vmxon when _kind == ReplayKind.ByPolicy && _spec.Profile.Vendor == Vendor.Intel:
                _vcpus.EnterVmxOperation(_vcpus.Of(e.Vcpu));
                break;
            case RecordKind.Vmxoff when _kind == ReplayKind.ByPolicy && _spec.Profile.Vendor == Vendor.Intel:
                _vcpus.LeaveVmxOperation(_vcpus.Of(e.Vcpu));
                break;
            case RecordKind.SchedIn when _kind == ReplayKind.ByPolicy:
                _vcpus.ComesTo(lane, e.Vcpu);
                break;
            case RecordKind.CpuOnline when _kind == ReplayKind.ByPolicy:
                _kernel.Flush.ComesOnline(lane);
                lane.Execute(new Reset(), new Reason("host", "cpu_online"));
                break;
            case RecordKind.Reset when _kind == ReplayKind.ByPolicy:
                _mmu.Reset(lane, _vcpus.Of(e.Vcpu));
                break;
            default:
                break;
        }
    }

    private Action<IssuedInvalidation> Observed(Action<IssuedInvalidation>? observer) => issued =>
    {
        _oracle!.Executed(issued);
        observer?.Invoke(issued);
    };

    /// <summary>An INVVPID, INVEPT or INVLPGA that L0 itself executed when the trace was made.</summary>
    private void Recorded(Lane lane, Invalidation invalidation)
    {
        if (_kind == ReplayKind.AsRecorded)
        {
            lane.Execute(invalidation, new Reason("recorded", "as_recorded"));
        }
        else
        {
            _dropped++;
        }
    }
}
