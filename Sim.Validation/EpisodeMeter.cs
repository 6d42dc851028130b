using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Kvm;

namespace Sim.Validation;

/// <summary>What address translation cost.</summary>
/// <param name="Walks">Accesses that missed in every level of TLB.</param>
/// <param name="References">Memory references of these walks.</param>
/// <param name="Flushed">Walks whose translation had been flushed.</param>
public readonly record struct TranslationCost(long Walks, long References, long Flushed)
{
    /// <summary>The sum.</summary>
    public static TranslationCost operator +(TranslationCost a, TranslationCost b) => new(a.Walks + b.Walks, a.References + b.References, a.Flushed + b.Flushed);

    /// <summary>The difference.</summary>
    public static TranslationCost operator -(TranslationCost a, TranslationCost b) => new(a.Walks - b.Walks, a.References - b.References, a.Flushed - b.Flushed);

    /// <summary>The sum.</summary>
    public static TranslationCost Add(TranslationCost left, TranslationCost right) => left + right;

    /// <summary>The difference.</summary>
    public static TranslationCost Subtract(TranslationCost left, TranslationCost right) => left - right;
}

/// <summary>
/// A trace sink that replays under several policies and charges what translation costs L0 and L1 to the exits of L2: each from its real exit to the next real entry of L2 on that
/// lane. L2's own walks are not charged, nor is what comes before a lane's first such exit.
/// </summary>
internal sealed class EpisodeMeter : ITraceSink
{
    private readonly Machine[] _machines;
    private readonly TranslationCost[] _before;
    private readonly SortedDictionary<uint, TranslationCost>[] _byReason;
    private readonly uint?[] _reason;

    public EpisodeMeter(IReadOnlyList<Machine> machines, int lanes)
    {
        _machines = [.. machines];
        _before = new TranslationCost[machines.Count];
        _byReason = [.. machines.Select(_ => new SortedDictionary<uint, TranslationCost>())];
        _reason = new uint?[lanes];
    }

    /// <summary>Exits of L2 by reason.</summary>
    public SortedDictionary<uint, long> Exits { get; } = [];

    /// <summary>Nested entries and exits by the reason of the exit of L2 that led to them.</summary>
    public SortedDictionary<uint, long> NestedTransitions { get; } = [];

    /// <summary>Costs by reason under the policy at an index.</summary>
    public SortedDictionary<uint, TranslationCost> Costs(int policy) => _byReason[policy];

    /// <inheritdoc/>
    public void Write(TraceBlock block)
    {
        int from = 0;
        for (int i = 0; i < block.EventCount; i++)
        {
            TraceEvent e = block.Events[i];
            if (e.Kind is not (RecordKind.VmEnter or RecordKind.VmExit))
            {
                continue;
            }

            if (e.Transition is TransitionKind.L2ToL0 or TransitionKind.L0ToL2)
            {
                int at = block.EventPosition[i] + i;
                Replay(block, from, at);
                from = at;
                _reason[block.Lane] = null;
                if (e.Transition == TransitionKind.L2ToL0)
                {
                    _reason[block.Lane] = (uint)e.C;
                    Exits[(uint)e.C] = Exits.GetValueOrDefault((uint)e.C) + 1;
                }
            }
            else if (e.Transition is TransitionKind.L1ToL2 or TransitionKind.L2ToL1 && _reason[block.Lane] is { } reason)
            {
                NestedTransitions[reason] = NestedTransitions.GetValueOrDefault(reason) + 1;
            }
        }

        Replay(block, from, block.RecordCount);
    }

    private static TranslationCost CostOf(StatSheet sheet)
    {
        long walks = 0;
        long references = 0;
        long flushed = 0;
        foreach (Stat stat in sheet.Stats)
        {
            walks += StatNames.IsOnAnyLane(stat.Path, StatNames.LaneStlbMisses) ? stat.Value : 0;
            references += StatNames.IsOnAnyLane(stat.Path, StatNames.LaneWalkReferences) ? stat.Value : 0;
            flushed += StatNames.IsOnAnyLane(stat.Path, StatNames.LaneWalksFlushed) ? stat.Value : 0;
        }

        return new TranslationCost(walks, references, flushed);
    }

    private void Replay(TraceBlock block, int from, int to)
    {
        for (int m = 0; m < _machines.Length; m++)
        {
            _machines[m].Replay(block, from, to - from);
            TranslationCost now = CostOf(_machines[m].Snapshot());
            if (_reason[block.Lane] is { } reason)
            {
                _byReason[m][reason] = _byReason[m].GetValueOrDefault(reason) + (now - _before[m]);
            }

            _before[m] = now;
        }
    }
}
