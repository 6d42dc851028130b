namespace Sim.Core;

/// <summary>
/// SplitMix64 (Steele, Lea, Flood 2014): small, seeded, the same on every machine. Each component takes a stream of its own with
/// <see cref="Fork"/>, so that adding a component does not shift another's numbers.
/// </summary>
public struct Rng
{
    private ulong _state;

    /// <summary>A generator with this seed.</summary>
    public Rng(ulong seed) => _state = seed;

    /// <summary>An independent stream for a component named by its path.</summary>
    public static Rng Fork(ulong seed, string path) => new(Hash64.Mix(seed ^ Hash64.Of(path)));

    /// <summary>64 uniform bits.</summary>
    public ulong Next()
    {
        _state += 0x9E3779B97F4A7C15;
        return Hash64.Mix(_state);
    }

    /// <summary>Uniform in 0 .. bound-1 (multiply-shift; the bias is below 2^-32 for bounds below 2^32).</summary>
    public ulong Below(ulong bound) => (ulong)(((UInt128)Next() * bound) >> 64);

    /// <summary>Uniform in [0, 1), 53 bits. For generators and statistics only, never for model state.</summary>
    public double NextDouble() => (Next() >> 11) * (1.0 / (1UL << 53));
}

/// <summary>Hashes that are the same on every machine and in every process.</summary>
public static class Hash64
{
    /// <summary>The SplitMix64 finaliser: a bijection that mixes every bit into every bit.</summary>
    public static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>FNV-1a over the UTF-16 code units.</summary>
    public static ulong Of(string text)
    {
        ulong hash = 0xCBF29CE484222325;
        foreach (char c in text)
        {
            hash = (hash ^ c) * 0x100000001B3;
        }

        return hash;
    }
}
