using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Formats;

/// <summary>
/// The JSON that begins a native trace and its text twin: <see cref="TraceHeader"/>, and in the native format the record kinds with their fields, so that a
/// file explains itself and a reader can skip kinds and fields that came after it.
/// </summary>
internal static class HeaderJson
{
    /// <summary>Most lanes a trace may have.</summary>
    public const int MaxLanes = 4096;

    /// <summary>The only kind of address there is: the linear address that the running level uses.</summary>
    private const string LinearAddresses = "linear";

    private const string Lanes = "lanes";
    private const string Folded = "folded";
    private const string CyclesPerRecordTick = "cyclesPerRecordTick";
    private const string Addresses = "addresses";
    private const string Properties = "properties";
    private const string Doubts = "doubts";
    private const string Records = "records";
    private const string TextFormat = "text";

    private static readonly JsonWriterOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A field of a record kind as a file declares it: which operand of ours it is (<see cref="Unknown"/> if none), or that it is text.</summary>
    public readonly record struct FileField(int Slot, bool IsText)
    {
        /// <summary>Slot of a field that this program does not know.</summary>
        public const int Unknown = -1;
    }

    /// <summary>The record kinds of a file by their number; null where the file declares none. <see cref="IsKnown"/> says which of them this program knows.</summary>
    public sealed class FileSchema
    {
        private readonly FileField[]?[] _fields = new FileField[]?[256];

        /// <summary>The fields of a kind in the file's order, or null.</summary>
        public FileField[]? this[byte kind]
        {
            get => _fields[kind];
            set => _fields[kind] = value;
        }

        /// <summary>True if this program knows a kind with that number.</summary>
        public static bool IsKnown(byte kind) => kind < RecordSchema.Kinds.Count;
    }

    /// <summary>The JSON in one line of UTF-8; the same header always gives the same bytes.</summary>
    public static byte[] Write(TraceHeader header, bool withRecords)
    {
        Check(header);
        using MemoryStream bytes = new();
        using (Utf8JsonWriter json = new(bytes, Relaxed))
        {
            json.WriteStartObject();
            json.WriteNumber(Lanes, header.Lanes);
            json.WriteBoolean(Folded, header.Folded);
            json.WriteString(CyclesPerRecordTick, header.CyclesPerRecordTick);
            json.WriteString(Addresses, LinearAddresses);
            json.WriteStartObject(Properties);
            foreach (KeyValuePair<string, string> property in header.Properties.OrderBy(property => property.Key, StringComparer.Ordinal))
            {
                json.WriteString(property.Key, property.Value);
            }

            json.WriteEndObject();
            WriteDoubts(json, header.Doubts);
            if (withRecords)
            {
                WriteRecords(json);
            }

            json.WriteEndObject();
        }

        return bytes.ToArray();
    }

