using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Workloads.Footprints;

/// <summary>
/// Learns from nested traces with memory accesses what L0 and L1 touch in each kind of stay. A page that at least one in twenty stays of some kind touches
/// (and two of them) has an identity in all kinds of its level; what else is touched varies, and only how much of it there is and how it is used again is kept.
/// </summary>
public sealed class FootprintLearner
{
    private const long RareShare = 20;
    private const int Thousand = 1000;
    private const long PlaceScale = 1_000_000;

    // Fewer stays of a kind in recordings without tracing do not stand for it alone.
    private const int FewestUntraced = 20;

    private readonly List<RecordedWindow> _windows = [];
    private readonly HashSet<RecordedWindow> _untraced = [];

    /// <summary>Begins a recording: write its trace into the sink that is returned, before the next one begins.</summary>
    /// <param name="lanes">Lanes of the trace.</param>
    /// <param name="untraced">No tracing lengthened L0's paths: kinds of stay that such recordings have often enough are learned from them alone.</param>
    public ITraceSink Window(int lanes, bool untraced = false)
    {
        RecordedWindow window = new(lanes);
        _windows.Add(window);
        if (untraced)
        {
            _untraced.Add(window);
        }

        return window;
    }

    /// <summary>Nested entries and exits, and whole stays of L0 and L1, of each recording so far.</summary>
    public IReadOnlyList<(long NestedTransitions, long Stays)> Counts => [.. _windows.Select(window => (window.NestedTransitions, (long)window.Stays.Count))];

    /// <summary>The model of all recordings together, or of all but the one at index <paramref name="leftOut"/>.</summary>
    public FootprintModel Learn(string name, string summary, Vendor vendor, string kernel, IReadOnlyList<FootprintSource> sources, int? leftOut = null)
    {
        RecordedWindow[] windows = [.. _windows.Where((_, index) => index != leftOut)];
        SharedPages shared = new(windows);
        SortedDictionary<StayKey, KindCounts> kinds = new(StayKey.Order);
        HashSet<StayKey> untraced = [.. windows.Where(_untraced.Contains).SelectMany(window => window.Stays).GroupBy(stay => stay.Key).Where(kind => kind.Count() >= FewestUntraced).Select(kind => kind.Key)];
        for (int w = 0; w < windows.Length; w++)
        {
            foreach (RecordedStay stay in windows[w].Stays.Where(stay => IsLearned(windows[w], stay)))
            {
                if (!kinds.TryGetValue(stay.Key, out KindCounts? kind))
                {
                    kinds.Add(stay.Key, kind = new KindCounts());
                }

                kind.Add(stay, shared.Of(w));
            }
        }

        HashSet<int> known = [.. kinds.Values.SelectMany(kind => kind.Pages.Where(page => page.Value.Stays >= 2 && page.Value.Stays * RareShare >= kind.Seen).Select(page => page.Key))];
        CountVarying(windows, kinds, shared, known, IsLearned, out List<int>[] fresh);
        int[][] numbers = [Number(known, shared, 0), Number(known, shared, 1)];
        return new FootprintModel(
            name,
            summary,
            vendor,
            kernel,
            sources,
            PagesOf(0),
            PagesOf(1),
            [.. kinds.Where(kind => kind.Value.Seen >= 2).Select(kind => kind.Value.Finish(kind.Key, known, numbers[kind.Key.Level]))]);

        bool IsLearned(RecordedWindow window, RecordedStay stay) => _untraced.Contains(window) || !untraced.Contains(stay.Key);

        LevelPages PagesOf(int level) => new(
            [.. known.Where(page => shared.Page(page).Level == level).OrderBy(page => numbers[level][page]).Select(page => shared.Page(page).Number)],
            [.. fresh[(level * 2) + 1].Select(page => shared.Page(page).Number)],
            [.. fresh[level * 2].Select(page => shared.Page(page).Number)]);
    }

    // Known pages of a level by address, so that equal recordings give equal files; indexed by common number.
    private static int[] Number(HashSet<int> known, SharedPages shared, int level)
    {
        int[] numbers = new int[shared.Count];
        int next = 0;
        foreach (int page in known.Where(page => shared.Page(page).Level == level).OrderBy(page => (shared.Page(page).Number, shared.Page(page).IsCode)))
        {
            numbers[page] = next++;
        }

        return numbers;
    }

