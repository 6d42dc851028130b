using Sim.Core;

namespace Sim.Reports.Html;

/// <summary>The script and the fonts that a report carries. The build puts them beside the assembly (Sim.Reports.csproj).</summary>
/// <param name="Script">JavaScript that draws the charts and works the tables.</param>
/// <param name="Sans">Font of the text, WOFF2.</param>
/// <param name="Serif">Font of the headline, WOFF2.</param>
public sealed record PageRuntime(string Script, byte[] Sans, byte[] Serif)
{
    /// <summary>Folder of the chart runtime.</summary>
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "chart-runtime");

    /// <summary>True if this build has the chart runtime.</summary>
    public static bool IsBuilt => File.Exists(Path.Combine(Folder, "page.js"));

    /// <summary>The runtime of this build.</summary>
    /// <exception cref="ConfigurationException">It was built without npm.</exception>
    public static PageRuntime Load()
    {
        RequireBuilt();
        return new PageRuntime(File.ReadAllText(Path.Combine(Folder, "page.js")), File.ReadAllBytes(Path.Combine(Folder, "sans.woff2")), File.ReadAllBytes(Path.Combine(Folder, "serif.woff2")));
    }

    /// <summary>Checks that the runtime is there.</summary>
    /// <exception cref="ConfigurationException">It is not.</exception>
    public static void RequireBuilt()
    {
        if (!IsBuilt)
        {
            throw new ConfigurationException(
                "This build of nestsim cannot draw: its chart runtime is missing, because npm (Node 20 or newer) was not there or could not reach its registry when it was built. "
                + "Install Node 20 and build again; '--charts json' writes the charts' specifications without it.");
        }
    }
}
