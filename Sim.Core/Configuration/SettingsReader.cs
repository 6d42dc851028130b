using System.Globalization;

namespace Sim.Core.Configuration;

/// <summary>
/// Reads one object of a settings tree, member by member, into typed values. Everything that is wrong is added to one list with its place,
/// so that the user sees all errors at once; a wrong value reads as a harmless stand-in.
/// </summary>
public sealed class SettingsReader
{
    /// <summary>Errors that a message lists; whoever has more of them has one mistake, not so many.</summary>
    private const int MostListed = 50;

    private readonly SettingsNode _node;
    private readonly ICollection<string> _errors;
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    /// <summary>A reader of an object. Errors go to <paramref name="errors"/>.</summary>
    public SettingsReader(SettingsNode node, ICollection<string> errors)
    {
        _node = node;
        _errors = errors;
        if (node.Kind != SettingsKind.Object)
        {
            Report(node, $"expected an object, found {SettingsNode.Word(node.Kind)} {node.Text}");
        }
    }

    /// <summary>The path of a member, as options name it.</summary>
    public string PathOf(string name) => _node.Path.Length == 0 ? name : $"{_node.Path}.{name}";

    /// <summary>Adds an error about a member (or about the object, if it has no such member).</summary>
    public void Report(string name, string message) => Report(_node[name] ?? _node, message);

    /// <summary>A text that is not empty.</summary>
    public string Text(string name)
    {
        SettingsNode? value = Find(name, SettingsKind.Text, "text");
        if (value is { Text: "" })
        {
            Report(value, "expected text, found an empty one");
        }

        return value?.Text ?? "";
    }

    /// <summary>A text, or null.</summary>
    public string? OptionalText(string name) => IsNull(name) ? null : Text(name);

    /// <summary>A flag; false if it is not there.</summary>
    public bool OptionalFlag(string name)
    {
        _known.Add(name);
        return _node[name] is not null && Flag(name);
    }

    /// <summary>A text, or a number as it was written.</summary>
    public string TextOrNumber(string name)
    {
        _known.Add(name);
        return _node[name] is { Kind: SettingsKind.Number } value ? value.Text : Text(name);
    }

    /// <summary>A whole number in a range, both ends included.</summary>
    public long Integer(string name, long minimum, long maximum)
    {
        if (Find(name, SettingsKind.Number, $"a whole number from {minimum} to {maximum}") is not { } value)
        {
            return minimum;
        }

        if (long.TryParse(value.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) && number >= minimum && number <= maximum)
        {
            return number;
        }

        Report(value, $"expected a whole number from {minimum} to {maximum}, found {value.Text}");
        return minimum;
    }

    /// <summary>A whole number in a range, or null.</summary>
    public int? OptionalInteger(string name, int minimum, int maximum) => IsNull(name) ? null : (int)Integer(name, minimum, maximum);

    /// <summary>true or false.</summary>
    public bool Flag(string name) => Find(name, SettingsKind.Flag, "true or false")?.Text == "true";

    /// <summary>One of some words.</summary>
    public T Choice<T>(string name, IReadOnlyList<(string Word, T Value)> words) =>
        Find(name, SettingsKind.Text, OneOf(words)) is { } value ? Chosen(value, words) : words[0].Value;

    /// <summary>An array of words, each one of some; must not be empty.</summary>
    public IReadOnlyList<T> Choices<T>(string name, IReadOnlyList<(string Word, T Value)> words) =>
        [.. Elements(name).Select(item => item.Kind == SettingsKind.Text ? Chosen(item, words) : Mistyped(item, OneOf(words), words[0].Value))];

    /// <summary>An array of texts; must not be empty.</summary>
    public IReadOnlyList<string> Texts(string name) =>
        [.. Elements(name).Select(item => item.Kind == SettingsKind.Text ? item.Text : Mistyped(item, "text", ""))];

    /// <summary>An array of texts, which must not be empty, or null for none.</summary>
    public IReadOnlyList<string> OptionalTexts(string name) => IsNull(name) ? [] : Texts(name);

