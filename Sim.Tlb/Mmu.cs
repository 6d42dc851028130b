using System.Numerics;
using System.Reflection;

using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core.Traces;

namespace Sim.Tlb;

/// <summary>
/// The translation hardware of one lane (physical CPU): two levels of TLB, walker, paging-structure caches. Replays accesses, applies invalidations, and
/// says where the cycles went.
/// </summary>
/// <remarks>
/// A page larger than a structure can hold is held there in pieces of the largest size that it serves. Two second-level arrays that serve one size divide the pages
/// by the parity of the number of ones in the page number. A second-level hit refills the first level; first-level hits and evictions do not touch the second.
/// If two first-level entries translate one address (possible after the size of its mapping changed without an invalidation; the SDM lets hardware use either), the
/// class (page size, global or not) that served the side and the half of the address space last is looked for first, then 4K before 2M before 1G and non-global
/// before global. A change of context forgets which class was last.
/// </remarks>
public abstract class Mmu
{
    private const int Sides = 3;
    private const int Levels = 3;
    private const int Sizes = 3;
    private const int NoSize = -1;
    private static readonly string[] SideNames = ["load", "store", "fetch"];

    private readonly CpuProfile _profile;
    private readonly FlushCauses _causes;
    private readonly string _name;
    private readonly TlbArray[] _first;
    private readonly TlbArray[] _second;
    private readonly int[] _firstSize = new int[Sides * Sizes];
    private readonly int[] _secondSize = new int[Sides * Sizes];
    private readonly TlbArray?[] _firstServing = new TlbArray?[Sides * Sizes];
    private readonly TlbArray?[] _secondServing = new TlbArray?[Sides * Sizes];
    private readonly TlbArray?[] _secondServingOdd = new TlbArray?[Sides * Sizes];
    private readonly int[] _secondClasses = new int[Sides];
    private readonly Walker _walker;
    private readonly TagTable _tags = new();
    private readonly TagRetention _retention;
    private readonly (TlbArray Array, int? KeptVpids, int? KeptPcids)[] _limited;
    private readonly Dictionary<TranslationContext, ActiveContext> _contexts = [];
    private readonly Dictionary<(PageTable Tables, PageTable? Nested), int> _spaces = [];
    private readonly List<(PageTable Tables, PageTable? Nested)> _spaceOf = [default];
    private readonly List<PageTable> _nested = [];
    private readonly ITranslationWitness? _witness;
    private readonly Dictionary<int, (int Lower, int Upper)> _users = [];
    private readonly MissAttribution? _attribution;
    private readonly RefillCurve? _refill;
    private readonly WalkBreakdown? _breakdown;
    private readonly CauseCounts _executed = new();
    private readonly long[] _firstMisses = new long[Levels];
    private readonly long[] _secondHits = new long[Levels];
    private readonly long[] _walks = new long[Levels];
    private readonly long[] _stallCycles = new long[Levels];
    private readonly long[] _walkCycles = new long[Levels];
    private bool[] _kills = new bool[16];
    private bool _suspectLower;
    private bool _suspectUpper;

    private protected Mmu(CpuProfile profile, FlushCauses causes, MmuOptions options, string name, TlbArray[] first)
    {
        _profile = profile;
        _causes = causes;
        _name = name;
        _first = first;
        _second = profile.SecondLevel.Select(structure => TlbArray.Create(structure, Rng.Fork(options.Seed, $"{name}.{structure.Name}"))).ToArray();
        _walker = new Walker(profile, options.PagingStructureCaches);
        _attribution = options.Attribution ? new MissAttribution(_second) : null;
        _witness = options.Witness;
        _refill = options.RefillCurve ? new RefillCurve() : null;
        _breakdown = options.WalkBreakdown ? new WalkBreakdown() : null;
        Observed = options.RefillCurve || options.WalkBreakdown;
        TlbStructure[] structures = [.. profile.FirstLevel, .. profile.SecondLevel];
        _retention = new TagRetention(structures.Max(structure => structure.KeptVpids ?? 1), structures.Max(structure => structure.KeptPcids ?? 1));
        _limited = Limited();
        Assign();
    }

