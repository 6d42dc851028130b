using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Weave;

/// <summary>
/// Handlers made of footprints: each kind of stay is a fixed script, since a hypervisor's path through one kind of exit hardly changes. L0's stays share most of
/// their pages, as the captures' do (105 code and 88 data pages in a round trip whose two long stays touch 84+77 and 93+84). L1's accesses may come from a
/// bare trace instead.
/// </summary>
internal sealed class SyntheticHandling : ExitHandling
{
    // Where a stay's pages begin in its level's pool.
    private const int EntryFirstCodePage = 12;
    private const int EntryFirstDataPage = 4;

    private readonly Stay _exit;
    private readonly Stay _entry;
    private readonly Stay _l1Exit;
    private readonly Stay _alone;
    private readonly Stay _l1;
    private readonly BareTrace? _l1Trace;
    private readonly ulong _l1Accesses;
    private readonly int _l1Parts;
    private readonly uint _l1ExitReason;

    /// <summary>Handlers per the spec's footprints; with <paramref name="l1"/>, L1's accesses come from it, in order, from its start again at its end.</summary>
    public SyntheticHandling(WeaveSpec spec, BareTrace? l1)
    {
        _exit = new Stay(spec, 0, "l0-exit", spec.L0Exit, 0, 0);
        _entry = new Stay(spec, 0, "l0-entry", spec.L0Entry, EntryFirstCodePage, EntryFirstDataPage);
        _l1Exit = new Stay(spec, 0, "l0-l1-exit", spec.L0L1Exit, FootprintPages.L1ExitFirstPage, FootprintPages.L1ExitFirstPage);
        _alone = new Stay(spec, 0, "l0-alone", spec.L0Alone, 0, 0);
        _l1 = new Stay(spec, 1, "l1", spec.L1, 0, 0);
        _l1Trace = l1;
        _l1Accesses = spec.L1Accesses;
        _l1Parts = spec.L1Exits + 1;
        _l1ExitReason = spec.EffectiveL1ExitReason;
    }

    /// <inheritdoc/>
    public override void ByL0(NestedLane lane, ScheduledExit exit) => _alone.Play(lane, 0, 1);

    /// <inheritdoc/>
    public override void UntilResume(NestedLane lane, ScheduledExit exit, L2Identity next)
    {
        _exit.Play(lane, 0, 2);
        lane.Exit(TransitionKind.L2ToL1, exit.Reason);
        _exit.Play(lane, 1, 2);
        lane.Enter(TransitionKind.L0ToL1);
        for (int part = 0; part < _l1Parts; part++)
        {
            if (part > 0)
            {
                lane.Exit(TransitionKind.L1ToL0, _l1ExitReason);
                L1Exit(lane);
                lane.Enter(TransitionKind.L0ToL1);
            }

            if (_l1Trace is null)
            {
                _l1.Play(lane, part, _l1Parts);
            }
            else
            {
                ulong done = _l1Accesses * (ulong)part / (ulong)_l1Parts;
                _l1Trace.Play(lane, (_l1Accesses * (ulong)(part + 1) / (ulong)_l1Parts) - done);
            }
        }
    }

    /// <inheritdoc/>
    public override void Resume(NestedLane lane, Action nestedEntry)
    {
        _entry.Play(lane, 0, 2);
        nestedEntry();
        _entry.Play(lane, 1, 2);
    }

    /// <inheritdoc/>
    public override void L1Exit(NestedLane lane) => _l1Exit.Play(lane, 0, 1);

    /// <summary>The script of one kind of stay.</summary>
    private sealed class Stay
    {
        private const int RecentPages = 16;

        private readonly int _level;
        private readonly ulong _cycles;
        private readonly ulong[] _address;
        private readonly byte[] _flags;

        public Stay(WeaveSpec spec, int level, string name, Footprint footprint, int firstCodePage, int firstDataPage)
        {
            _level = level;
            _cycles = footprint.Cycles;
            int pages = footprint.CodePages + footprint.DataPages;
            _address = new ulong[pages * spec.Reuse];
            _flags = new byte[_address.Length];
            Rng rng = Rng.Fork(spec.Seed, "weave." + name);

            // Each page comes first at its turn, code and data in their proportion; between turns, recent pages are used again.
            for (int i = 0; i < _address.Length; i++)
            {
                int turn = i / spec.Reuse;
                int page = i % spec.Reuse == 0 ? turn : Math.Max(0, turn - (int)rng.Below(rng.Below(4) == 0 ? (ulong)turn + 1 : RecentPages));
                (_address[i], bool code) = FootprintPages.At(footprint, page, firstCodePage, firstDataPage);
                AccessType type = code ? AccessType.Execute : rng.Below(4) == 0 ? AccessType.Write : AccessType.Read;
                _flags[i] = AccessFlags.Pack(type);
            }
        }

        /// <summary>Plays part <paramref name="part"/> of <paramref name="parts"/> equal ones.</summary>
        public void Play(NestedLane lane, int part, int parts)
        {
            ulong total = (ulong)_address.Length;
            int end = (int)(total * (ulong)(part + 1) / (ulong)parts);
            ulong elapsed = _cycles * (ulong)part / (ulong)parts;
            for (int i = (int)(total * (ulong)part / (ulong)parts); i < end; i++)
            {
                ulong due = _cycles * (ulong)i / total;
                lane.Advance(due - Math.Min(due, elapsed));
                elapsed = Math.Max(due, elapsed);
                lane.Access(_level, _address[i], _flags[i]);
            }

            lane.Advance((_cycles * (ulong)(part + 1) / (ulong)parts) - elapsed);
        }
    }
}
