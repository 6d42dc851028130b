using Sim.Core;

namespace Sim.Tlb;

/// <summary>Bit pseudo-LRU ("not recently used"): a bit per way is set by use; when all are set the others are cleared. The lowest clear way goes.</summary>
internal readonly struct BitPlru : IReplacement
{
    private readonly bool[] _used;
    private readonly int[] _usedCount;
    private readonly int _ways;

    private BitPlru(int sets, int ways)
    {
        _used = new bool[sets * ways];
        _usedCount = new int[sets];
        _ways = ways;
    }

    public static string RuleName => "bit-plru";

    public static IReplacement Create(int sets, int ways, Rng rng) => new BitPlru(sets, ways);

    public void Touch(int set, int way)
    {
        Span<bool> used = _used.AsSpan(set * _ways, _ways);
        if (used[way])
        {
            return;
        }

        if (_usedCount[set] == _ways - 1)
        {
            used.Clear();
            _usedCount[set] = 0;
        }

        used[way] = true;
        _usedCount[set]++;
    }

    public void Fill(int set, int way) => Touch(set, way);

    public int Victim(int set) => Math.Max(_used.AsSpan(set * _ways, _ways).IndexOf(false), 0);
}
