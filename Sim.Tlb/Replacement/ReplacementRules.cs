using System.Reflection;

using Sim.Core;

namespace Sim.Tlb;

/// <summary>Finds the replacement rules of this assembly by their names.</summary>
public static class ReplacementRules
{
    private static readonly SortedDictionary<string, Type> Types = Find();

    /// <summary>Names that <see cref="Core.Profiles.TlbStructure.Replacement"/> may have, ordinal order.</summary>
    public static IReadOnlyCollection<string> Names => Types.Keys;

    /// <summary>The struct that implements a rule.</summary>
    /// <exception cref="ConfigurationException">No rule has that name; the message lists the nearest ones.</exception>
    internal static Type TypeOf(string name) => Types.TryGetValue(name, out Type? type) ? type : throw new ConfigurationException(NearestNames.Unknown("replacement rule", name, Types.Keys));

    /// <summary>The rule with fresh state, behind its interface.</summary>
    internal static IReplacement Create(string name, int sets, int ways, Rng rng) =>
        (IReplacement)TypeOf(name).GetMethod(nameof(IReplacement.Create))!.Invoke(null, BindingFlags.DoNotWrapExceptions, null, [sets, ways, rng], null)!;

    private static SortedDictionary<string, Type> Find()
    {
        SortedDictionary<string, Type> types = new(StringComparer.Ordinal);
        foreach (Type type in typeof(IReplacement).Assembly.GetTypes().Where(type => type.IsValueType && typeof(IReplacement).IsAssignableFrom(type) && type != typeof(MixedReplacement)))
        {
            types.Add((string)type.GetProperty(nameof(IReplacement.RuleName))!.GetValue(null)!, type);
        }

        return types;
    }
}