    /// <summary>Reads what <see cref="Write"/> wrote. <paramref name="name"/> and <paramref name="where"/> are for messages.</summary>
    /// <exception cref="TraceFormatException">It is not JSON, or a member is missing, unknown, or has a value that cannot be.</exception>
    public static (TraceHeader Header, FileSchema Schema) Parse(ReadOnlyMemory<byte> utf8, string name, string where)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(utf8, new JsonDocumentOptions { AllowDuplicateProperties = false });
            return Parse(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or KeyNotFoundException)
        {
            throw new TraceFormatException(name, where, "a trace header in JSON (docs/trace-format.md)", e.Message.TrimEnd('.'), "Correct the header or convert the trace again.", e);
        }
    }

    private static void Check(TraceHeader header)
    {
        if (header.Lanes is < 1 or > MaxLanes)
        {
            throw new ArgumentException($"A trace has 1 to {MaxLanes} lanes, not {header.Lanes}.", nameof(header));
        }

        if (!IsRatio(header.CyclesPerRecordTick))
        {
            throw new ArgumentException($"Cycles per record tick are num/den with positive integers, not '{header.CyclesPerRecordTick}'.", nameof(header));
        }
    }

    private static bool IsRatio(string text)
    {
        string[] parts = text.Split('/');
        return parts.Length == 2 && parts.All(part => ulong.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number) && number > 0);
    }

    /// <summary>No doubts: no member, as before version 1.1.</summary>
    private static void WriteDoubts(Utf8JsonWriter json, IReadOnlyList<Doubt> doubts)
    {
        if (doubts.Count == 0)
        {
            return;
        }

        json.WriteStartArray(Doubts);
        foreach (Doubt doubt in doubts)
        {
            json.WriteStartObject();
            json.WriteString("kind", doubt.Word);
            json.WriteString("sentence", doubt.Sentence);
            if (doubt.Count is { } count)
            {
                json.WriteNumber("count", count);
            }

            if (doubt.Of is { } of)
            {
                json.WriteNumber("of", of);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static Doubt ParseDoubt(JsonElement doubt) => new(
        Doubt.KindOf(Text(doubt.GetProperty("kind"))),
        Text(doubt.GetProperty("sentence")),
        doubt.TryGetProperty("count", out JsonElement count) ? count.GetInt64() : null,
        doubt.TryGetProperty("of", out JsonElement of) ? of.GetInt64() : null);

    private static void WriteRecords(Utf8JsonWriter json)
    {
        json.WriteStartArray(Records);
        foreach (RecordKind kind in RecordSchema.Kinds)
        {
            json.WriteStartObject();
            json.WriteNumber("kind", (byte)kind);
            json.WriteString("name", kind.ToString());
            json.WriteStartArray("fields");
            foreach (FieldSpec field in RecordSchema.Fields(kind))
            {
                json.WriteStartObject();
                json.WriteString("name", field.Name);
                json.WriteString("format", field.Format switch { FieldFormat.Decimal => "decimal", FieldFormat.Hex => "hex", FieldFormat.Name => "name", _ => "flag" });
                if (field.Format == FieldFormat.Name)
                {
                    json.WriteStartArray("names");
                    foreach (string value in field.Names)
                    {
                        json.WriteStringValue(value);
                    }

                    json.WriteEndArray();
                }

                json.WriteEndObject();
            }

            if (kind == RecordKind.Mark)
            {
                json.WriteStartObject();
                json.WriteString("name", TextFormat);
                json.WriteString("format", TextFormat);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static (TraceHeader Header, FileSchema Schema) Parse(JsonElement root)
    {
        int lanes = root.GetProperty(Lanes).GetInt32();
        string ratio = Text(root.GetProperty(CyclesPerRecordTick));
        string addresses = Text(root.GetProperty(Addresses));
        if (lanes is < 1 or > MaxLanes)
        {
            throw new FormatException($"{lanes} lanes, where 1 to {MaxLanes} can be");
        }

        if (!IsRatio(ratio))
        {
            throw new FormatException($"{CyclesPerRecordTick} '{ratio}', which is not num/den with positive integers");
        }

        if (addresses != LinearAddresses)
        {
            throw new FormatException($"addresses of kind '{addresses}', where only '{LinearAddresses}' is known");
        }

        SortedDictionary<string, string> properties = new(StringComparer.Ordinal);
        foreach (JsonProperty property in root.GetProperty(Properties).EnumerateObject())
        {
            properties.Add(property.Name, Text(property.Value));
        }

        FileSchema schema = new();
        if (root.TryGetProperty(Records, out JsonElement records))
        {
            foreach (JsonElement record in records.EnumerateArray())
            {
                ParseRecord(record, schema);
            }
        }

        Doubt[] doubts = root.TryGetProperty(Doubts, out JsonElement list) ? [.. list.EnumerateArray().Select(ParseDoubt)] : [];
        return (new TraceHeader(lanes, root.GetProperty(Folded).GetBoolean(), ratio, properties) { Doubts = doubts }, schema);
    }

    private static void ParseRecord(JsonElement record, FileSchema schema)
    {
        byte number = record.GetProperty("kind").GetByte();
        string kindName = Text(record.GetProperty("name"));
        if (FileSchema.IsKnown(number) && ((RecordKind)number).ToString() != kindName)
        {
            throw new FormatException($"record kind {number} called '{kindName}', which is {(RecordKind)number}");
        }

        List<FileField> fields = [];
        HashSet<string> names = new(StringComparer.Ordinal);
        foreach (JsonElement field in record.GetProperty("fields").EnumerateArray())
        {
            string fieldName = Text(field.GetProperty("name"));
            bool isText = Text(field.GetProperty("format")) == TextFormat;
            FieldSpec? known = FileSchema.IsKnown(number) ? RecordSchema.Fields((RecordKind)number).FirstOrDefault(spec => spec.Name == fieldName) : null;
            names.Add(fieldName);
            fields.Add(new FileField(isText ? FileField.Unknown : known?.Slot ?? FileField.Unknown, isText));
        }

        // A newer minor version may add fields, which are skipped; a missing one would silently read as 0.
        if (FileSchema.IsKnown(number) && RecordSchema.Fields((RecordKind)number).FirstOrDefault(spec => !names.Contains(spec.Name)) is { } missing)
        {
            throw new FormatException($"record kind {kindName} without its field '{missing.Name}'");
        }

        if (fields.Count > byte.MaxValue || schema[number] is not null)
        {
            throw new FormatException($"record kind {number} declared twice or with more than {byte.MaxValue} fields");
        }

        schema[number] = [.. fields];
    }

    private static string Text(JsonElement element) => element.GetString() ?? throw new FormatException("null where a string must be");
}
