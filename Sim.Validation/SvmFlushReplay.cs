using Sim.Captures.Ftrace;
using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Kvm;

namespace Sim.Validation;

/// <summary>One call of a flush function that the machine made.</summary>
/// <param name="Call">The call.</param>
/// <param name="IsFirstUseOfRoot">True for the load of a root that this vCPU had not used before in the recording, and for what making its shadow flushes.</param>
internal readonly record struct PlacedCall(FlushCall Call, bool IsFirstUseOfRoot);

/// <summary>What one vCPU's L0 did between two real VM-exits of it, hence for one VM-entry.</summary>
internal sealed class SvmFlushPlace
{
    /// <summary>The exit that it begins with, and the nested transitions since: <c>L1 vmrun, nested entry</c>.</summary>
    public string Description { get; set; } = "before the first exit";

    /// <summary>True if the exit, or the way there, was put in by the lift: what the kernel did then came before the recording.</summary>
    public bool IsPutIn { get; init; }

    /// <summary>True if the exit is a MOV to CR3, of which only L0's load of a root tells whether it was cached.</summary>
    public bool IsMovToCr3 { get; init; }

    /// <summary>Calls of the machine, in order.</summary>
    public List<PlacedCall> Machine { get; } = [];

    /// <summary>Calls of the recording kernel, in order.</summary>
    public List<KernelFlush> Kernel { get; } = [];
}

/// <summary>Replays a lifted recording of SVM as it is lifted, and puts each call of a flush function, the machine's and the kernel's, at its place.</summary>
internal sealed class SvmFlushReplay
{
    private readonly Machine _machine;
    private readonly bool _l0Npt;
    private readonly TraceBlock _block = new();
    private readonly SortedDictionary<int, Vcpu> _vcpus = [];
    private ulong _position;

    /// <summary>A replay on a machine of that many CPUs.</summary>
    public SvmFlushReplay(MachineSpec spec, IFlushPolicy policy, int lanes)
    {
        _machine = new Machine(spec, policy, ReplayKind.ByPolicy, lanes, calls: Note);
        _l0Npt = spec.L0Ept;
    }

    /// <summary>Replays the next record.</summary>
    public void Take(int lane, TraceEvent e)
    {
        if (e.Kind is RecordKind.VmEnter or RecordKind.VmExit)
        {
            Move(VcpuOf(e.Vcpu), e);
        }

        _block.Clear();
        _block.Lane = lane;
        _block.AddEvent(e);
        _machine.Replay(_block, 0, 1);
        _position++;
    }

    /// <summary>Takes the kernel's calls to their places and gives all places, vCPU by vCPU in order.</summary>
    public IEnumerable<(int Vcpu, int Exit, SvmFlushPlace Place)> Places(IReadOnlyList<KernelFlush> flushes)
    {
        foreach (KernelFlush flush in flushes)
        {
            Vcpu vcpu = VcpuOf(flush.Vcpu);
            int exits = vcpu.Exits.BinarySearch(flush.Position);
            vcpu.Places[exits < 0 ? ~exits : exits].Kernel.Add(flush);
        }

        return _vcpus.SelectMany(vcpu => vcpu.Value.Places.Select((place, exit) => (vcpu.Key, exit, place)));
    }

    private void Move(Vcpu vcpu, in TraceEvent e)
    {
        switch (e.Transition)
        {
            case TransitionKind.L1ToL0 or TransitionKind.L2ToL0:
                // No stay in a guest takes no time.
                vcpu.Exits.Add(_position);
                vcpu.Places.Add(new SvmFlushPlace { IsPutIn = e.Time == vcpu.EnteredAt, IsMovToCr3 = (SvmExit)e.C == SvmExit.WriteCr3, Description = string.Intern($"L{e.Level} {ExitReasons.Name(Vendor.Amd, (uint)e.C)}") });
                break;
            case TransitionKind.L1ToL2:
                // An L2 without NPT12 has a root for each CR3 if L0 shadows page tables, else one.
                vcpu.Root = (true, _l0Npt && ((VmControls)e.F & VmControls.EnableEpt) == 0 ? 0 : e.E);
                vcpu.Now.Description = string.Intern(vcpu.Now.Description + ", nested entry");
                break;
            case TransitionKind.L2ToL1:
                vcpu.Root = (false, 0);
                vcpu.Now.Description = string.Intern(vcpu.Now.Description + ", nested exit");
                break;
            default:
                vcpu.EnteredAt = e.Time;
                break;
        }
    }

    private void Note(FlushCall call)
    {
        Vcpu vcpu = VcpuOf(call.Vcpu);
        switch (call.Rule)
        {
            case SvmFlushValidation.RootLoad:
                vcpu.IsFirstUse = vcpu.KnownRoots.Add(vcpu.Root);
                break;
            case SvmFlushValidation.NewShadowRoot:
                break;
            default:
                vcpu.IsFirstUse = false;
                break;
        }

        vcpu.Now.Machine.Add(new PlacedCall(call, vcpu.IsFirstUse));
    }

    private Vcpu VcpuOf(int number)
    {
        if (!_vcpus.TryGetValue(number, out Vcpu? vcpu))
        {
            vcpu = new Vcpu();
            _vcpus.Add(number, vcpu);
        }

        return vcpu;
    }

    private sealed class Vcpu
    {
        /// <summary>Index of the record of each real exit.</summary>
        public List<ulong> Exits { get; } = [];

        /// <summary>What came before the first exit, and after each.</summary>
        public List<SvmFlushPlace> Places { get; } = [new SvmFlushPlace()];

        public SvmFlushPlace Now => Places[^1];

        public (bool IsL2, ulong NestedCr3) Root { get; set; }

        /// <summary>Time of its last real entry.</summary>
        public ulong? EnteredAt { get; set; }

        /// <summary>The root that was loaded last had not been used before.</summary>
        public bool IsFirstUse { get; set; }

        public HashSet<(bool IsL2, ulong NestedCr3)> KnownRoots { get; } = [];
    }
}
