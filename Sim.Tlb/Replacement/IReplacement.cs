using Sim.Core;

namespace Sim.Tlb;

/// <summary>
/// A replacement rule with its state for all sets of one array. Implemented by structs, so that a rule costs no virtual call where it is a
/// type argument. The array fills empty ways itself, lowest first. Contract: touching the way touched last changes nothing.
/// </summary>
internal interface IReplacement
{
    /// <summary>The name that profiles use.</summary>
    static abstract string RuleName { get; }

    /// <summary>The rule with fresh state.</summary>
    /// <exception cref="ConfigurationException">The rule does not exist for that many ways.</exception>
    static abstract IReplacement Create(int sets, int ways, Rng rng);

    /// <summary>A lookup hit the way.</summary>
    void Touch(int set, int way);

    /// <summary>A new entry was put into the way.</summary>
    void Fill(int set, int way);

    /// <summary>The way whose entry must go; every way of the set is in use.</summary>
    int Victim(int set);
}
