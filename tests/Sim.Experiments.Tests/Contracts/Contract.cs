using System.Reflection;
using System.Text.RegularExpressions;
using Sim.Core;
using Sim.Kvm;
using Sim.Kvm.Interrupts;
using Sim.Reports.Charts;
using Sim.Tlb;
using Sim.Workloads.Formats;
using Sim.Workloads.Generators;

namespace Sim.Experiments.Tests.Contracts;

/// <summary>What a component of each kind owes whoever uses it. A component enrols by being found in an assembly; what it breaks is said in one sentence each.</summary>
internal static partial class Contract
{
    /// <summary>Every component of an assembly, with the sentences about it: none for a good one.</summary>
    public static IEnumerable<(string Name, IReadOnlyList<string> Broken)> Of(Assembly assembly) =>
        from type in Components(assembly)
        select (type.Name, Of(type));

    /// <summary>The components of an assembly, by name of their type.</summary>
    public static IEnumerable<Type> Components(Assembly assembly) => assembly.GetTypes().Where(IsComponent).OrderBy(type => type.Name, StringComparer.Ordinal);

    /// <summary>The sentences about one component.</summary>
    public static IReadOnlyList<string> Of(Type type)
    {
        List<string> broken = [];
        string name = type.Name;
        if (type.IsSubclassOf(typeof(Invalidation)))
        {
            broken.AddRange(InvalidationContract.Of(type));
            return broken;
        }

        ComponentAttribute component = type.GetCustomAttribute<ComponentAttribute>()!;
        name = component.Name;
        if (!KebabCase().IsMatch(name))
        {
            broken.Add($"'{name}' is not kebab-case, and users type it.");
        }

        if (component.Summary.Length < 10)
        {
            broken.Add($"The summary of {name} is too short for 'nestsim list': '{component.Summary}'.");
        }

        if (type.GetConstructor(Type.EmptyTypes) is null)
        {
            return [.. broken, $"{name} has no constructor without parameters, and cannot be made when it is named."];
        }

        object made = Activator.CreateInstance(type)!;
        broken.AddRange(made switch
        {
            IFlushPolicy policy => PolicyContract.Of(name, policy),
            IInterruptPath path => PathContract.Of(name, path),
            IApicvUpdateRule rule => UpdateRuleContract.Of(name, rule),
            ITraceFormat format => FormatContract.Of(name, format),
            IWorkloadGenerator generator => GeneratorContract.Of(name, generator),
            IChart chart => ChartContract.Of(name, chart),
            _ => [],
        });
        return broken;
    }

    private static bool IsComponent(Type type) => !type.IsAbstract
        && ((type.IsSubclassOf(typeof(Invalidation)) && !type.IsNested) || type.GetCustomAttribute<ComponentAttribute>() is not null);

    [GeneratedRegex("^[a-z0-9]+([-.][a-z0-9]+)*$")]
    private static partial Regex KebabCase();
}
