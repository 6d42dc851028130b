using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Footprints;

/// <summary>One access of a played stay: how far into the stay it is does not depend on time, see <see cref="PlayedStay"/>.</summary>
internal readonly record struct PlayedAccess(ulong Address, byte Flags);

/// <summary>The accesses of one stay in order, and how many of them come before its nested transition.</summary>
internal sealed class PlayedStay
{
    /// <summary>Accesses, in order.</summary>
    public List<PlayedAccess> Accesses { get; } = [];

    /// <summary>How many come before the nested transition; 0 if there is none.</summary>
    public int BeforeNested { get; set; }
}

/// <summary>
/// Plays footprints on one lane: each known page with the frequency that was recorded, in order; among them, at random places, pages that vary, which are new or used again
/// as far back as was recorded.
/// </summary>
internal sealed class FootprintPlayer(FootprintModel model, FootprintChoice choice, ulong seed, int lane)
{
    private const int PageShift = 12;
    private const int Thousand = 1000;
    private const ulong UpperHalf = 1UL << 63;
    private const int UserCpl = 3;

    private readonly VaryingPages[] _varying =
    [
        new(model.L0.FreshData), new(model.L0.FreshCode), new(model.L1.FreshData), new(model.L1.FreshCode),
    ];

    private readonly List<(ulong Page, AccessType Use)> _drawn = [];
    private Rng _rng = Rng.Fork(seed, $"footprints.lane[{lane}]");

    /// <summary>Refills <paramref name="played"/> with one stay of this kind.</summary>
    public void Play(StayKey key, PlayedStay played)
    {
        StayFootprint footprint = choice.Of(key);
        IReadOnlyList<ulong> known = model.Pages(key.Level).Known;
        _drawn.Clear();
        Draw(footprint, footprint.Data, _varying[key.Level * 2], isCode: false);
        Draw(footprint, footprint.Code, _varying[(key.Level * 2) + 1], isCode: true);
        int varying = _drawn.Count;
        int next = 0;
        played.Accesses.Clear();
        for (int i = 0; i < footprint.Pages.Count; i++)
        {
            // Varying pages fall evenly between the known ones.
            for (; next < varying && (long)next * footprint.Pages.Count < (long)i * varying; next++)
            {
                Add(played, _drawn[next].Page, _drawn[next].Use);
            }

            PageTouch touch = footprint.Pages[i];
            if (touch.Stays == footprint.Seen || _rng.Below((ulong)footprint.Seen) < (ulong)touch.Stays)
            {
                Add(played, known[touch.Page], touch.Use);
            }
        }

        for (; next < varying; next++)
        {
            Add(played, _drawn[next].Page, _drawn[next].Use);
        }

        played.BeforeNested = key.Nested == NestedStep.None ? 0 : played.Accesses.Count * footprint.NestedAt / Thousand;
    }

    private static void Add(PlayedStay played, ulong page, AccessType use) =>
        played.Accesses.Add(new PlayedAccess(page << PageShift, AccessFlags.Pack(use, page << PageShift < UpperHalf ? UserCpl : 0)));

    private void Draw(StayFootprint footprint, VaryingTouches touches, VaryingPages pages, bool isCode)
    {
        long count = touches.Total / footprint.Seen;
        count += _rng.Below((ulong)footprint.Seen) < (ulong)(touches.Total % footprint.Seen) ? 1 : 0;
        for (; count > 0; count--)
        {
            AccessType use = isCode ? AccessType.Execute : _rng.Below((ulong)touches.Total) < (ulong)touches.Writes ? AccessType.Write : AccessType.Read;
            int at = _drawn.Count == 0 ? 0 : (int)_rng.Below((ulong)_drawn.Count + 1);
            if (pages.Draw(touches, ref _rng) is { } page)
            {
                _drawn.Insert(at, (page, use));
            }
        }

        pages.EndStay();
    }

    /// <summary>Varying pages of one level and side.</summary>
    private sealed class VaryingPages(IReadOnlyList<ulong> fresh)
    {
        private readonly RecencyStack _stack = new();
        private int _next;

        /// <summary>The next page, or null if there is none to draw from.</summary>
        public ulong? Draw(VaryingTouches touches, ref Rng rng)
        {
            if (fresh.Count == 0)
            {
                return null;
            }

            ulong ticket = rng.Below((ulong)touches.Total);
            int bucket = 0;
            while (ticket >= (ulong)touches.Depths[bucket])
            {
                ticket -= (ulong)touches.Depths[bucket++];
            }

            int? again = bucket == 0 ? null : _stack.At(Depth(bucket, ref rng));
            int page = again ?? Fresh();
            _stack.Choose(page);
            return fresh[page];
        }

        public void EndStay() => _stack.EndStay();

        private static int Depth(int bucket, ref Rng rng) => bucket == 1 ? 0 : (int)((1UL << (bucket - 2)) + rng.Below(1UL << (bucket - 2)));

        // A recording is shorter than what is woven: after its last page its first one comes again.
        private int Fresh()
        {
            int page = _next;
            _next = _next + 1 == fresh.Count ? 0 : _next + 1;
            return page;
        }
    }
}
