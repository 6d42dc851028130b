using System.Globalization;

using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core.Traces;

namespace Sim.Tlb;

/// <summary>
/// Each walk and its cycles, counted once by page size, once by page and once by code site: the page of the instruction fetch before it, made at the same level on this lane.
/// </summary>
internal sealed class WalkBreakdown
{
    private const int Levels = 3;
    private const ulong SitePage = ~0xFFFUL;
    private static readonly string[] SizeNames = ["4K", "2M", "1G"];

    private readonly Tally[] _sizes = [.. Enumerable.Range(0, Levels * SizeNames.Length).Select(_ => new Tally())];
    private readonly Tallies _pages = new();
    private readonly Tallies _sites = new();
    private readonly Place?[] _fetched = new Place?[Levels];
    private ActiveContext? _active;
    private int _scanned;

    public long Walks => _sizes.Sum(tally => tally.Walks);

    public long Cycles => _sizes.Sum(tally => tally.Cycles);

    /// <summary>Accesses of a context begin at <paramref name="from"/> of a block.</summary>
    public void Begin(ActiveContext active, int from)
    {
        _active = active;
        _scanned = from;
    }

    /// <summary>Notes the last instruction fetch before <paramref name="to"/>. Each access of a block is looked at once at most.</summary>
    public void Scan(TraceBlock block, int to)
    {
        for (int i = to - 1; i >= _scanned; i--)
        {
            if (AccessFlags.Type(block.Flags[i]) == AccessType.Execute)
            {
                _fetched[_active!.Context.Level] = PlaceOf(_active, block.Address[i] & SitePage);
                break;
            }
        }

        _scanned = to;
    }

    /// <summary>Counts a walk of the current context.</summary>
    public void Walk(ulong address, PageSize size, long cycles)
    {
        int level = _active!.Context.Level;
        _sizes[(SizeNames.Length * level) + (int)size].Add(cycles);
        _pages.Of(PlaceOf(_active, address >> EntryKey.Shift(size) << EntryKey.Shift(size)), size).Add(cycles);
        _sites.Of(_fetched[level] ?? new Place(level, null, 0), PageSize.Size4K).Add(cycles);
    }

    public void Collect(StatSheet sheet, string name)
    {
        for (int i = 0; i < _sizes.Length; i++)
        {
            if (_sizes[i].Walks != 0)
            {
                Add(sheet, StatNames.On(name, StatNames.WalksBy("size")), StatNames.On(name, StatNames.WalkCyclesBy("size")), "by level and size of the page translated", $"level={i / SizeNames.Length},size={SizeNames[i % SizeNames.Length]}", _sizes[i]);
            }
        }

        foreach ((Place place, PageSize size, Tally tally) in _pages.All)
        {
            Add(sheet, StatNames.On(name, StatNames.WalksBy("page")), StatNames.On(name, StatNames.WalkCyclesBy("page")), "by page", $"{Label(place, "page")},size={SizeNames[(int)size]}", tally);
        }

        foreach ((Place place, _, Tally tally) in _sites.All)
        {
            Add(sheet, StatNames.On(name, StatNames.WalksBy("site")), StatNames.On(name, StatNames.WalkCyclesBy("site")), "by code site: the 4K page of the last instruction fetch", Label(place, "site"), tally);
        }
    }

    public void CheckConservation(string name, long walks, long cycles)
    {
        Counters.Check($"{name}: walks", walks, "those by size", Walks);
        Counters.Check($"{name}: walks", walks, "those by page", _pages.All.Sum(each => each.Tally.Walks));
        Counters.Check($"{name}: walks", walks, "those by site", _sites.All.Sum(each => each.Tally.Walks));
        Counters.Check($"{name}: walk cycles", cycles, "those by size", Cycles);
        Counters.Check($"{name}: walk cycles", cycles, "those by page", _pages.All.Sum(each => each.Tally.Cycles));
        Counters.Check($"{name}: walk cycles", cycles, "those by site", _sites.All.Sum(each => each.Tally.Cycles));
    }

    private static void Add(StatSheet sheet, string walks, string cycles, string by, string label, Tally tally)
    {
        sheet.Counter(walks, "walks", $"Walks {by}.", tally.Walks, label);
        sheet.Counter(cycles, "cycles", $"Cycles of walks {by}.", tally.Cycles, label);
    }

    /// <summary>The upper half that the processes of a kernel share has the root <c>shared</c>.</summary>
    private static string Label(Place place, string what)
    {
        string level = $"level={place.Level}";
        return place.Tables is null ? $"{level},{what}=unknown" : string.Create(
            CultureInfo.InvariantCulture, $"{level},root={(place.Tables.Root == ulong.MaxValue ? "shared" : $"0x{place.Tables.Root:x}")},{what}=0x{place.Address:x}");
    }

    private static Place PlaceOf(ActiveContext active, ulong address) => new(active.Context.Level, active.Context.Guest.Owner(address), address);

    /// <param name="Level">0, 1 or 2.</param>
    /// <param name="Tables">Page tables of the process; null if nothing was fetched yet.</param>
    /// <param name="Address">First address of the page.</param>
    private readonly record struct Place(int Level, PageTable? Tables, ulong Address);

    private sealed class Tally
    {
        public long Walks { get; private set; }

        public long Cycles { get; private set; }

        public void Add(long cycles)
        {
            Walks++;
            Cycles += cycles;
        }
    }

    /// <summary>Tallies by place, in order of first use.</summary>
    private sealed class Tallies
    {
        private readonly Dictionary<(Place Place, PageSize Size), Tally> _tallies = [];

        public List<(Place Place, PageSize Size, Tally Tally)> All { get; } = [];

        public Tally Of(Place place, PageSize size)
        {
            if (!_tallies.TryGetValue((place, size), out Tally? tally))
            {
                tally = new Tally();
                _tallies.Add((place, size), tally);
                All.Add((place, size, tally));
            }

            return tally;
        }
    }
}
