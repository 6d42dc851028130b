using System.Globalization;
using System.Security.Cryptography;

namespace Sim.Tests;

/// <summary>
/// Seeds and sizes of fuzz tests. A seed is drawn anew each time, so that every run of CI looks at something that none has looked at, and is printed; the environment repeats one
/// (<c>NESTSIM_FUZZ_SEED</c>) or asks for more of each (<c>NESTSIM_FUZZ_COUNT</c>).
/// </summary>
internal static class FuzzSeed
{
    private const string SeedVariable = "NESTSIM_FUZZ_SEED";
    private const string CountVariable = "NESTSIM_FUZZ_COUNT";

    /// <summary>A seed that nobody has used, or the one of the environment. It is written where a failing test's output shows it.</summary>
    public static ulong Fresh()
    {
        ulong seed = ulong.TryParse(Environment.GetEnvironmentVariable(SeedVariable), NumberStyles.None, CultureInfo.InvariantCulture, out ulong given) ? given
            : BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)));
        TestContext.Out.WriteLine($"{SeedVariable}={seed}");
        TestContext.Progress.WriteLine($"{TestContext.CurrentContext.Test.Name}: {SeedVariable}={seed}");
        return seed;
    }

    /// <summary>How many: as the test says, or as the environment does.</summary>
    public static int Count(int standard) =>
        int.TryParse(Environment.GetEnvironmentVariable(CountVariable), NumberStyles.None, CultureInfo.InvariantCulture, out int given) ? given : standard;
}
