using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Sim.Core.Files;

namespace Sim.Core.Configuration;

/// <summary>What a <see cref="SettingsNode"/> holds.</summary>
public enum SettingsKind
{
    /// <summary>Named members.</summary>
    Object,

    /// <summary>Numbered items.</summary>
    Array,

    /// <summary>Text.</summary>
    Text,

    /// <summary>A number, as it was written.</summary>
    Number,

    /// <summary>true or false.</summary>
    Flag,

    /// <summary>null: no limit, not given.</summary>
    Null,
}

/// <summary>
/// One value of a configuration, with the place it came from: a tree that files and options are laid over one another in, later ones
/// winning. Files are strict JSON; a scalar may be written <c>{ "value": 12, "source": "where the number is from" }</c>.
/// </summary>
public sealed class SettingsNode
{
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    /// <summary>Most names in a path: what a configuration has goes four deep, and everything that walks a tree walks it by recursion.</summary>
    private const int MostSegments = 32;

    private readonly List<KeyValuePair<string, SettingsNode>> _members = [];
    private readonly Dictionary<string, int> _places = new(StringComparer.Ordinal);
    private readonly List<SettingsNode> _items = [];

    private SettingsNode(string path, SettingsKind kind, string text, string origin, string? source = null)
    {
        Path = path;
        Kind = kind;
        Text = text;
        Origin = origin;
        Source = source;
    }

    /// <summary>Where it stands in the tree, for instance <c>second_level[0].ways</c>; empty at the root.</summary>
    public string Path { get; }

    /// <summary>What it holds.</summary>
    public SettingsKind Kind { get; }

    /// <summary>The scalar as text (true, false, null and numbers as JSON writes them); empty for objects and arrays.</summary>
    public string Text { get; }

    /// <summary>Who gave it: <c>default</c>, <c>file:line</c>, or the name of an option.</summary>
    public string Origin { get; }

    /// <summary>Where the value itself is from (a paper, a manual, "assumed: reason"); null if nobody said.</summary>
    public string? Source { get; }

    /// <summary>Members of an object, in order of first appearance.</summary>
    public IReadOnlyList<KeyValuePair<string, SettingsNode>> Members => _members;

    /// <summary>Items of an array.</summary>
    public IReadOnlyList<SettingsNode> Items => _items;

    /// <summary>The member with that name, or null.</summary>
    public SettingsNode? this[string name] => _places.TryGetValue(name, out int place) ? _members[place].Value : null;

    /// <summary>True for a text, number, flag or null.</summary>
    public bool IsScalar => Kind is not (SettingsKind.Object or SettingsKind.Array);

    /// <summary>An empty object at the root.</summary>
    public static SettingsNode Empty() => new("", SettingsKind.Object, "", "default");

