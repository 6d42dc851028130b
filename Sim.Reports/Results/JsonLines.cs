using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Sim.Core.Text;
using Sim.Core.Traces;

namespace Sim.Reports.Results;

/// <summary>How JSON files of this program are laid out: indented with line feeds, small objects on one line, so that they are read and compared line by line.</summary>
public static class JsonLines
{
    private static readonly JsonWriterOptions Indented = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonWriterOptions OneLine = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A document that ends with a line feed. Characters of its texts that would act on a terminal are escaped.</summary>
    public static string Document(Action<Utf8JsonWriter> write)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer, Indented))
        {
            write(writer);
        }

        return Harmless.Json(Encoding.UTF8.GetString(buffer.WrittenSpan)) + "\n";
    }

    /// <summary>One small object on a line of its own, inside an array.</summary>
    public static void WriteLine(Utf8JsonWriter writer, Action<Utf8JsonWriter> members)
    {
        ArrayBufferWriter<byte> buffer = new();
        buffer.Write(Encoding.UTF8.GetBytes("\n" + new string(' ', writer.CurrentDepth * Indented.IndentSize)));
        using (Utf8JsonWriter line = new(buffer, OneLine))
        {
            line.WriteStartObject();
            members(line);
            line.WriteEndObject();
        }

        writer.WriteRawValue(buffer.WrittenSpan, skipInputValidation: true);
    }

    /// <summary>A doubt on a line of its own, inside an array.</summary>
    public static void WriteDoubt(Utf8JsonWriter writer, Doubt doubt) => WriteLine(writer, line =>
    {
        line.WriteString("kind", doubt.Word);
        line.WriteString("sentence", doubt.Sentence);
        if (doubt.Count is { } count)
        {
            line.WriteNumber("count", count);
        }

        if (doubt.Of is { } of)
        {
            line.WriteNumber("of", of);
        }
    });

    /// <summary>Which build of the simulator wrote the file, as member <c>tool</c>.</summary>
    public static void WriteTool(Utf8JsonWriter writer, ToolVersion tool)
    {
        writer.WriteStartObject("tool");
        writer.WriteString("version", tool.Version);
        writer.WriteString("commit", tool.Commit);
        if (tool.Dirty is { } dirty)
        {
            writer.WriteBoolean("dirty", dirty);
        }

        writer.WriteEndObject();
    }

    /// <summary>A resolved configuration, as members <c>configuration_hash</c> and <c>configuration</c>.</summary>
    /// <param name="writer">Writes into the object that gets the members.</param>
    /// <param name="hash">SHA-256 of the canonical JSON.</param>
    /// <param name="configuration">The canonical JSON.</param>
    public static void WriteConfiguration(Utf8JsonWriter writer, string hash, string configuration)
    {
        writer.WriteString("configuration_hash", hash);
        writer.WritePropertyName("configuration");
        using JsonDocument document = JsonDocument.Parse(configuration);
        document.WriteTo(writer);
    }

    /// <summary>An element as text without white space.</summary>
    public static string Compact(JsonElement element)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer, OneLine))
        {
            element.WriteTo(writer);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