    /// <summary>The current context; null before the first <see cref="SwitchTo"/>.</summary>
    public TranslationContext Context => Active?.Context!;

    private protected ActiveContext? Active { get; private set; }

    /// <summary>Somebody wants <see cref="NoteMiss"/> to be told.</summary>
    private protected bool Observed { get; }

    /// <summary>For each side, the classes of first-level entries that the context may have: bit (2 * size + global).</summary>
    private protected int[] FirstClasses { get; } = new int[Sides];

    /// <summary>The current tag may have entries of other page tables, which are to be watched before the next access.</summary>
    private protected bool HasForeign { get; private set; }

    /// <summary>References by level and side: index 4 * level + side.</summary>
    private protected long[] Accesses { get; } = new long[Levels * 4];

    /// <summary>References by level that hit the first level.</summary>
    private protected long[] FirstHits { get; } = new long[Levels];

    /// <summary>The hardware of one lane, empty.</summary>
    /// <param name="profile">CPU model.</param>
    /// <param name="causes">Names of the causes that <see cref="SwitchTo"/> and <see cref="Apply"/> are given.</param>
    /// <param name="options">Attribution, seed, caches.</param>
    /// <param name="name">Prefix of all statistics, for instance lane[0].</param>
    /// <exception cref="ConfigurationException">The profile's structures make no sense, or name an unknown replacement rule.</exception>
    public static Mmu Create(CpuProfile profile, FlushCauses causes, MmuOptions options, string name)
    {
        ArgumentNullException.ThrowIfNull(profile);
        if (profile.FirstLevel.FirstOrDefault(structure => !BitOperations.IsPow2(structure.Sets)) is { } odd)
        {
            throw new ConfigurationException($"CPU profile {profile.Name}: first-level structure {odd.Name} has {odd.Sets} sets; a first level needs a power of two (a second level does not).");
        }

        string[] rules = profile.FirstLevel.Select(structure => structure.Replacement).Distinct(StringComparer.Ordinal).ToArray();
        Type rule = rules.Length == 1 ? ReplacementRules.TypeOf(rules[0]) : typeof(MixedReplacement);
        return (Mmu)Activator.CreateInstance(typeof(Mmu<>).MakeGenericType(rule), BindingFlags.DoNotWrapExceptions, null, [profile, causes, options, name], null)!;
    }

    /// <summary>
    /// World switch or CR3 change. Invalidates nothing by itself, except that a structure that keeps few tags drops those it can keep no longer; those drops are
    /// flushes with the given cause.
    /// </summary>
    public void SwitchTo(TranslationContext context, int cause)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (!_contexts.TryGetValue(context, out ActiveContext? next))
        {
            next = Activate(context);
            _contexts.Add(context, next);
        }

        if (next == Active)
        {
            return;
        }

        bool sameTag = Active is not null && Active.Current.Vpid == context.Vpid && Active.Current.Pcid == context.Pcid;
        Active = next;
        if (!sameTag)
        {
            DropForgottenTags(context.Vpid, context.Pcid, cause);
        }

