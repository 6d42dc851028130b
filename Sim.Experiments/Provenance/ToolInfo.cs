using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Sim.Reports.Results;

namespace Sim.Experiments;

/// <summary>Facts about this build and this host, for provenance and <c>nestsim doctor</c>.</summary>
public static class ToolInfo
{
    /// <summary>Version, commit and whether the sources had local changes when this was built.</summary>
    public static ToolVersion Version { get; } = ReadVersion();

    /// <summary>The .NET runtime.</summary>
    public static string Runtime => RuntimeInformation.FrameworkDescription;

    /// <summary>Operating system and architecture.</summary>
    public static string OperatingSystem => $"{RuntimeInformation.OSDescription} {RuntimeInformation.ProcessArchitecture}";

    /// <summary>Model of the host's CPU and the vector width that .NET uses.</summary>
    public static string Cpu { get; } = $"{CpuModel()}, {VectorWidth()}-bit vectors";

    /// <summary>CPU features that the simulator's speed depends on.</summary>
    public static IReadOnlyList<(string Name, bool Present)> CpuFeatures { get; } =
        [("SSE4.2", Sse42.IsSupported), ("AVX2", Avx2.IsSupported), ("BMI2", Bmi2.IsSupported), ("AVX-512F", Avx512F.IsSupported)];

    private static ToolVersion ReadVersion()
    {
        Assembly assembly = typeof(ToolInfo).Assembly;
        string[] parts = (assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0").Split('+');
        string? dirty = assembly.GetCustomAttributes<AssemblyMetadataAttribute>().FirstOrDefault(attribute => attribute.Key == "Dirty")?.Value;
        return new ToolVersion(parts[0], parts.Length > 1 ? parts[1] : "unknown", dirty is null ? null : dirty == "true");
    }

    private static int VectorWidth() => Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 64;

    private static string CpuModel()
    {
        const string Path = "/proc/cpuinfo";
        const string Key = "model name";
        string? line = File.Exists(Path) ? File.ReadLines(Path).FirstOrDefault(l => l.StartsWith(Key, StringComparison.Ordinal)) : null;
        return line is null ? "unknown CPU" : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }
}
