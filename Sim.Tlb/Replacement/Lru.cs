using Sim.Core;

namespace Sim.Tlb;

/// <summary>True least recently used, by time stamps.</summary>
internal struct Lru : IReplacement
{
    private readonly ulong[] _stamps;
    private readonly int _ways;
    private ulong _clock;

    private Lru(int sets, int ways)
    {
        _stamps = new ulong[sets * ways];
        _ways = ways;
    }

    public static string RuleName => "lru";

    public static IReplacement Create(int sets, int ways, Rng rng) => new Lru(sets, ways);

    public void Touch(int set, int way) => _stamps[(set * _ways) + way] = ++_clock;

    public void Fill(int set, int way) => Touch(set, way);

    public readonly int Victim(int set)
    {
        ReadOnlySpan<ulong> stamps = _stamps.AsSpan(set * _ways, _ways);
        int victim = 0;
        for (int way = 1; way < stamps.Length; way++)
        {
            victim = stamps[way] < stamps[victim] ? way : victim;
        }

        return victim;
    }
}