    /// <summary>Reads strict JSON: one object, no comments, no trailing commas. Duplicate members are added to <paramref name="errors"/>.</summary>
    /// <param name="utf8">The file's bytes.</param>
    /// <param name="file">Name used in origins and errors.</param>
    /// <param name="errors">Receives what is wrong although the JSON can be read.</param>
    /// <exception cref="ConfigurationException">It is not JSON, or not an object.</exception>
    public static SettingsNode Parse(ReadOnlySpan<byte> utf8, string file, ICollection<string> errors)
    {
        Utf8JsonReader reader = new(utf8, new JsonReaderOptions { CommentHandling = JsonCommentHandling.Disallow });
        try
        {
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                throw new ConfigurationException($"{file}: expected a JSON object, found {reader.TokenType}. Begin the file with a brace.");
            }

            LineCounter lines = new(file);
            SettingsNode root = ParseValue(ref reader, utf8, lines, "", errors);
            reader.Read();
            return root;
        }
        catch (JsonException e)
        {
            throw new ConfigurationException(
                $"{file}:{(e.LineNumber ?? 0) + 1}: not valid JSON: {e.Message.Split(" LineNumber:")[0]} Comments and trailing commas are not allowed.", e);
        }
    }

    /// <summary>Reads a file of strict JSON: see <see cref="Parse"/>.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="name">How origins and errors name it.</param>
    /// <param name="errors">Receives what is wrong although the JSON can be read.</param>
    /// <exception cref="ConfigurationException">The file cannot be read, is not JSON, or is not an object.</exception>
    public static SettingsNode ParseFile(string path, string name, ICollection<string> errors)
    {
        ReadOnlySpan<byte> content = InputFile.ReadBytes(path, "file", "Give the path of a JSON file.");
        ReadOnlySpan<byte> mark = Encoding.UTF8.Preamble;
        return Parse(content.StartsWith(mark) ? content[mark.Length..] : content, name, errors);
    }

    /// <summary>Sets the value at a path, making members that do not exist; JSON if the text is JSON, else plain text.</summary>
    /// <exception cref="ConfigurationException">The path is malformed, or goes through a scalar or past the end of an array.</exception>
    public void Set(string path, string text, string origin) => Place(path, origin, at => ParseFragment(text, at, origin));

    /// <summary>Lays another tree over this one: objects are merged member by member, everything else replaces. A member's name may be a path.</summary>
    public void Merge(SettingsNode over)
    {
        foreach ((string name, SettingsNode value) in over._members)
        {
            Place(name, value.Origin, at => value.CopyTo(at));
        }
    }

    /// <summary>All scalars below this node, and empty arrays, in document order.</summary>
    public IEnumerable<SettingsNode> Leaves()
    {
        if (IsScalar || (Kind == SettingsKind.Array && _items.Count == 0))
        {
            return [this];
        }

        return _members.Select(member => member.Value).Concat(_items).SelectMany(child => child.Leaves());
    }

    /// <summary>The values alone as JSON in one line, members in ordinal order: equal configurations have equal bytes.</summary>
    public string ToCanonicalJson()
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream, Plain))
        {
            Write(writer);
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>Writes the values alone, members in ordinal order.</summary>
    public void Write(Utf8JsonWriter writer)
    {
        switch (Kind)
        {
            case SettingsKind.Object:
                writer.WriteStartObject();
                foreach ((string name, SettingsNode value) in _members.OrderBy(member => member.Key, StringComparer.Ordinal))
                {
                    writer.WritePropertyName(name);
                    value.Write(writer);
                }

                writer.WriteEndObject();
                break;
            case SettingsKind.Array:
                writer.WriteStartArray();
                foreach (SettingsNode item in _items)
                {
                    item.Write(writer);
                }

                writer.WriteEndArray();
                break;
            case SettingsKind.Text:
                writer.WriteStringValue(Text);
                break;
            default:
                writer.WriteRawValue(Text);
                break;
        }
    }

    private static SettingsNode ParseValue(ref Utf8JsonReader reader, ReadOnlySpan<byte> utf8, LineCounter lines, string path, ICollection<string> errors)
    {
        string origin = lines.Origin(utf8, reader.TokenStartIndex);
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                SettingsNode made = new(path, SettingsKind.Object, "", origin);
                while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
                {
                    string name = TextOf(reader, lines, utf8);
                    string start = lines.Origin(utf8, reader.TokenStartIndex);
                    reader.Read();
                    SettingsNode value = ParseValue(ref reader, utf8, lines, Join(path, name), errors);
                    if (made[name] is { } first)
                    {
                        errors.Add($"{start}: {value.Path}: given twice (first at {first.Origin}). Remove one.");
                    }
                    else
                    {
                        made.Add(name, value);
                    }
                }

                return made.Unwrapped(errors);
            case JsonTokenType.StartArray:
                SettingsNode array = new(path, SettingsKind.Array, "", origin);
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    array._items.Add(ParseValue(ref reader, utf8, lines, $"{path}[{array._items.Count}]", errors));
                }

                return array;
            case JsonTokenType.String:
                return new SettingsNode(path, SettingsKind.Text, TextOf(reader, lines, utf8), origin);
            case JsonTokenType.Number:
                return new SettingsNode(path, SettingsKind.Number, Encoding.UTF8.GetString(reader.ValueSpan), origin);
            case JsonTokenType.Null:
                return new SettingsNode(path, SettingsKind.Null, "null", origin);
            default:
                return new SettingsNode(path, SettingsKind.Flag, reader.TokenType == JsonTokenType.True ? "true" : "false", origin);
        }
    }

    /// <summary>A <c>{ "value", "source" }</c> pair as the scalar it stands for; anything else as it is.</summary>
    private SettingsNode Unwrapped(ICollection<string> errors)
    {
        if (this["value"] is not { } value || _members.Any(member => member.Key is not ("value" or "source")))
        {
            return this;
        }

        if (!value.IsScalar)
        {
            errors.Add($"{value.Origin}: {Path}: expected one number, text, true, false or null as its value, found an {Word(value.Kind)}.");
        }

        if (this["source"] is { } source && source.Kind != SettingsKind.Text)
        {
            errors.Add($"{source.Origin}: {Path}: expected text as its source, found {Word(source.Kind)}.");
        }

        return new SettingsNode(Path, value.Kind, value.Text, value.Origin, this["source"]?.Text);
    }

    private static SettingsNode ParseFragment(string text, string path, string origin)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        try
        {
            Utf8JsonReader reader = new(utf8);
            List<string> errors = [];
            reader.Read();
            SettingsNode value = ParseValue(ref reader, utf8, new LineCounter(origin, isFile: false), path, errors);
            if (!reader.Read() && errors.Count == 0)
            {
                return value;
            }
        }
        catch (JsonException)
        {
            // Not JSON: the plain text is the value, so that names need no quotes on the command line.
        }

        return new SettingsNode(path, SettingsKind.Text, text, origin);
    }

    private void Place(string path, string origin, Func<string, SettingsNode> make)
    {
        SettingsNode node = this;
        string[] segments = path.Split('.', MostSegments + 1);
        if (segments.Length > MostSegments)
        {
            throw new ConfigurationException($"'{path[..40]}...' is not a path: it has more than {MostSegments} names (from {origin}). See 'nestsim config show'.");
        }

        for (int i = 0; i < segments.Length; i++)
        {
            (string name, int? index) = Segment(segments[i], path);
            bool last = i == segments.Length - 1;
            if (node.Kind != SettingsKind.Object)
            {
                throw new ConfigurationException($"'{path}': '{node.Path}' holds no members; it is {Word(node.Kind)} {node.Text} (from {node.Origin}).");
            }

            string at = Join(node.Path, name);
            int member = node._places.GetValueOrDefault(name, -1);
            if (index is { } number)
            {
                SettingsNode? array = member < 0 ? null : node._members[member].Value;
                if (array is not { Kind: SettingsKind.Array } || number >= array._items.Count)
                {
                    string found = array is null ? "there is no such member"
                        : array.Kind == SettingsKind.Array ? $"it has {array._items.Count} items, counted from 0" : $"it is not an array but {Word(array.Kind)}";
                    throw new ConfigurationException($"'{path}': '{at}[{number}]' does not exist: {found}. See 'nestsim config show'.");
                }

                string itemPath = $"{at}[{number}]";
                if (last)
                {
                    array._items[number] = Laid(array._items[number], make(itemPath));
                }

                node = array._items[number];
                continue;
            }

            SettingsNode child = last ? make(at) : member < 0 ? new SettingsNode(at, SettingsKind.Object, "", origin) : node._members[member].Value;
            if (member < 0)
            {
                node.Add(name, child);
            }
            else if (last)
            {
                child = Laid(node._members[member].Value, child);
                node._members[member] = new(name, child);
            }

            node = child;
        }
    }

    /// <summary>What remains when <paramref name="over"/> is laid over <paramref name="under"/>.</summary>
    private static SettingsNode Laid(SettingsNode under, SettingsNode over)
    {
        if (under.Kind != SettingsKind.Object || over.Kind != SettingsKind.Object)
        {
            return over;
        }

        under.Merge(over);
        return under;
    }

    private SettingsNode CopyTo(string path)
    {
        SettingsNode copy = new(path, Kind, Text, Origin, Source);
        foreach ((string name, SettingsNode value) in _members)
        {
            copy.Add(name, value.CopyTo(Join(path, name)));
        }

        copy._items.AddRange(_items.Select((item, i) => item.CopyTo($"{path}[{i}]")));
        return copy;
    }

    private static (string Name, int? Index) Segment(string segment, string path)
    {
        int bracket = segment.IndexOf('[', StringComparison.Ordinal);
        string name = bracket < 0 ? segment : segment[..bracket];
        int index = 0;
        bool good = name.Length > 0 && (bracket < 0
            || (segment.EndsWith(']') && int.TryParse(segment.AsSpan(bracket + 1, segment.Length - bracket - 2), NumberStyles.None, CultureInfo.InvariantCulture, out index)));
        return good ? (name, bracket < 0 ? null : index)
            : throw new ConfigurationException($"'{path}' is not a path: expected names joined by dots, with [number] behind an array, as in second_level[0].ways.");
    }

    private static string Join(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";

    private void Add(string name, SettingsNode value)
    {
        _places.Add(name, _members.Count);
        _members.Add(new(name, value));
    }

    /// <summary>The text of a name or string. JSON can spell what is no text: bytes that are no UTF-8, halves of surrogate pairs.</summary>
    private static string TextOf(in Utf8JsonReader reader, LineCounter lines, ReadOnlySpan<byte> utf8)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new ConfigurationException(
                $"{lines.Origin(utf8, reader.TokenStartIndex)}: offset {reader.TokenStartIndex}: expected text in UTF-8 with whole characters, found bytes or an escape that are none. Write the name or value again.", e);
        }
    }

    /// <summary>Says where the tokens of a document are, in one walk over its lines.</summary>
    private sealed class LineCounter(string origin, bool isFile = true)
    {
        private int _offset;
        private int _line = 1;

        /// <summary>"file:line" of a place that is not before the last one; the origin alone if it is no file.</summary>
        public string Origin(ReadOnlySpan<byte> utf8, long offset)
        {
            if (!isFile)
            {
                return origin;
            }

            if (offset > _offset)
            {
                _line += utf8[_offset..(int)offset].Count((byte)'\n');
                _offset = (int)offset;
            }

            return $"{origin}:{_line}";
        }
    }

    /// <summary>The kind as a message names it.</summary>
    internal static string Word(SettingsKind kind) => kind switch
    {
        SettingsKind.Object => "object",
        SettingsKind.Array => "array",
        SettingsKind.Text => "text",
        SettingsKind.Number => "number",
        SettingsKind.Flag => "flag",
        _ => "value",
    };
}
