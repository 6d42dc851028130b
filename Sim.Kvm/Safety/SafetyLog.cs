using System.Globalization;

using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>What is wrong with a use; default if nothing is.</summary>
/// <param name="Kind">stale_use or foreign_use.</param>
/// <param name="Old">The old mapping that was used; null if page tables other than the current ones were.</param>
/// <param name="Change">The record that changed the mapping, or the other page tables.</param>
/// <param name="Owed">The event that was to take the translation from the virtual TLB.</param>
internal readonly record struct Verdict(string? Kind, OldMapping? Old, string Change, string Owed);

/// <summary>A page as one virtual context uses it.</summary>
internal readonly record struct PageOfContext(ulong Page, ushort Vcpu, int Level, Tag Tag, ulong Root);

/// <summary>A use that is to be told.</summary>
/// <param name="Lane">Where.</param>
/// <param name="Use">What hardware did.</param>
/// <param name="Tag">The virtual tag it ran under.</param>
/// <param name="TablesSay">What it should have found.</param>
internal readonly record struct UseOfOld(Lane Lane, UsedTranslation Use, Tag Tag, string TablesSay)
{
    /// <summary>Memory references: those folded into one record count in full.</summary>
    public long Uses => Use.Block.Repeat[Use.Access];

    /// <summary>Which page of whose.</summary>
    public PageOfContext Page => new(Use.Block.Address[Use.Access] & ~0xFFFUL, Lane.Vcpu!.Number, Use.Context.Level, Tag, Use.Context.Guest.Root);

    /// <summary>Index of the access in the trace.</summary>
    public ulong Record
    {
        get
        {
            int events = 0;
            while (events < Use.Block.EventCount && Use.Block.EventPosition[events] <= Use.Access)
            {
                events++;
            }

            return Use.Block.FirstRecord + (ulong)(Use.Access + events);
        }
    }
}

/// <summary>Counts incidents by kind and page, keeps the story of the first one of each kind, and remembers the invalidations that hardware carried out lately.</summary>
internal sealed class SafetyLog(Func<Invalidation, string> nameOf)
{
    private const int InvalidationsKept = 256;
    private const int InvalidationsTold = 6;

    private readonly SortedDictionary<string, Kind> _kinds = new(StringComparer.Ordinal);
    private readonly HashSet<PageOfContext> _permittedPages = [];
    private readonly Queue<(IssuedInvalidation Issued, RecordPlace Place, long Now)> _executed = new();

    /// <summary>Wrong uses so far.</summary>
    public long Incidents { get; private set; }

    /// <summary>Permitted uses of old translations so far.</summary>
    public long Permitted { get; private set; }

    /// <summary>Something happened that a hypervisor could have got wrong.</summary>
    public bool Exercised { get; set; }

    public void Executed(IssuedInvalidation issued, in RecordPlace place, long now)
    {
        if (_executed.Count == InvalidationsKept)
        {
            _executed.Dequeue();
        }

        _executed.Enqueue((issued, place, now));
    }

    public void Permit(in UseOfOld use)
    {
        Permitted += use.Uses;
        _permittedPages.Add(use.Page);
    }

    public void Add(in Verdict verdict, in UseOfOld use)
    {
        if (!_kinds.TryGetValue(verdict.Kind!, out Kind? kind))
        {
            _kinds.Add(verdict.Kind!, kind = new Kind(Story(verdict, use), use.Record));
        }

        Incidents += use.Uses;
        Exercised = true;
        kind.Add(verdict, use);
    }

    public void Clear()
    {
        _kinds.Clear();
        _permittedPages.Clear();
        (Incidents, Permitted, Exercised) = (0, 0, false);
    }

    public SafetyReport Report() => new([.. _kinds.Select(kind => kind.Value.Tell(kind.Key))], Permitted) { PermittedPages = _permittedPages.Count, Exercised = Exercised };

