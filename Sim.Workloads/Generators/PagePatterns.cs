using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Generators;

/// <summary>What the generators of plain page patterns have in common: where the pages lie, and their options.</summary>
internal static class PagePatterns
{
    /// <summary>Base of user data, far below the top of 47 bits.</summary>
    public const ulong UserBase = 0x7F00_0000_0000;

    /// <summary>Size of the pages counted.</summary>
    public const ulong PageBytes = 4096;

    /// <summary>Bytes of an access, and its alignment.</summary>
    public const ulong WordBytes = 8;

    /// <summary>Privilege level of user programs.</summary>
    public const int User = 3;

    /// <summary>Most pages a generator may use: 2^24, 64 GB.</summary>
    public const ulong MaxPages = 1 << 24;

    /// <summary>Number of pages.</summary>
    public static GeneratorOption Pages(ulong standard) => GeneratorOption.Number("pages", "4K pages touched.", standard, 1, MaxPages);

    /// <summary>Share of writes.</summary>
    public static GeneratorOption WritePercent { get; } = GeneratorOption.Number("write-percent", "Percentage of accesses that write.", 25, 0, 100);

    /// <summary>Address of a word of a page.</summary>
    public static ulong Address(ulong page, ulong word) => UserBase + (page * PageBytes) + (word * WordBytes);

    /// <summary>A uniformly chosen word of a page.</summary>
    public static ulong AnyWord(ref Rng rng) => rng.Below(PageBytes / WordBytes);

    /// <summary>0 .. count-1 in random order (Fisher-Yates); <paramref name="cyclic"/> makes it one single cycle (Sattolo).</summary>
    public static uint[] Permutation(ref Rng rng, ulong count, bool cyclic)
    {
        uint[] order = new uint[count];
        for (uint i = 0; i < order.Length; i++)
        {
            order[i] = i;
        }

        for (int i = order.Length - 1; i > 0; i--)
        {
            int j = (int)rng.Below((ulong)(cyclic ? i : i + 1));
            (order[i], order[j]) = (order[j], order[i]);
        }

        return order;
    }
}

/// <summary>Every access goes to a page chosen uniformly.</summary>
[Component("uniform-pages", Summary = "Accesses to pages chosen uniformly: the hit ratio of an N-entry TLB is N over pages.")]
internal sealed class UniformPages : IWorkloadGenerator
{
    /// <inheritdoc/>
    public IReadOnlyList<GeneratorOption> Options { get; } = [PagePatterns.Pages(4096), PagePatterns.WritePercent];

    /// <inheritdoc/>
    public void Generate(GeneratorSettings settings, GeneratedLane lane)
    {
        ulong pages = settings.Number("pages");
        ulong writes = settings.Number("write-percent");
        Rng rng = settings.Random("uniform-pages");
        while (lane.Remaining > 0)
        {
            ulong page = rng.Below(pages);
            lane.Access(PagePatterns.Address(page, PagePatterns.AnyWord(ref rng)), GeneratedLane.ReadOrWrite(ref rng, writes), PagePatterns.User);
        }
    }
}

/// <summary>The k-th most popular page is accessed in proportion to 1 over k to the exponent.</summary>
/// <remarks>Exponents go in quarters, so that powers need only multiplication and square roots, which IEEE 754 rounds the same way on every machine.</remarks>
[Component("zipf-pages", Summary = "Accesses to pages by Zipf's law: few are hot, many are cold.")]
internal sealed class ZipfPages : IWorkloadGenerator
{
    private const ulong MaxRanked = 1 << 22;

    /// <inheritdoc/>
    public IReadOnlyList<GeneratorOption> Options { get; } =
    [
        GeneratorOption.Number("pages", "4K pages touched.", 16_384, 1, MaxRanked),
        GeneratorOption.Number("exponent-quarters", "Four times Zipf's exponent: 4 is the classic law, 0 is uniform.", 4, 0, 16),
        PagePatterns.WritePercent,
    ];

