using Sim.Tlb;

namespace Sim.Kvm.Tests.Safety;

/// <summary>What each page of the guests' tables mapped to and until when, found out by looking at the tables after every event that may change them.</summary>
internal sealed class MapHistory
{
    public const long Never = long.MaxValue;

    private readonly Dictionary<(PageTable Tables, ulong Page), List<Version>> _versions = [];
    private readonly Dictionary<PageTable, long> _changed = [];

    /// <summary>Events so far.</summary>
    public long Now { get; set; }

    /// <summary>Takes note of what a table says of an address now.</summary>
    public void See(PageTable tables, ulong address)
    {
        (PageTable, ulong) key = (tables.Owner(address), address >> 12);
        if (!_versions.TryGetValue(key, out List<Version>? versions))
        {
            _versions.Add(key, versions = []);
        }

        bool isMapped = tables.TryFind(address, out Mapping mapping);
        (ulong frame, bool writable) = (mapping.At(address) >> 12, !mapping.ReadOnly);
        if (versions.Count > 0 && versions[^1].End == Never)
        {
            if (isMapped && versions[^1].Frame == frame && versions[^1].Writable == writable)
            {
                return;
            }

            versions[^1].End = Now;
            _changed[tables.Owner(address)] = Now;
        }

        if (isMapped)
        {
            versions.Add(new Version(frame, writable));
        }
    }

    /// <summary>When a page of the tables stopped to map what it had mapped; 0 if none did.</summary>
    public long ChangedAt(PageTable tables) => _changed.GetValueOrDefault(tables);

    /// <summary>What a page mapped to after an event; what it maps to now is among them.</summary>
    public IEnumerable<Version> Since(PageTable tables, ulong page, long since)
    {
        if (_versions.TryGetValue((tables, page), out List<Version>? versions))
        {
            for (int i = versions.Count - 1; i >= 0 && versions[i].End > since; i--)
            {
                yield return versions[i];
            }
        }
    }

    internal sealed class Version(ulong frame, bool writable)
    {
        public ulong Frame => frame;

        public bool Writable => writable;

        /// <summary>The event that ended it; Never if none has.</summary>
        public long End { get; set; } = Never;
    }
}
