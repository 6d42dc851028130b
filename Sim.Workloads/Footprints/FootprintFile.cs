using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Sim.Core;
using Sim.Core.Configuration;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Workloads.Footprints;

/// <summary>Footprint models as JSON files; docs/footprints.md describes every member. What is written and read back is the same model, and gives the same bytes.</summary>
public static class FootprintFile
{
    /// <summary>Version of the schema, the member "schema".</summary>
    public const int Schema = 1;

    private const long MaxCount = 1L << 50;
    private const string Hint = "docs/footprints.md describes the file; 'nestsim trace footprint' makes one.";

    private static readonly (string, Vendor)[] Vendors = [("intel", Vendor.Intel), ("amd", Vendor.Amd)];
    private static readonly (string, NestedStep)[] Steps = [("none", NestedStep.None), ("entry", NestedStep.Entry), ("exit", NestedStep.Exit)];

    /// <summary>The model as text, LF at the ends of lines.</summary>
    public static string ToText(FootprintModel model)
    {
        using MemoryStream buffer = new();
        JsonWriterOptions options = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (Utf8JsonWriter json = new(buffer, options))
        {
            json.WriteStartObject();
            json.WriteNumber("schema", Schema);
            json.WriteString("name", model.Name);
            json.WriteString("summary", model.Summary);
            json.WriteString("vendor", Word(Vendors, model.Vendor));
            json.WriteString("kernel", model.Kernel);
            json.WriteStartArray("learned_from");
            foreach (FootprintSource source in model.Sources)
            {
                json.WriteStartObject();
                json.WriteString("file", source.File);
                json.WriteString("sha256", source.Sha256);
                json.WriteNumber("nested_transitions", source.NestedTransitions);
                json.WriteNumber("stays", source.Stays);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            Write(json, "l0", model.L0);
            Write(json, "l1", model.L1);
            json.WriteStartArray("stays");
            foreach (StayFootprint stay in model.Stays)
            {
                Write(json, stay);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Core.Text.Harmless.Json(Encoding.UTF8.GetString(buffer.ToArray())) + "\n";
    }

    /// <summary>Reads and checks a file.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="name">How messages name it.</param>
    /// <exception cref="ConfigurationException">It cannot be read or is wrong; the message has all errors, with line and member.</exception>
    public static FootprintModel Read(string path, string name)
    {
        List<string> errors = [];
        SettingsReader root = new(SettingsNode.ParseFile(path, name, errors), errors);
        root.Integer("schema", Schema, Schema);
        string modelName = root.Text("name");
        string summary = root.Text("summary");
        Vendor vendor = root.Choice("vendor", Vendors);
        string kernel = root.Text("kernel");
        FootprintSource[] sources = [.. root.Objects("learned_from").Select(ReadSource)];
        LevelPages l0 = ReadPages(root.Object("l0"));
        LevelPages l1 = ReadPages(root.Object("l1"));
        StayFootprint[] stays = [.. root.Objects("stays").Select(stay => ReadStay(stay, l0.Known.Count, l1.Known.Count))];
        if (stays.Length == 0)
        {
            root.Report("stays", $"expected at least one stay, found none. {Hint}");
        }

        if (stays.Select(stay => stay.Key).Distinct().Count() != stays.Length)
        {
            root.Report("stays", "expected each kind of stay once, found one twice");
        }

        root.Close();
        SettingsReader.ThrowIfAny($"Footprints {name}", errors);
        return new FootprintModel(modelName, summary, vendor, kernel, sources, l0, l1, stays);
    }

    private static void Write(Utf8JsonWriter json, string name, LevelPages pages)
    {
        json.WriteStartObject(name);
        WriteWords(json, "known", Words(pages.Known));
        WriteWords(json, "fresh_code", Words(pages.FreshCode));
        WriteWords(json, "fresh_data", Words(pages.FreshData));
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, StayFootprint stay)
    {
        StayKey key = stay.Key;
        json.WriteStartObject();
        json.WriteNumber("level", key.Level);
        json.WriteNumber("after_level", key.After);
        json.WriteNumber("reason", key.Reason);
        json.WriteString("nested", Word(Steps, key.Nested));
        json.WriteNumber("then", key.Then);
        if (key.Handling is { } handling)
        {
            json.WriteNumber("handling", handling);
        }
        else
        {
            json.WriteNull("handling");
        }

        json.WriteBoolean("interrupted", key.Interrupted);
        json.WriteNumber("seen", stay.Seen);
        json.WriteNumber("nested_at", stay.NestedAt);
        WriteWords(json, "pages", stay.Pages.Select(touch => Text(touch, stay.Seen)));
        Write(json, "varying_code", stay.Code);
        Write(json, "varying_data", stay.Data);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, VaryingTouches touches)
    {
        json.WriteStartObject(name);
        WriteWords(json, "depths", touches.Depths.Select(count => count.ToString(CultureInfo.InvariantCulture)));
        json.WriteNumber("writes", touches.Writes);
        json.WriteEndObject();
    }

    private static string Text(PageTouch touch, long seen)
    {
        char use = touch.Use switch { AccessType.Read => 'R', AccessType.Write => 'W', _ => 'X' };
        string page = touch.Page.ToString(CultureInfo.InvariantCulture);
        return touch.Stays == seen ? $"{use}{page}" : $"{use}{page}:{touch.Stays.ToString(CultureInfo.InvariantCulture)}";
    }

    private static IEnumerable<string> Words(IReadOnlyList<ulong> pages) => pages.Select(page => page.ToString("x", CultureInfo.InvariantCulture));

    private static void WriteWords(Utf8JsonWriter json, string name, IEnumerable<string> words)
    {
        string text = string.Join(' ', words);
        if (text.Length > 0)
        {
            json.WriteString(name, text);
        }
        else
        {
            json.WriteNull(name);
        }
    }

    private static string Word<T>((string Word, T Value)[] words, T value) => Array.Find(words, word => EqualityComparer<T>.Default.Equals(word.Value, value)).Word;

    private static FootprintSource ReadSource(SettingsReader reader)
    {
        FootprintSource source = new(reader.Text("file"), reader.Text("sha256"), reader.Integer("nested_transitions", 0, MaxCount), reader.Integer("stays", 0, MaxCount));
        reader.Close();
        return source;
    }

    private static LevelPages ReadPages(SettingsReader reader)
    {
        LevelPages pages = new(Pages("known"), Pages("fresh_code"), Pages("fresh_data"));
        reader.Close();
        return pages;

        ulong[] Pages(string name)
        {
            string[] words = Words(reader, name);
            ulong[] numbers = new ulong[words.Length];
            for (int i = 0; i < words.Length; i++)
            {
                if (!ulong.TryParse(words[i], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out numbers[i]) || numbers[i] > ulong.MaxValue >> 12)
                {
                    reader.Report(name, $"expected page numbers (address / 4096) in hexadecimal, found '{words[i]}'");
                    return [];
                }
            }

            return numbers;
        }
    }

    private static StayFootprint ReadStay(SettingsReader reader, int l0Pages, int l1Pages)
    {
        int level = (int)reader.Integer("level", 0, 1);
        StayKey key = new(
            level,
            (int)reader.Integer("after_level", 1, 2),
            (uint)reader.Integer("reason", 0, uint.MaxValue),
            reader.Choice("nested", Steps),
            (uint)reader.Integer("then", 0, uint.MaxValue),
            OptionalReason(reader),
            reader.Flag("interrupted"));
        long seen = reader.Integer("seen", 1, MaxCount);
        int nestedAt = (int)reader.Integer("nested_at", 0, 1000);
        PageTouch[] pages = ReadTouches(reader, level == 0 ? l0Pages : l1Pages, seen);
        StayFootprint stay = new(key, seen, nestedAt, pages, ReadVarying(reader.Object("varying_code")), ReadVarying(reader.Object("varying_data")));
        reader.Close();
        return stay;
    }

    private static uint? OptionalReason(SettingsReader reader) => reader.IsNull("handling") ? null : (uint)reader.Integer("handling", 0, uint.MaxValue);

    private static PageTouch[] ReadTouches(SettingsReader reader, int known, long seen)
    {
        string[] words = Words(reader, "pages");
        PageTouch[] touches = new PageTouch[words.Length];
        for (int i = 0; i < words.Length; i++)
        {
            string[] parts = words[i][1..].Split(':');
            AccessType? use = words[i][0] switch { 'R' => AccessType.Read, 'W' => AccessType.Write, 'X' => AccessType.Execute, _ => null };
            long stays = seen;
            if (use is null
                || parts.Length > 2
                || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int page)
                || (parts.Length == 2 && !long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out stays))
                || page >= known || stays < 1 || stays > seen)
            {
                reader.Report("pages", $"expected R, W or X with an index below {known} of the level's known pages, and perhaps :N, in how many of the {seen} stays; found '{words[i]}'");
                return [];
            }

            touches[i] = new PageTouch(page, use.Value, stays);
        }

        return touches;
    }

    private static VaryingTouches ReadVarying(SettingsReader reader)
    {
        string[] words = Words(reader, "depths");
        long[] depths = new long[words.Length];
        bool isGood = words.Length <= VaryingTouches.MaxDepths;
        for (int i = 0; i < words.Length && isGood; i++)
        {
            isGood = long.TryParse(words[i], NumberStyles.None, CultureInfo.InvariantCulture, out depths[i]) && depths[i] <= MaxCount;
        }

        if (!isGood)
        {
            reader.Report("depths", $"expected at most {VaryingTouches.MaxDepths} counts, found '{string.Join(' ', words)}'");
            depths = [];
        }

        VaryingTouches touches = new(depths, reader.Integer("writes", 0, MaxCount));
        if (touches.Writes > touches.Total)
        {
            reader.Report("writes", $"expected at most the {touches.Total} touches of 'depths', found {touches.Writes}");
        }

        reader.Close();
        return touches;
    }

    private static string[] Words(SettingsReader reader, string name) => (reader.OptionalText(name) ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
