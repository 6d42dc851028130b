using Sim.Core.Profiles;
using Sim.Experiments;

namespace Sim.Benches;

/// <summary>The textbook CPU that the C loop models too.</summary>
internal static class Reference
{
    public static CpuProfile Profile { get; } = ProfileReader.Read(ProfileLibrary.Find("reference-64-1536").Path, Components.Replacements);
}
