namespace Sim.Kvm.Tests.Safety;

/// <summary>Delta debugging (Zeller, Hildebrandt 2002): finds a short subsequence of operations that still fails.</summary>
internal static class FuzzShrinker
{
    /// <summary>A subsequence from which no single operation can be left out; <paramref name="fails"/> must hold of the whole.</summary>
    public static IReadOnlyList<FuzzOperation> Shrink(IReadOnlyList<FuzzOperation> operations, Func<IReadOnlyList<FuzzOperation>, bool> fails)
    {
        List<FuzzOperation> left = [.. operations];
        for (int piece = Math.Max(1, left.Count / 2); ; piece = Math.Max(1, piece / 2))
        {
            bool shrunk = false;
            for (int end = left.Count; end > 0; end -= piece)
            {
                int first = Math.Max(0, end - piece);
                List<FuzzOperation> without = [.. left.Take(first), .. left.Skip(end)];
                if (fails(without))
                {
                    left = without;
                    shrunk = true;
                }
            }

            if (piece == 1 && !shrunk)
            {
                return left;
            }
        }
    }
}
