using Sim.Core;

namespace Sim.Tlb;

/// <summary>First in, first out: the entry that was filled longest ago goes, hits do not matter.</summary>
internal struct Fifo : IReplacement
{
    private readonly ulong[] _filled;
    private readonly int _ways;
    private ulong _clock;

    private Fifo(int sets, int ways)
    {
        _filled = new ulong[sets * ways];
        _ways = ways;
    }

    public static string RuleName => "fifo";

    public static IReplacement Create(int sets, int ways, Rng rng) => new Fifo(sets, ways);

    public readonly void Touch(int set, int way)
    {
    }

    public void Fill(int set, int way) => _filled[(set * _ways) + way] = ++_clock;

    public readonly int Victim(int set)
    {
        ReadOnlySpan<ulong> filled = _filled.AsSpan(set * _ways, _ways);
        int victim = 0;
        for (int way = 1; way < filled.Length; way++)
        {
            victim = filled[way] < filled[victim] ? way : victim;
        }

        return victim;
    }
}
