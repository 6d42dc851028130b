using Sim.Core.Traces;

namespace Sim.Workloads.Weave;

/// <summary>What the header of a woven trace says about the traces it is made of.</summary>
internal static class WovenHeader
{
    /// <summary>Takes a part's properties over, its name before each of their names; nothing if there is no such part.</summary>
    public static void AddProperties(IDictionary<string, string> properties, string part, TraceHeader? header)
    {
        if (header is null)
        {
            return;
        }

        foreach ((string key, string value) in header.Properties)
        {
            properties[$"{part} {key}"] = value;
        }
    }
}
