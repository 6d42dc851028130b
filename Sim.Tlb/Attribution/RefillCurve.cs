using System.Numerics;

using Sim.Core.Stats;
using Sim.Core.Traces;

namespace Sim.Tlb;

/// <summary>
/// How misses die away after a flush: first-level misses and walks of a context against the accesses that the context has made since an invalidation took all of its
/// non-global translations, in power-of-two buckets, with the accesses that fell into each bucket beside them.
/// </summary>
/// <remarks>
/// A context is a tag: (VPID or ASID, PCID, EP4TA). Its accesses before its first flush count nowhere. An invalidation of one address, and a structure that forgets a tag for room,
/// are no flush here.
/// </remarks>
internal sealed class RefillCurve
{
    private const int Levels = 3;

    /// <summary>One for 0 and one for each bit length of a positive number.</summary>
    private const int Buckets = 64;

    private readonly List<Counts?> _counts = [];
    private FlushedContext[] _contexts = new FlushedContext[16];
    private Counts? _current;
    private int _context;
    private long _start;
    private long _position;
    private int _next;
    private int _bucket;

    /// <summary>An invalidation took all non-global translations of the contexts marked in <paramref name="kills"/>.</summary>
    public void Flushed(ReadOnlySpan<bool> kills, int cause)
    {
        if (_contexts.Length < kills.Length)
        {
            Array.Resize(ref _contexts, kills.Length);
        }

        for (int context = 1; context < kills.Length; context++)
        {
            if (kills[context])
            {
                _contexts[context] = new FlushedContext(true, cause, 0);
            }
        }
    }

    /// <summary>Accesses of a context begin at <paramref name="from"/> of a block.</summary>
    public void Begin(int context, int level, int from)
    {
        _context = context;
        _current = context < _contexts.Length && _contexts[context].WasFlushed ? CountsOf(_contexts[context].Cause, level) : null;
        _start = _current is null ? 0 : _contexts[context].Accesses;
        _position = _start;
        _next = from;
    }

    /// <summary>The access at that place of the block missed the first level.</summary>
    public void Missed(TraceBlock block, int access)
    {
        if (_current is null)
        {
            return;
        }

        foreach (uint repeat in block.Repeat.AsSpan(_next, access - _next))
        {
            _position += repeat;
        }

        _next = access;
        _bucket = BucketOf(_position);
        _current.FirstLevelMisses[_bucket]++;
    }

    /// <summary>The access that missed last takes a walk.</summary>
    public void Walked()
    {
        if (_current is not null)
        {
            _current.Walks[_bucket]++;
        }
    }

    /// <summary>The accesses that began last are over.</summary>
    public void End(long accesses)
    {
        if (_current is null)
        {
            return;
        }

        long end = _start + accesses;
        _contexts[_context].Accesses = end;
        for (long at = _start; at < end;)
        {
            int bucket = BucketOf(at);
            long behind = Math.Min(end, bucket == 0 ? 1 : LowerBound(bucket) * 2);
            _current.Accesses[bucket] += behind - at;
            at = behind;
        }
    }

    public void Collect(StatSheet sheet, string name, FlushCauses causes)
    {
        SortedDictionary<string, Counts> byLabel = new(StringComparer.Ordinal);
        for (int i = 0; i < _counts.Count; i++)
        {
            if (_counts[i] is { } counts)
            {
                string label = $"level={i % Levels},invalidation={causes[i / Levels].Invalidation}";
                if (!byLabel.TryGetValue(label, out Counts? sum))
                {
                    byLabel.Add(label, sum = new Counts());
                }

                sum.Add(counts);
            }
        }

        foreach ((string label, Counts counts) in byLabel)
        {
            Add("accesses", "accesses", "Accesses of a context by how many it had made since its last flush.", counts.Accesses);
            Add("l1_misses", "accesses", "First-level misses of a context by the accesses it had made since its last flush.", counts.FirstLevelMisses);
            Add("walks", "walks", "Walks of a context by the accesses it had made since its last flush.", counts.Walks);

            void Add(string metric, string unit, string help, long[] buckets) => sheet.Add(new Series(
                name + StatNames.RefillInfix + metric,
                label,
                "accesses",
                unit,
                SeriesKind.Histogram,
                help,
                [.. Enumerable.Range(0, Buckets).Where(bucket => buckets[bucket] != 0).Select(bucket => new SeriesPoint(LowerBound(bucket), buckets[bucket]))]));
        }
    }

    private static int BucketOf(long position) => Buckets - BitOperations.LeadingZeroCount((ulong)position);

    private static long LowerBound(int bucket) => bucket == 0 ? 0 : 1L << (bucket - 1);

    private Counts CountsOf(int cause, int level)
    {
        int i = (Levels * cause) + level;
        while (_counts.Count <= i)
        {
            _counts.Add(null);
        }

        return _counts[i] ??= new Counts();
    }

    /// <param name="WasFlushed">False before the first flush.</param>
    /// <param name="Cause">Of the last flush.</param>
    /// <param name="Accesses">Made since then.</param>
    private record struct FlushedContext(bool WasFlushed, int Cause, long Accesses);

    private sealed class Counts
    {
        public long[] Accesses { get; } = new long[Buckets];

        public long[] FirstLevelMisses { get; } = new long[Buckets];

        public long[] Walks { get; } = new long[Buckets];

        public void Add(Counts other)
        {
            for (int bucket = 0; bucket < Buckets; bucket++)
            {
                Accesses[bucket] += other.Accesses[bucket];
                FirstLevelMisses[bucket] += other.FirstLevelMisses[bucket];
                Walks[bucket] += other.Walks[bucket];
            }
        }
    }
}