    /// <inheritdoc/>
    public void Generate(GeneratorSettings settings, GeneratedLane lane)
    {
        ulong writes = settings.Number("write-percent");
        double[] cumulative = Cumulative(settings.Number("pages"), (int)settings.Number("exponent-quarters"));
        Rng places = settings.Random("zipf-pages.places");
        uint[] pageOfRank = PagePatterns.Permutation(ref places, (ulong)cumulative.Length, cyclic: false);
        Rng rng = settings.Random("zipf-pages");
        while (lane.Remaining > 0)
        {
            int rank = Array.BinarySearch(cumulative, rng.NextDouble() * cumulative[^1]);
            rank = rank < 0 ? ~rank : rank + 1;
            ulong page = pageOfRank[Math.Min(rank, pageOfRank.Length - 1)];
            lane.Access(PagePatterns.Address(page, PagePatterns.AnyWord(ref rng)), GeneratedLane.ReadOrWrite(ref rng, writes), PagePatterns.User);
        }
    }

    private static double[] Cumulative(ulong pages, int quarters)
    {
        double[] cumulative = new double[pages];
        double sum = 0;
        for (int rank = 0; rank < cumulative.Length; rank++)
        {
            double k = rank + 1;
            double power = 1;
            for (int whole = quarters / 4; whole > 0; whole--)
            {
                power *= k;
            }

            double root = Math.Sqrt(k);
            power *= (quarters & 2) != 0 ? root : 1;
            power *= (quarters & 1) != 0 ? Math.Sqrt(root) : 1;
            sum += 1 / power;
            cumulative[rank] = sum;
        }

        return cumulative;
    }
}

/// <summary>A walk through memory with a fixed stride.</summary>
[Component("sequential", Summary = "A walk through memory with a fixed stride, from the start again at the end.")]
internal sealed class Sequential : IWorkloadGenerator
{
    /// <inheritdoc/>
    public IReadOnlyList<GeneratorOption> Options { get; } =
        [PagePatterns.Pages(65_536), GeneratorOption.Number("stride", "Bytes from one access to the next.", 64, 8, 1 << 30), PagePatterns.WritePercent];

    /// <inheritdoc/>
    public void Generate(GeneratorSettings settings, GeneratedLane lane)
    {
        ulong bytes = settings.Number("pages") * PagePatterns.PageBytes;
        ulong stride = settings.Number("stride");
        ulong writes = settings.Number("write-percent");
        Rng rng = settings.Random("sequential");
        for (ulong offset = 0; lane.Remaining > 0; offset = (offset + stride) % bytes)
        {
            lane.Access(PagePatterns.UserBase + (offset & ~(PagePatterns.WordBytes - 1)), GeneratedLane.ReadOrWrite(ref rng, writes), PagePatterns.User);
        }
    }
}

/// <summary>Dependent loads along one random cycle through all pages.</summary>
[Component("pointer-chase", Summary = "Loads along one random cycle through all pages, one word of each.")]
internal sealed class PointerChase : IWorkloadGenerator
{
    /// <inheritdoc/>
    public IReadOnlyList<GeneratorOption> Options { get; } = [PagePatterns.Pages(8192)];

    /// <inheritdoc/>
    public void Generate(GeneratorSettings settings, GeneratedLane lane)
    {
        Rng rng = settings.Random("pointer-chase");
        uint[] next = PagePatterns.Permutation(ref rng, settings.Number("pages"), cyclic: true);
        for (uint page = 0; lane.Remaining > 0; page = next[page])
        {
            ulong word = Hash64.Mix(page) % (PagePatterns.PageBytes / PagePatterns.WordBytes);
            lane.Access(PagePatterns.Address(page, word), AccessType.Read, PagePatterns.User);
        }
    }
}

/// <summary>One read of each page in turn.</summary>
[Component("round-robin", Summary = "One read of each page in turn: N+1 pages miss always in an N-entry LRU set.")]
internal sealed class RoundRobin : IWorkloadGenerator
{
    /// <inheritdoc/>
    public IReadOnlyList<GeneratorOption> Options { get; } = [PagePatterns.Pages(65)];

    /// <inheritdoc/>
    public void Generate(GeneratorSettings settings, GeneratedLane lane)
    {
        ulong pages = settings.Number("pages");
        for (ulong page = 0; lane.Remaining > 0; page = (page + 1) % pages)
        {
            lane.Access(PagePatterns.Address(page, 0), AccessType.Read, PagePatterns.User);
        }
    }
}
