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
    public static int? Entries(string configuration, string array)
    {
        using JsonDocument document = JsonDocument.Parse(configuration);
        foreach (string level in Levels)
        {
            if (document.RootElement.TryGetProperty(level, out JsonElement arrays))
            {
                foreach (JsonElement one in arrays.EnumerateArray().Where(one => one.GetProperty("name").GetString() == array))
                {
                    return one.GetProperty("sets").GetInt32() * one.GetProperty("ways").GetInt32();
                }
            }
        }

        return null;
    }
}
