using System.Reflection;

namespace Sim.Core;

/// <summary>Marks a class that is found by itself: a flush policy, a trace format, a generator, a chart.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class ComponentAttribute : Attribute
{
    /// <summary>A component with its public kebab-case name.</summary>
    public ComponentAttribute(string name) => Name = name;

    /// <summary>The name users type.</summary>
    public string Name { get; }

    /// <summary>One sentence for <c>nestsim list</c>.</summary>
    public required string Summary { get; init; }

    /// <summary>The name by which users know a component.</summary>
    public static string NameOf(object component) => component.GetType().GetCustomAttribute<ComponentAttribute>()?.Name ?? component.ToString()!;
}

/// <summary>All components of one kind in a set of assemblies, in ordinal order of their names.</summary>
/// <typeparam name="T">The interface or base class that the components have in common.</typeparam>
public sealed class Catalogue<T>
    where T : class
{
    private readonly SortedDictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    /// <summary>Finds the components. Fails on a duplicate name, or on a component without a parameterless constructor.</summary>
    public Catalogue(params IEnumerable<Assembly> assemblies)
    {
        foreach (Type type in assemblies.SelectMany(assembly => assembly.GetTypes()).Where(type => typeof(T).IsAssignableFrom(type) && !type.IsAbstract))
        {
            if (type.GetCustomAttribute<ComponentAttribute>() is not { } component)
            {
                continue;
            }

            if (!_entries.TryAdd(component.Name, new Entry(component.Name, component.Summary, type)))
            {
                throw new ConfigurationException($"Two components are called '{component.Name}': {_entries[component.Name].Type} and {type}. Rename one.");
            }
        }
    }

    /// <summary>A component that was found.</summary>
    public sealed record Entry(string Name, string Summary, Type Type);

    /// <summary>All components, ordinal order of names.</summary>
    public IReadOnlyCollection<Entry> Entries => _entries.Values;

    /// <summary>A fresh instance of the component with that name.</summary>
    /// <exception cref="ConfigurationException">No component has that name; the message lists the nearest ones.</exception>
    public T Create(string name)
    {
        if (!_entries.TryGetValue(name, out Entry? entry))
        {
            throw new ConfigurationException(NearestNames.Unknown(Words(typeof(T).IsInterface ? typeof(T).Name[1..] : typeof(T).Name), name, _entries.Keys));
        }

        return (T)Activator.CreateInstance(entry.Type)!;
    }

    /// <summary>"InterruptPath" as "interrupt path".</summary>
    private static string Words(string name) => string.Concat(name.Select((letter, at) => (at > 0 && char.IsUpper(letter) ? " " : "") + char.ToLowerInvariant(letter)));
}

/// <summary>Answers an unknown name with the nearest known ones.</summary>
public static class NearestNames
{
    /// <summary>Characters of a name that a message repeats, and that are compared.</summary>
    private const int MostShown = 200;

    /// <summary>"Unknown kind 'x'. Did you mean a, b or c?" with at most three names, nearest first, ties in ordinal order.</summary>
    public static string Unknown(string kind, string name, IEnumerable<string> known)
    {
        string shown = name.Length > MostShown ? name[..MostShown] + "..." : name;
        string[] nearest = known.OrderBy(k => Distance(shown, k)).ThenBy(k => k, StringComparer.Ordinal).Take(3).ToArray();
        string hint = nearest.Length == 0 ? "There are none." : $"Did you mean {string.Join(", ", nearest)}?";
        return $"Unknown {kind} '{shown}'. {hint}";
    }

    /// <summary>Levenshtein distance, ignoring case.</summary>
    public static int Distance(string a, string b)
    {
        int[] row = new int[b.Length + 1];
        for (int j = 0; j <= b.Length; j++)
        {
            row[j] = j;
        }

        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int substitution = diagonal + (char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substitution, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[b.Length];
    }
}
