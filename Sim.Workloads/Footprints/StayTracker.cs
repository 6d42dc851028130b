using Sim.Core.Traces;

namespace Sim.Workloads.Footprints;

/// <summary>A stay of L0, L1 or L2 on a lane, from transition to transition.</summary>
/// <param name="Level">Who runs.</param>
/// <param name="Key">Its kind; null for L2.</param>
/// <param name="Vcpu">The vCPU that left last or runs.</param>
/// <param name="Start">Time of the transition that begins it.</param>
/// <param name="NestedAt">Time of the nested transition in it, if <see cref="StayKey.Nested"/> has one.</param>
/// <param name="End">Time of the transition that ends it.</param>
internal readonly record struct Stay(int Level, StayKey? Key, ushort Vcpu, ulong Start, ulong NestedAt, ulong End);

/// <summary>Cuts a nested trace's events into stays. A lane's first stay begins with its first transition; what is cut off at the trace's end is none.</summary>
internal sealed class StayTracker(int lanes)
{
    private readonly Lane[] _lanes = [.. Enumerable.Range(0, lanes).Select(_ => new Lane())];
    private readonly Dictionary<ushort, Vcpu> _vcpus = [];

    /// <summary>Takes the lane's next event. Every real transition ends the lane's stay, which is returned, and begins the next; null for the first, and for other events.</summary>
    public Stay? Observe(int number, in TraceEvent e)
    {
        Lane lane = _lanes[number];
        Stay? ended = null;
        switch (e.Kind)
        {
            case RecordKind.Interrupt when e.Level == lane.Level && e.D == e.Level:
                lane.Interrupted = true;
                break;
            case RecordKind.Interrupt when e.Level == 0 && e.D == 1:
                // L0 injects it: L1 takes it when it runs next.
                lane.InjectsIntoL1 = true;
                break;
            case RecordKind.VmEnter when e.Transition == TransitionKind.L1ToL2:
                lane.Nest(NestedStep.Entry, e.Time);
                break;
            case RecordKind.VmExit when e.Transition == TransitionKind.L2ToL1:
                lane.Nest(NestedStep.Exit, e.Time);
                VcpuOf(e.Vcpu).Told = (uint)e.C;
                break;
            case RecordKind.VmEnter:
                ended = lane.End(e.Time, e.Transition == TransitionKind.L0ToL2 ? 2u : 1);
                Enter(lane, e);
                break;
            case RecordKind.VmExit:
                ended = lane.End(e.Time, (uint)e.C);
                Exit(lane, e);
                break;
            default:
                break;
        }

        return ended;
    }

    private void Enter(Lane lane, in TraceEvent e)
    {
        Vcpu vcpu = VcpuOf(e.Vcpu);
        bool isL1 = e.Transition == TransitionKind.L0ToL1;
        lane.Begin(isL1 ? 1 : 2, e.Vcpu, e.Time);
        lane.Interrupted = isL1 && lane.InjectsIntoL1;
        lane.InjectsIntoL1 = false;
        if (isL1)
        {
            if (vcpu.Told is { } told)
            {
                vcpu.Handling = told;
                (lane.After, lane.Reason) = (2, told);
            }
            else
            {
                (lane.After, lane.Reason) = (1, vcpu.ExitReason);
            }

            lane.Handling = vcpu.Handling;
            lane.IsKnown = vcpu.HasExited;
        }

        vcpu.Told = null;
    }

    private void Exit(Lane lane, in TraceEvent e)
    {
        Vcpu vcpu = VcpuOf(e.Vcpu);
        vcpu.ExitReason = (uint)e.C;
        vcpu.HasExited = true;
        vcpu.Told = null;
        lane.Begin(0, e.Vcpu, e.Time);
        lane.IsKnown = true;
        (lane.After, lane.Reason, lane.Handling) = (e.Transition == TransitionKind.L2ToL0 ? 2 : 1, (uint)e.C, null);
    }

    private Vcpu VcpuOf(ushort number)
    {
        if (!_vcpus.TryGetValue(number, out Vcpu? vcpu))
        {
            _vcpus.Add(number, vcpu = new Vcpu());
        }

        return vcpu;
    }

    private sealed class Vcpu
    {
        public bool HasExited { get; set; }

        public uint ExitReason { get; set; }

        // The exit of L2 that L1 was told of since the last real entry.
        public uint? Told { get; set; }

        public uint? Handling { get; set; }
    }

    private sealed class Lane
    {
        private bool _isOpen;
        private ushort _vcpu;
        private ulong _start;
        private NestedStep _nested;
        private ulong _nestedAt;

        public int Level { get; private set; }

        public bool IsKnown { get; set; }

        public int After { get; set; }

        public uint Reason { get; set; }

        public uint? Handling { get; set; }

        public bool Interrupted { get; set; }

        public bool InjectsIntoL1 { get; set; }

        public void Begin(int level, ushort vcpu, ulong time)
        {
            _isOpen = true;
            _vcpu = vcpu;
            _start = time;
            _nested = NestedStep.None;
            Level = level;
            Interrupted = false;
            IsKnown = false;
        }

        public void Nest(NestedStep step, ulong time) => (_nested, _nestedAt) = (step, time);

        public Stay? End(ulong time, uint then)
        {
            if (!_isOpen)
            {
                return null;
            }

            StayKey? key = Level < 2 && IsKnown ? new StayKey(Level, After, Reason, _nested, then, Handling, Interrupted) : null;
            return new Stay(Level, key, _vcpu, _start, _nestedAt, time);
        }
    }
}
