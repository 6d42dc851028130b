using System.Text.Json;

namespace Sim.Reports.Views;

/// <summary>What the resolved configuration in a result file says about the machine, as far as views need it.</summary>
public static class ResolvedMachine
{
    private static readonly string[] Levels = ["first_level", "second_level"];

    /// <summary>Frequency of the reference clock in kHz; null if the file does not say.</summary>
    public static double? Kilohertz(string configuration)
    {
        using JsonDocument document = JsonDocument.Parse(configuration);
        return document.RootElement.TryGetProperty("reference_kilohertz", out JsonElement value) && value.TryGetDouble(out double kilohertz) && kilohertz > 0 ? kilohertz : null;
    }

    /// <summary>Entries of the TLB array with a name, for instance <c>stlb</c>; null if the file does not say.</summary>
    public static int? Entries(string configuration, string array) => Arrays(configuration).Where(one => one.Name == array).Select(one => (int?)one.Entries).FirstOrDefault();

    /// <summary>Entries of the larger TLB level; 0 if the file does not say.</summary>
    public static int Reach(string configuration) => Arrays(configuration).GroupBy(one => one.Level, one => one.Entries, StringComparer.Ordinal).Select(level => level.Sum()).DefaultIfEmpty(0).Max();

    private static (string Level, string Name, int Entries)[] Arrays(string configuration)
    {
        using JsonDocument document = JsonDocument.Parse(configuration);
        return
        [
            .. from level in Levels
               where document.RootElement.TryGetProperty(level, out _)
               from one in document.RootElement.GetProperty(level).EnumerateArray()
               select (level, one.TryGetProperty("name", out JsonElement name) ? name.GetString()! : "", one.GetProperty("sets").GetInt32() * one.GetProperty("ways").GetInt32()),
        ];
    }
}
