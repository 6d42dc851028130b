using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>
/// Where lines of paging-structure entries are found. Each cache is an LRU table of 64-byte lines by physical address. A reference asks them nearest first and
/// costs the cycles of the first that has the line, or of memory; those that had it not take it in, those beyond do not see the reference.
/// </summary>
internal sealed class PteLines
{
    private readonly LruTable[] _caches;
    private readonly int[] _cycles;
    private readonly int _memoryCycles;

    /// <summary>Empty caches; none at all if <paramref name="enabled"/> is false.</summary>
    public PteLines(CpuProfile profile, bool enabled)
    {
        IReadOnlyList<PteLineCache> caches = enabled ? profile.PteLineCaches : [];
        _caches = caches.Select(cache => new LruTable(cache.Lines)).ToArray();
        _cycles = caches.Select(cache => cache.Cycles).ToArray();
        _memoryCycles = profile.MemoryCycles;
    }

    /// <summary>Cycles of a reference to an entry at a physical address.</summary>
    public ulong Reference(ulong entryAddress)
    {
        ulong line = entryAddress >> 6;
        for (int i = 0; i < _caches.Length; i++)
        {
            if (_caches[i].Touch(line) >= 0)
            {
                return (ulong)_cycles[i];
            }

            _caches[i].Insert(line, 0);
        }

        return (ulong)_memoryCycles;
    }
}