    private string[] Story(in Verdict verdict, in UseOfOld use)
    {
        (TraceBlock block, int access) = (use.Use.Block, use.Use.Access);
        AccessType type = (AccessType)(block.Flags[access] & AccessFlags.TypeMask);
        RecordPlace place = new(block.Time[access], use.Lane.Index);
        string who = Text($"vCPU {use.Lane.Vcpu!.Number} in L{use.Use.Context.Level} (virtual {Name(use.Tag)})");
        string source = verdict.Old is null ? Text($"an entry of {verdict.Change}") : "an old translation";
        return
        [
            Text($"used: {who} used ({type.ToString().ToLowerInvariant()}) 0x{block.Address[access]:x} through {source} to host page 0x{use.Use.PhysicalPage:x}; the tables say {use.TablesSay} ({place})"),
            .. verdict.Old is { } old ? new[] { $"mapped: {old.Made}", $"changed: {old.Gone}" } : [],
            $"owed: {verdict.Owed}",
            $"done: {Done(verdict.Old?.GoneAt ?? 0, use.Lane.Index)}",
        ];
    }

    private string Done(long since, int lane)
    {
        (IssuedInvalidation Issued, RecordPlace Place, long Now)[] done = [.. _executed.Where(each => each.Now > since && each.Issued.Lane == lane)];
        if (done.Length == 0)
        {
            return Text($"no invalidation on lane {lane} since the change");
        }

        IEnumerable<string> told = done.TakeLast(InvalidationsTold).Select(each => Text($"{nameOf(each.Issued.Invalidation)} ({each.Issued.Transition}, {each.Issued.Rule}; time {each.Place.Time})"));
        return (done.Length > InvalidationsTold ? Text($"on lane {lane} {done.Length} invalidations, at last ") : Text($"on lane {lane} ")) + string.Join("; ", told);
    }

    private static string Name(in Tag tag) => Text($"VPID {tag.Vpid}, {(tag.Global ? "global" : Text($"PCID {tag.Pcid}"))}{(tag.Ep4ta == 0 ? "" : Text($", EPTP12 0x{tag.Ep4ta:x}"))}");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed class Kind(string[] story, ulong firstRecord)
    {
        private readonly Dictionary<PageOfContext, UsedPage> _pages = [];
        private readonly HashSet<(string Change, string Owed)> _causes = [];
        private long _count;

        public void Add(in Verdict verdict, in UseOfOld use)
        {
            _count += use.Uses;
            _causes.Add((verdict.Change, verdict.Owed));
            PageOfContext key = use.Page;
            if (!_pages.TryGetValue(key, out UsedPage? page))
            {
                _pages.Add(key, page = new UsedPage(new WrongPage(key.Page, key.Vcpu, key.Level, Name(key.Tag), key.Root, 0, use.Use.Block.Time[use.Use.Access], use.Lane.Index, verdict.Change, verdict.Owed)));
            }

            page.Uses += use.Uses;
        }

        public SafetyIncident Tell(string kind) => new(
            kind,
            _count,
            [.. story, Text($"in all: {Plural(_count, "use")} of {Plural(_pages.Keys.Select(key => key.Page).Distinct().Count(), "page")}, {Plural(_causes.Count, "pair")} of a change and a flush owed")])
        {
            Pages = [.. _pages.Values.OrderByDescending(page => page.Uses).ThenBy(page => page.First.FirstTime).ThenBy(page => page.First.Vcpu).ThenBy(page => page.First.Page).Take(SafetyIncident.MostPages).Select(page => page.First with { Uses = page.Uses })],
            PageCount = _pages.Count,
            FirstRecord = firstRecord,
        };

        private sealed class UsedPage(WrongPage first)
        {
            public WrongPage First { get; } = first;

            public long Uses { get; set; }
        }

        private static string Plural(long count, string noun) => Text($"{count} {noun}{(count == 1 ? "" : "s")}");
    }
}
