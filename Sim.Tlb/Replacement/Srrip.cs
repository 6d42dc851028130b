using Sim.Core;

namespace Sim.Tlb;

/// <summary>
/// Static re-reference interval prediction with hit priority, two bits (Jaleel et al., ISCA 2010): a fill predicts 2, a hit 0; the lowest way with 3
/// goes, after all have aged until there is one. An entry that was filled and never hit may go before older ones: that is its purpose.
/// </summary>
internal readonly struct Srrip : IReplacement
{
    private const byte Distant = 3;
    private readonly byte[] _interval;
    private readonly int _ways;

    private Srrip(int sets, int ways)
    {
        _interval = new byte[sets * ways];
        _ways = ways;
    }

    public static string RuleName => "srrip";

    public static IReplacement Create(int sets, int ways, Rng rng) => new Srrip(sets, ways);

    public void Touch(int set, int way) => _interval[(set * _ways) + way] = 0;

    public void Fill(int set, int way) => _interval[(set * _ways) + way] = Distant - 1;

    public int Victim(int set)
    {
        Span<byte> interval = _interval.AsSpan(set * _ways, _ways);
        while (true)
        {
            int way = interval.IndexOf(Distant);
            if (way >= 0)
            {
                return way;
            }

            foreach (ref byte prediction in interval)
            {
                prediction++;
            }
        }
    }
}