    /// <summary>A reader of a member that is an object.</summary>
    public SettingsReader Object(string name) =>
        new(Find(name, SettingsKind.Object, "an object") ?? SettingsNode.Empty(), _node[name]?.Kind == SettingsKind.Object ? _errors : []);

    /// <summary>Readers of the objects in a member that is an array; must not be empty.</summary>
    public IReadOnlyList<SettingsReader> Objects(string name) => [.. Elements(name).Select(item => new SettingsReader(item, _errors))];

    /// <summary>The source of every number, flag and null below the object (and of texts that have one), by path; where none is given, who set it.</summary>
    public IReadOnlyDictionary<string, string> Sources()
    {
        SortedDictionary<string, string> sources = new(StringComparer.Ordinal);
        foreach (SettingsNode leaf in _node.Leaves().Where(leaf => leaf.Kind != SettingsKind.Text || leaf.Source is not null))
        {
            sources[leaf.Path] = leaf.Source ?? $"set by {leaf.Origin}";
        }

        return sources;
    }

    /// <summary>Reports every member that nobody asked for, with the nearest names. Call last.</summary>
    public void Close()
    {
        foreach ((string name, SettingsNode value) in _node.Members)
        {
            if (!_known.Contains(name))
            {
                Report(value, _errors.Count < MostListed ? NearestNames.Unknown("member", name, _known) : $"Unknown member '{name}'.");
            }
        }
    }

    /// <summary>Throws if anything was reported: all errors, one a line, under one title.</summary>
    /// <exception cref="ConfigurationException">There are errors.</exception>
    public static void ThrowIfAny(string title, IReadOnlyCollection<string> errors)
    {
        if (errors.Count > 0)
        {
            throw new ConfigurationException($"{title}: {errors.Count} {(errors.Count == 1 ? "error" : "errors")}.\n  {string.Join("\n  ", errors.Take(MostListed))}{(errors.Count > MostListed ? $"\n  ... and {errors.Count - MostListed} more" : "")}");
        }
    }

    /// <summary>True if a member is there.</summary>
    public bool Has(string name)
    {
        _known.Add(name);
        return _node[name] is not null;
    }

    /// <summary>True if a member is there and is null.</summary>
    public bool IsNull(string name)
    {
        _known.Add(name);
        return _node[name]?.Kind == SettingsKind.Null;
    }

    private SettingsNode? Find(string name, SettingsKind kind, string expected)
    {
        _known.Add(name);
        SettingsNode? value = _node[name];
        if (value is null)
        {
            if (_node.Kind == SettingsKind.Object)
            {
                Report(_node, $"'{name}' is missing: expected {expected}");
            }

            return null;
        }

        return value.Kind == kind ? value : Mistyped(value, expected, (SettingsNode?)null);
    }

    private IReadOnlyList<SettingsNode> Elements(string name)
    {
        if (Find(name, SettingsKind.Array, "an array") is not { } array)
        {
            return [];
        }

        if (array.Items.Count == 0)
        {
            Report(array, "expected an array with at least one item, found an empty one");
        }

        return array.Items;
    }

    private T Chosen<T>(SettingsNode value, IReadOnlyList<(string Word, T Value)> words)
    {
        foreach ((string word, T meaning) in words)
        {
            if (word == value.Text)
            {
                return meaning;
            }
        }

        Report(value, $"expected {OneOf(words)}, found '{value.Text}'");
        return words[0].Value;
    }

    private T Mistyped<T>(SettingsNode value, string expected, T standIn)
    {
        Report(value, $"expected {expected}, found {SettingsNode.Word(value.Kind)} {value.Text}".TrimEnd());
        return standIn;
    }

    private void Report(SettingsNode node, string message) => _errors.Add($"{node.Origin}: {(node.Path.Length == 0 ? "(root)" : node.Path)}: {message}");

    private static string OneOf<T>(IReadOnlyList<(string Word, T Value)> words) =>
        words.Count == 1 ? words[0].Word : $"one of {string.Join(", ", words.Select(word => word.Word))}";
}
