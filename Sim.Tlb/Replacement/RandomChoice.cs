using Sim.Core;

namespace Sim.Tlb;

/// <summary>A uniformly random way, from the seeded stream of its array.</summary>
internal struct RandomChoice : IReplacement
{
    private readonly int _ways;
    private Rng _rng;

    private RandomChoice(int ways, Rng rng)
    {
        _ways = ways;
        _rng = rng;
    }

    public static string RuleName => "random";

    public static IReplacement Create(int sets, int ways, Rng rng) => new RandomChoice(ways, rng);

    public readonly void Touch(int set, int way)
    {
    }

    public readonly void Fill(int set, int way)
    {
    }

    public int Victim(int set) => (int)_rng.Below((ulong)_ways);
}
