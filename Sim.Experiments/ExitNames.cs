using System.Text.Json;
using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Reports.Results;

namespace Sim.Experiments;

/// <summary>The names of exit reasons in a result file, whose configuration says the vendor.</summary>
public static class ExitNames
{
    /// <summary>A function from the reason's number to its name, or to the number as the vendor writes it.</summary>
    public static Func<long, string> Of(RunSet set)
    {
        using JsonDocument configuration = JsonDocument.Parse(set.Provenance.Configuration);
        Vendor vendor = configuration.RootElement.TryGetProperty("vendor", out JsonElement word) && word.GetString() == "amd" ? Vendor.Amd : Vendor.Intel;
        return reason => ExitReasons.Name(vendor, unchecked((uint)reason));
    }
}
