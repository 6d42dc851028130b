using System.Reflection;
using System.Text.RegularExpressions;
using Sim.Core.Profiles;
using Sim.Tlb;

namespace Sim.Experiments.Tests.Contracts;

/// <summary>An invalidation has a name and a price, drops something, and its coarse form drops at least as much.</summary>
internal static partial class InvalidationContract
{
    private const ulong Page = 0x0000_1234_5678_9000;
    private const ulong Eptp = 0xA_B000_0000;

    private static readonly CurrentTag[] Currents = [new(0, 0, 0), new(1, 5, Eptp), new(1, 0, 0)];

    public static IEnumerable<string> Of(Type type)
    {
        Invalidation[] all;
        string? broken = null;
        try
        {
            all = [.. Instances(type)];
        }
        catch (TargetInvocationException e)
        {
            (all, broken) = ([], $"cannot be made: {e.InnerException?.Message}");
        }

        if (broken is not null)
        {
            yield return $"{type.Name} {broken}.";
            yield break;
        }

        OperationCosts costs = RunConfiguration.Load(null, []).Machine.Profile.Costs;
        foreach (Invalidation each in all.Take(1))
        {
            if (!SnakeCase().IsMatch(each.Name))
            {
                yield return $"{type.Name}: the name '{each.Name}' is not snake_case.";
            }

            if (each.Cycles(costs) is not { } cycles)
            {
                yield return $"{type.Name} costs nothing because nobody said what it costs: override Cycles, with a member of the profile's costs, or with 0 if it is a part of something that has a price.";
            }
            else if (cycles < 0)
            {
                yield return $"{type.Name} costs {cycles} cycles.";
            }
        }

        if (!all.Any(each => Entries().Any(entry => Currents.Any(current => Kills(each, entry, current)))))
        {
            yield return $"{type.Name} drops nothing, whatever its operands.";
        }

        foreach (Invalidation each in all)
        {
            // INVVPID fails for VPID 0, and the form for all contexts spares it.
            foreach ((Tag Tag, bool IsPsc, ulong First, ulong Last) entry in Entries().Where(entry => entry.Tag.Vpid != 0))
            {
                foreach (CurrentTag current in Currents.Where(current => Kills(each, entry, current) && !Kills(each.Coarsened, entry, current)))
                {
                    yield return $"The coarse form of {each} keeps an entry that it drops itself ({entry.Tag}, current {current}).";
                    yield break;
                }
            }

            if (!each.Coarsened.Coarsened.Equals(each.Coarsened))
            {
                yield return $"The coarse form of {each} has a coarser one.";
                yield break;
            }
        }
    }

    /// <summary>The name by which statistics call it.</summary>
    public static string NameOf(Type type) => Instances(type).First().Name;

    private static bool Kills(Invalidation invalidation, (Tag Tag, bool IsPsc, ulong First, ulong Last) entry, CurrentTag current) =>
        invalidation.Kills(entry.Tag, entry.IsPsc, entry.First, entry.Last, current);

    private static IEnumerable<(Tag Tag, bool IsPsc, ulong First, ulong Last)> Entries() =>
        from vpid in new ushort[] { 0, 1, 2 }
        from pcid in new ushort[] { 0, 5 }
        from kind in Enum.GetValues<MappingKind>()
        from isGlobal in new[] { false, true }
        from isPsc in new[] { false, true }
        where !isGlobal || (!isPsc && kind != MappingKind.GuestPhysical)
        from page in new[] { Page, Page + 0x40_0000 }
        select (new Tag(kind, vpid, pcid, isGlobal, kind == MappingKind.Linear ? 0 : Eptp), isPsc, page, page + 0xFFF);

    /// <summary>One for each combination of a few operands of its widest constructor.</summary>
    private static IEnumerable<Invalidation> Instances(Type type)
    {
        ConstructorInfo constructor = type.GetConstructors().OrderByDescending(each => each.GetParameters().Length).First();
        IEnumerable<object?[]> operands = [[]];
        foreach (ParameterInfo parameter in constructor.GetParameters())
        {
            object?[] values = Values(parameter.ParameterType);
            operands = [.. operands.SelectMany(chosen => values.Select(value => (object?[])[.. chosen, value]))];
        }

        return operands.Select(chosen => (Invalidation)constructor.Invoke(chosen));
    }

    private static object?[] Values(Type type) => type switch
    {
        _ when type == typeof(ulong) => [Page, Eptp],
        _ when type == typeof(ushort) => [(ushort)1, (ushort)5],
        _ when type == typeof(bool) => [false, true],
        _ when type.IsEnum => [.. Enum.GetValues(type).Cast<object>()],
        _ => [Activator.CreateInstance(type)],
    };

    [GeneratedRegex("^[a-z0-9]+(_[a-z0-9]+)*$")]
    private static partial Regex SnakeCase();
}