    private static void CountVarying(
        RecordedWindow[] windows, SortedDictionary<StayKey, KindCounts> kinds, SharedPages shared, HashSet<int> known, Func<RecordedWindow, RecordedStay, bool> counts, out List<int>[] fresh)
    {
        fresh = [[], [], [], []];
        HashSet<int> listed = [];
        for (int w = 0; w < windows.Length; w++)
        {
            ReadOnlySpan<int> numbers = shared.Of(w);
            RecencyStack[] stacks = [new(), new(), new(), new()];
            foreach (RecordedStay stay in windows[w].Stays.Where(stay => counts(windows[w], stay)))
            {
                KindCounts kind = kinds[stay.Key];
                foreach (PackedTouch touch in stay.Touches)
                {
                    int page = numbers[touch.Page];
                    if (known.Contains(page))
                    {
                        continue;
                    }

                    bool isCode = touch.Use == AccessType.Execute;
                    int side = (stay.Key.Level * 2) + (isCode ? 1 : 0);
                    kind.AddVarying(isCode, touch.Use == AccessType.Write, stacks[side].DepthOf(page));
                    stacks[side].Choose(page);
                    if (listed.Add(page))
                    {
                        fresh[side].Add(page);
                    }
                }

                foreach (RecencyStack stack in stacks)
                {
                    stack.EndStay();
                }
            }
        }
    }

    private sealed class PageCounts
    {
        public required bool IsCode { get; init; }

        public long Stays { get; set; }

        public long Writes { get; set; }

        public long Places { get; set; }
    }

    private sealed class KindCounts
    {
        private readonly VaryingCounts _code = new();
        private readonly VaryingCounts _data = new();
        private long _nestedPlaces;

        public long Seen { get; private set; }

        public Dictionary<int, PageCounts> Pages { get; } = [];

        public void Add(RecordedStay stay, ReadOnlySpan<int> numbers)
        {
            Seen++;
            int length = Math.Max(stay.Touches.Length, 1);
            _nestedPlaces += (long)stay.NestedIndex * Thousand / length;
            for (int i = 0; i < stay.Touches.Length; i++)
            {
                int page = numbers[stay.Touches[i].Page];
                if (!Pages.TryGetValue(page, out PageCounts? counts))
                {
                    Pages.Add(page, counts = new PageCounts { IsCode = stay.Touches[i].Use == AccessType.Execute });
                }

                counts.Stays++;
                counts.Writes += stay.Touches[i].Use == AccessType.Write ? 1 : 0;
                counts.Places += i * PlaceScale / length;
            }
        }

        public void AddVarying(bool isCode, bool isWrite, int? depth) => (isCode ? _code : _data).Add(isWrite, depth);

        public StayFootprint Finish(StayKey key, HashSet<int> known, int[] numbers) => new(
            key,
            Seen,
            (int)(_nestedPlaces / Seen),
            [
                .. Pages.Where(page => known.Contains(page.Key))
                    .OrderBy(page => (page.Value.Places / page.Value.Stays, numbers[page.Key]))
                    .Select(page => new PageTouch(numbers[page.Key], Use(page.Value), page.Value.Stays)),
            ],
            _code.Finish(),
            _data.Finish());

        private static AccessType Use(PageCounts counts) => counts.IsCode ? AccessType.Execute : counts.Writes * 2 > counts.Stays ? AccessType.Write : AccessType.Read;
    }

    private sealed class VaryingCounts
    {
        private readonly long[] _depths = new long[VaryingTouches.MaxDepths];
        private long _writes;

        public void Add(bool isWrite, int? depth)
        {
            _depths[depth is { } known ? VaryingTouches.BucketOf(known) : 0]++;
            _writes += isWrite ? 1 : 0;
        }

        public VaryingTouches Finish() => new([.. _depths.Take(Array.FindLastIndex(_depths, count => count > 0) + 1)], _writes);
    }
}
