using Sim.Core;

namespace Sim.Tlb;

/// <summary>Any rule behind its interface: for a level whose arrays follow different rules. Costs a virtual call per hit.</summary>
internal readonly struct MixedReplacement : IReplacement
{
    private readonly IReplacement _rule;

    public MixedReplacement(IReplacement rule) => _rule = rule;

    public static string RuleName => "mixed";

    public static IReplacement Create(int sets, int ways, Rng rng) => throw new NotSupportedException("Wrap a rule instead.");

    public void Touch(int set, int way) => _rule.Touch(set, way);

    public void Fill(int set, int way) => _rule.Fill(set, way);

    public int Victim(int set) => _rule.Victim(set);
}