        FindClasses();
        ContextChanged(next);
        if (_witness is not null)
        {
            HasForeign = IsNewUser(next.Tagged, next.LowerSpace, next.UpperSpace) | IsNewUser(next.Global, next.UpperSpace, next.UpperSpace);
            Reconsider();
        }
    }

    /// <summary>Shows the witness, from now on, every use of the entries (translations of an address of the range; all if null) that came from the tables that <paramref name="where"/> names.</summary>
    public void Watch(Func<PageTable, PageTable?, bool> where, AddressRange? range)
    {
        ArgumentNullException.ThrowIfNull(where);
        bool[] spaces = [.. _spaceOf.Select((space, i) => i > 0 && where(space.Tables, space.Nested))];
        foreach (TlbArray array in _first.Concat(_second))
        {
            array.Watch(spaces, range);
        }
    }

    /// <summary>Asks the witness again whether it suspects the tables of the current context.</summary>
    public void Reconsider()
    {
        if (_witness is not null && Active is { } active)
        {
            _suspectLower = _witness.Suspects(active.Context.Guest.Owner(0), active.Context.Nested);
            _suspectUpper = _witness.Suspects(active.Context.Guest.Owner(ulong.MaxValue), active.Context.Nested);
        }
    }

    /// <summary>The translation that the first level holds for an address in the current context, without touching it. False if it holds none.</summary>
    /// <param name="address">Linear address.</param>
    /// <param name="type">Which side is asked.</param>
    /// <param name="physicalPage">Physical address of the 4 KiB page.</param>
    /// <param name="readOnly">The entry allows no writes.</param>
    public bool TryPeek(ulong address, AccessType type, out ulong physicalPage, out bool readOnly)
    {
        for (int size = 0; size < Sizes; size++)
        {
            foreach (int context in new[] { Active!.Tagged, Active.Global })
            {
                if (_firstServing[(Sizes * (int)type) + size]?.Peek(EntryKey.Pack(context, (PageSize)size, address)) is { } payload and not 0)
                {
                    physicalPage = EntryPayload.PhysicalAddress(payload) + (address & ((1UL << EntryKey.Shift((PageSize)size)) - 1) & ~0xFFFUL);
                    readOnly = EntryPayload.IsReadOnly(payload);
                    return true;
                }
            }
        }

        (physicalPage, readOnly) = (0, false);
        return false;
    }

    /// <summary>Replays the accesses [from, to) of a block, all in the current context.</summary>
    /// <returns>Stall cycles: translation cycles beyond a first-level hit.</returns>
    public ulong Translate(TraceBlock block, int from, int to)
    {
        if (!Observed)
        {
            return Replay(block, from, to);
        }

        ActiveContext active = Active!;
        long before = Accesses.Sum();
        _refill?.Begin(active.Tagged, active.Context.Level, from);
        _breakdown?.Begin(active, from);
        ulong stall = Replay(block, from, to);
        _refill?.End(Accesses.Sum() - before);
        _breakdown?.Scan(block, to);
        return stall;
    }

    /// <summary>Applies an invalidation; current tag values come from <see cref="Context"/>. A profile with coarse precision applies <see cref="Invalidation.Coarsened"/>.</summary>
    /// <returns>Entries dropped over all structures.</returns>
    public int Apply(Invalidation invalidation, int cause)
    {
        ArgumentNullException.ThrowIfNull(invalidation);
        Invalidation effective = _profile.Precision == InvalidationPrecision.Coarse ? invalidation.Coarsened : invalidation;
        CurrentTag current = Active?.Current ?? default;
        _executed.Add(cause, 1);
        int dropped = 0;
        if (Mark(effective, current, guestPhysical: false, pagingStructures: false))
        {
            dropped += InvalidateTlbs(effective.Translations, cause);
            if (effective.Translations is null)
            {
                _refill?.Flushed(_kills, cause);
            }
        }

        if (Mark(effective, current, guestPhysical: false, pagingStructures: true))
        {
            dropped += _walker.InvalidatePagingStructures(_kills, effective.PagingStructures, cause);
        }

        if (Mark(effective, current, guestPhysical: true, pagingStructures: false))
        {
            dropped += _walker.InvalidateGuestPhysical(_kills, effective.GuestPhysical, cause);
        }

        if (Mark(effective, current, guestPhysical: true, pagingStructures: true))
        {
            dropped += _walker.InvalidateGuestPhysicalPagingStructures(_kills, effective.GuestPhysical, cause);
        }

        return dropped;
    }

    /// <summary>Adds all counters, under the lane's name.</summary>
    public void Collect(StatSheet sheet)
    {
        ArgumentNullException.ThrowIfNull(sheet);
        for (int level = 0; level < Levels; level++)
        {
            string label = $"level={level}";
            for (int side = 0; side < Sides; side++)
            {
                sheet.Counter(StatNames.On(_name, StatNames.LaneAccesses), "accesses", "Memory references.", Accesses[(4 * level) + side], $"{label},side={SideNames[side]}");
            }

            sheet.Counter(StatNames.On(_name, StatNames.LaneL1Hits), "accesses", "References translated by the first level.", FirstHits[level], label);
            sheet.Counter(StatNames.On(_name, StatNames.LaneL1Misses), "accesses", "References that the first level did not translate.", _firstMisses[level], label);
            sheet.Counter(StatNames.On(_name, StatNames.LaneStlbHits), "accesses", "First-level misses translated by the second level.", _secondHits[level], label);
            sheet.Counter(StatNames.On(_name, StatNames.LaneStlbMisses), "walks", "First-level misses that took a page walk.", _walks[level], label);
            sheet.Counter(StatNames.On(_name, StatNames.LaneStallCycles), "cycles", "Translation cycles beyond a first-level hit.", _stallCycles[level], label);
            sheet.Counter(StatNames.On(_name, StatNames.LaneWalkCycles), "cycles", "The part of the stall cycles that walks took, with the second-level lookup before.", _walkCycles[level], label);
        }

        foreach (TlbArray array in _first.Concat(_second))
        {
            Counters.CollectContents(sheet, $"{_name}.{array.Structure.Name}", array.Fills, array.Evictions, array.Live, array.Invalidated, _causes);
        }

        Counters.CollectByCause(sheet, StatNames.On(_name, StatNames.LaneInvalidations), "invalidations", "Invalidations executed.", _executed, _causes);
        _walker.Collect(sheet, _name, _causes);
        _attribution?.Collect(sheet, _name, _causes);
        _refill?.Collect(sheet, _name, _causes);
        _breakdown?.Collect(sheet, _name);
    }

    /// <summary>Adds a gauge for every array and every tag that has entries in it: who holds the array now.</summary>
    public void CollectOccupancy(StatSheet sheet)
    {
        ArgumentNullException.ThrowIfNull(sheet);
        for (int context = 1; context < _tags.Count; context++)
        {
            foreach (TlbArray array in _first.Concat(_second).Where(array => array.LiveOf(context) != 0))
            {
                sheet.Gauge($"{_name}.{array.Structure.Name}{StatNames.OccupancySuffix}", "entries", "Entries held now, by the tag they have and the level that uses it.", array.LiveOf(context), LabelOf(context));
            }
        }
    }

    /// <summary>Checks the conservation laws.</summary>
    /// <exception cref="InvalidOperationException">One does not hold; the message has both sides.</exception>
    public void CheckConservation()
    {
        for (int level = 0; level < Levels; level++)
        {
            Counters.Check($"{_name}: accesses of level {level}", Accesses.Skip(4 * level).Take(Sides).Sum(), "l1 hits + misses", FirstHits[level] + _firstMisses[level]);
            Counters.Check($"{_name}: l1 misses of level {level}", _firstMisses[level], "stlb hits + walks", _secondHits[level] + _walks[level]);
            Counters.Check(
                $"{_name}: stall cycles of level {level}", _stallCycles[level], "stlb hit cycles + walk cycles", (_secondHits[level] * _profile.SecondLevelHitCycles) + _walkCycles[level]);
        }

        foreach (TlbArray array in _first.Concat(_second))
        {
            string path = $"{_name}.{array.Structure.Name}";
            Counters.Check($"{path}: fills", array.Fills, "evictions + invalidated + live", array.Evictions + array.Invalidated.Total + array.CountLive());
            Counters.Check($"{path}: entries counted", array.CountLive(), "live", array.Live);
        }

        _walker.CheckConservation(_name);
        if (_attribution is not null)
        {
            Counters.Check($"{_name}: walks", _walks.Sum(), "cold + capacity + conflict + flushed", _attribution.Walks);
            Counters.Check($"{_name}: walk cycles", _walkCycles.Sum(), "those by cause", _attribution.WalkCycles);
        }

        _breakdown?.CheckConservation(_name, _walks.Sum(), _walkCycles.Sum());
    }

    /// <summary>The hot loop: see <see cref="Translate"/>.</summary>
    private protected abstract ulong Replay(TraceBlock block, int from, int to);

    /// <summary>The hot loop's own view of the current context must be renewed.</summary>
    private protected abstract void ContextChanged(ActiveContext context);

    /// <summary>The first-level array that holds entries of a size for a side; null if none does.</summary>
    private protected TlbArray? FirstServing(int side, int size) => _firstServing[(Sizes * side) + size];

    /// <summary>An access of a block missed the first level, and <see cref="Miss"/> comes next.</summary>
    private protected void NoteMiss(TraceBlock block, int access)
    {
        _refill?.Missed(block, access);
        _breakdown?.Scan(block, access + 1);
    }

    /// <summary>A reference that the first level did not translate.</summary>
    /// <returns>Its stall cycles.</returns>
    private protected ulong Miss(TraceBlock block, int access)
    {
        ulong address = block.Address[access];
        int side = block.Flags[access] & AccessFlags.TypeMask;
        ActiveContext active = Active!;
        int level = active.Context.Level;
        _firstMisses[level]++;
        for (int classes = _secondClasses[side]; classes != 0; classes &= classes - 1)
        {
            int bit = BitOperations.TrailingZeroCount(classes);
            int size = bit >> 1;
            bool global = (bit & 1) != 0;
            ulong key = EntryKey.Pack(global ? active.Global : active.Tagged, (PageSize)size, address);
            TlbArray home = SecondHome(side, size, key);
            ulong watched = 0;
            if (!home.Lookup(key, out ulong payload) && home.Watched > 0 && home.Lookup(key | EntryKey.Watched, out payload))
            {
                watched = IsCurrent(key, payload, block, access) ? 0 : EntryKey.Watched;
                if (watched == 0)
                {
                    home.Unwatch(key);
                }
            }

            // A payload names the space it came from, and spaces count from 1.
            if (payload != 0)
            {
                _attribution?.Looked(home, key);
                FillFirst(active, address, side, (PageSize)size, global, payload, watched);
                _secondHits[level]++;
                _stallCycles[level] += _profile.SecondLevelHitCycles;
                return (ulong)_profile.SecondLevelHitCycles;
            }
        }

        return Walk(active, block, access);
    }

    /// <summary>Shows the witness the use of an entry.</summary>
    private protected bool IsCurrent(ulong key, ulong payload, TraceBlock block, int access)
    {
        ulong offset = block.Address[access] & ((1UL << EntryKey.Shift(EntryKey.Size(key))) - 1) & ~0xFFFUL;
        return IsCurrent(EntryPayload.PhysicalAddress(payload) + offset, EntryPayload.Space(payload), EntryPayload.IsReadOnly(payload), block, access);
    }

    /// <summary>Watches what other page tables left under the current tag.</summary>
    private protected void WatchForeign()
    {
        HasForeign = false;
        _users[Active!.Tagged] = (Active.LowerSpace, Active.UpperSpace);
        _users[Active.Global] = (Active.UpperSpace, Active.UpperSpace);
        foreach (TlbArray array in _first.Concat(_second))
        {
            array.WatchForeign(Active.Tagged, Active.Global, Active.LowerSpace, Active.UpperSpace);
        }
    }

    private bool IsCurrent(ulong physicalPage, int space, bool readOnly, TraceBlock block, int access)
    {
        (PageTable tables, PageTable? nested) = _spaceOf[space];
        return _witness!.Judge(new UsedTranslation(Active!.Context, tables, nested, physicalPage, readOnly, block, access));
    }

    /// <summary>True if accesses under a context id were last made with other spaces.</summary>
    private bool IsNewUser(int context, int lower, int upper)
    {
        return !_users.TryAdd(context, (lower, upper)) && _users[context] != (lower, upper);
    }

    private ulong Walk(ActiveContext active, TraceBlock block, int access)
    {
        ulong address = block.Address[access];
        int side = block.Flags[access] & AccessFlags.TypeMask;
        WalkResult walk = _walker.Walk(active, address);
        ulong cycles = walk.Cycles + (ulong)_profile.WalkStartCycles + (ulong)_profile.SecondLevelHitCycles;
        int level = active.Context.Level;
        _walks[level]++;
        _walkCycles[level] += (long)cycles;
        _stallCycles[level] += (long)cycles;

        bool global = walk.Global && active.Context.GlobalPages;
        bool upper = (long)address < 0;
        int space = upper ? active.UpperSpace : active.LowerSpace;
        int firstSize = _firstSize[(Sizes * side) + (int)walk.Size];
        int secondSize = _secondSize[(Sizes * side) + (int)walk.Size];
        _attribution?.Walk(space, secondSize == NoSize ? firstSize : secondSize, firstSize, address, (long)cycles);
        _refill?.Walked();
        _breakdown?.Walk(address, walk.Size, (long)cycles);
        bool old = ((upper ? _suspectUpper : _suspectLower) || (walk.Foreign && _witness is not null)) && !IsCurrent(walk.PhysicalAddress & ~0xFFFUL, space, walk.ReadOnly, block, access);
        ulong watched = old ? EntryKey.Watched : 0;
        ulong payload = EntryPayload.Pack(walk.PhysicalAddress, space, walk.LinearSize, walk.ReadOnly);
        if (secondSize != NoSize)
        {
            FillSecond(active, address, side, secondSize, global, EntryPayload.Narrow(payload, walk.Size, (PageSize)secondSize, address), watched);
        }

        FillFirst(active, address, side, walk.Size, global, payload, watched);
        return cycles;
    }

    private void FillSecond(ActiveContext active, ulong address, int side, int size, bool global, ulong payload, ulong watched)
    {
        ulong key = EntryKey.Pack(global ? active.Global : active.Tagged, (PageSize)size, address);
        TlbArray home = SecondHome(side, size, key);
        _attribution?.Looked(home, key);
        ulong evicted = home.Fill(key | watched, payload, out ulong evictedPayload);
        NoteClass(_secondClasses, home, size, global);
        if (evicted == 0)
        {
            return;
        }

        _attribution?.Evicted(home, evicted, evictedPayload);
        if (_profile.SecondLevelIsInclusive)
        {
            foreach (TlbArray array in _first)
            {
                array.EvictCovered(evicted);
            }
        }
    }

    private void FillFirst(ActiveContext active, ulong address, int side, PageSize mapped, bool global, ulong payload, ulong watched)
    {
        PageSize size = (PageSize)_firstSize[(Sizes * side) + (int)mapped];
        TlbArray home = _firstServing[(Sizes * side) + (int)size]!;
        ulong key = EntryKey.Pack(global ? active.Global : active.Tagged, size, address);
        ulong evicted = home.Fill(key | watched, EntryPayload.Narrow(payload, mapped, size, address), out ulong evictedPayload);
        NoteClass(FirstClasses, home, (int)size, global);
        if (evicted != 0 && _second.Length == 0)
        {
            _attribution?.EvictedFromLastLevel(evicted, evictedPayload);
        }
    }

    private TlbArray SecondHome(int side, int size, ulong key)
    {
        int i = (Sizes * side) + size;
        return (BitOperations.PopCount(EntryKey.Page(key)) & 1) != 0 ? _secondServingOdd[i]! : _secondServing[i]!;
    }

    /// <summary>Says which array holds what, and as what size a page of each size is held.</summary>
    private void Assign()
    {
        for (int side = 0; side < Sides; side++)
        {
            for (int size = 0; size < Sizes; size++)
            {
                int i = (Sizes * side) + size;
                TlbArray[] first = Serving(_first, side, size);
                TlbArray[] second = Serving(_second, side, size);
                if (first.Length > 1 || second.Length > 2)
                {
                    throw new ConfigurationException(
                        $"CPU profile {_profile.Name}: {first.Length} first-level and {second.Length} second-level structures serve {(PageSize)size} pages of the {SideNames[side]} side; at most 1 and 2 may.");
                }

                _firstServing[i] = first.FirstOrDefault();
                _secondServing[i] = second.FirstOrDefault();
                _secondServingOdd[i] = second.LastOrDefault();
                _firstSize[i] = first.Length != 0 ? size : size == 0 ? NoSize : _firstSize[i - 1];
                _secondSize[i] = second.Length != 0 ? size : size == 0 ? NoSize : _secondSize[i - 1];
                if (_firstSize[i] == NoSize || (_second.Length != 0 && _secondSize[i] == NoSize))
                {
                    throw new ConfigurationException($"CPU profile {_profile.Name}: no structure of a level serves 4K pages of the {SideNames[side]} side. Add the size to one of them.");
                }
            }
        }
    }

    private static TlbArray[] Serving(TlbArray[] arrays, int side, int size) =>
        arrays.Where(array => array.Structure.Sides.HasFlag((AccessSides)(1 << side)) && array.Structure.Sizes.Contains((PageSize)size)).ToArray();

    private ActiveContext Activate(TranslationContext context)
    {
        bool intel = _profile.Vendor == Vendor.Intel;
        ulong ep4ta = intel && context.Nested is not null ? InveptSingle.Ep4taOf(context.Nested.Root) : 0;
        MappingKind kind = context.Nested is null ? MappingKind.Linear : MappingKind.Combined;
        return new ActiveContext(
            context,
            new CurrentTag(context.Vpid, context.Pcid, ep4ta),
            _tags.Intern(new Tag(kind, context.Vpid, context.Pcid, false, ep4ta)),
            _tags.Intern(new Tag(kind, context.Vpid, 0, true, ep4ta)),
            context.Nested is null ? 0 : _tags.Intern(new Tag(MappingKind.GuestPhysical, intel ? (ushort)0 : context.Vpid, 0, false, ep4ta)),
            SpaceOf(context.Guest.Owner(0), context.Nested),
            SpaceOf(context.Guest.Owner(ulong.MaxValue), context.Nested),
            context.Nested is null ? 0 : NumberOf(context.Nested));
    }

    /// <summary>Levels and tag of a context id: <c>level=2,vpid=3,pcid=1</c>, then <c>global=true</c> and <c>ep4ta</c> where they apply. Levels that share a tag are joined by +.</summary>
    private string LabelOf(int context)
    {
        Tag tag = _tags[context];
        IEnumerable<int> levels = _contexts.Values.Where(active => active.Tagged == context || active.Global == context).Select(active => active.Context.Level).Distinct().Order();
        string label = $"level={string.Join('+', levels)},{(_profile.Vendor == Vendor.Intel ? "vpid" : "asid")}={tag.Vpid}";
        label += tag.Global ? ",global=true" : $",pcid={tag.Pcid}";
        return tag.Ep4ta == 0 ? label : $"{label},ep4ta=0x{tag.Ep4ta:x}";
    }

    /// <summary>A number of nested tables; those met at a distance of a multiple of 2,046 share one.</summary>
    private int NumberOf(PageTable nested)
    {
        int at = _nested.IndexOf(nested);
        if (at < 0)
        {
            at = _nested.Count;
            _nested.Add(nested);
        }

        return (at % (GuestPhysicalCache.MaxTables - 1)) + 1;
    }

    /// <summary>A small number for a pair of page tables: 1, 2, ...</summary>
    private int SpaceOf(PageTable tables, PageTable? nested)
    {
        if (!_spaces.TryGetValue((tables, nested), out int space))
        {
            space = _spaces.Count + 1;
            if (space > EntryPayload.MaxSpace)
            {
                throw new ConfigurationException($"{_name} met more than {EntryPayload.MaxSpace} pairs of page tables. Cut the trace.");
            }

            _spaces.Add((tables, nested), space);
            _spaceOf.Add((tables, nested));
        }

        return space;
    }

    private void DropForgottenTags(ushort vpid, ushort pcid, int cause)
    {
        TagRetention.Promotion vpids = _retention.PromoteVpid(vpid);
        foreach ((TlbArray array, int? kept, _) in _limited)
        {
            if (kept is { } limit && vpids.PushesOut(limit, out ushort loser))
            {
                MarkWhere(tag => tag.Vpid == loser);
                array.Invalidate(_kills, null, cause, _attribution);
            }
        }

        TagRetention.Promotion pcids = _retention.PromotePcid(vpid, pcid);
        foreach ((TlbArray array, _, int? kept) in _limited)
        {
            if (kept is { } limit && pcids.PushesOut(limit, out ushort loser))
            {
                MarkWhere(tag => tag.Vpid == vpid && tag.Pcid == loser && !tag.Global);
                array.Invalidate(_kills, null, cause, _attribution);
            }
        }
    }

    /// <summary>Arrays that keep few tags, with their limits. A first-level array under an inclusive second level keeps no more than that.</summary>
    private (TlbArray Array, int? KeptVpids, int? KeptPcids)[] Limited()
    {
        int? Kept(TlbArray array, Func<TlbStructure, int?> limit) =>
            _profile.SecondLevelIsInclusive && Array.IndexOf(_first, array) >= 0 ? _second.Append(array).Min(each => limit(each.Structure)) : limit(array.Structure);

        return [.. _first.Concat(_second)
            .Select(array => (array, Kept(array, structure => structure.KeptVpids), Kept(array, structure => structure.KeptPcids)))
            .Where(each => each.Item2 is not null || each.Item3 is not null)];
    }

    private void MarkWhere(Func<Tag, bool> predicate)
    {
        ClearKills();
        for (int context = 1; context < _tags.Count; context++)
        {
            _kills[context] = _tags[context].Kind != MappingKind.GuestPhysical && predicate(_tags[context]);
        }
    }

    /// <summary>Marks the contexts that an invalidation reaches; false if there are none.</summary>
    private bool Mark(Invalidation invalidation, in CurrentTag current, bool guestPhysical, bool pagingStructures)
    {
        ClearKills();
        bool any = false;
        for (int context = 1; context < _tags.Count; context++)
        {
            ref readonly Tag tag = ref _tags[context];
            if (tag.Kind == MappingKind.GuestPhysical == guestPhysical)
            {
                _kills[context] = pagingStructures ? invalidation.ReachesPagingStructures(tag, current) : invalidation.ReachesTranslations(tag, current);
                any |= _kills[context];
            }
        }

        return any;
    }

    private void ClearKills()
    {
        if (_kills.Length < _tags.Count)
        {
            _kills = new bool[2 * _tags.Count];
        }

        Array.Clear(_kills);
    }

    private int InvalidateTlbs(AddressRange? range, int cause)
    {
        int dropped = 0;
        foreach (TlbArray array in _first)
        {
            dropped += array.Invalidate(_kills, range, cause, _attribution);
        }

        foreach (TlbArray array in _second)
        {
            dropped += array.Invalidate(_kills, range, cause, _attribution);
        }

        return dropped;
    }

    /// <summary>Notes, for every side that an array serves, that the current context has entries of a class in it.</summary>
    private static void NoteClass(int[] classes, TlbArray home, int size, bool global)
    {
        int bit = 1 << ((2 * size) + (global ? 1 : 0));
        for (int side = 0; side < Sides; side++)
        {
            if ((home.Structure.Sides & (AccessSides)(1 << side)) != 0)
            {
                classes[side] |= bit;
            }
        }
    }

    /// <summary>Finds which classes of entries the current context may have in the arrays of each side.</summary>
    private void FindClasses()
    {
        for (int side = 0; side < Sides; side++)
        {
            FirstClasses[side] = 0;
            _secondClasses[side] = 0;
            for (int size = 0; size < Sizes; size++)
            {
                int i = (Sizes * side) + size;
                FirstClasses[side] |= ClassesIn(_firstServing[i], size);
                _secondClasses[side] |= ClassesIn(_secondServing[i], size) | ClassesIn(_secondServingOdd[i], size);
            }
        }
    }

    private int ClassesIn(TlbArray? array, int size)
    {
        if (array is null)
        {
            return 0;
        }

        int tagged = (array.SizesFilled(Active!.Tagged) >> size) & 1;
        int global = Active.Context.GlobalPages ? (array.SizesFilled(Active.Global) >> size) & 1 : 0;
        return (tagged | (global << 1)) << (2 * size);
    }
}
