using System.Numerics;

using Sim.Core;

namespace Sim.Tlb;

/// <summary>
/// Tree pseudo-LRU over a power of two of ways (2 to 64). Node 1 is the root, node n has children 2n and 2n+1; bit n of a set's word says
/// on which side of node n the victim is (0: low ways).
/// </summary>
internal readonly struct TreePlru : IReplacement
{
    private readonly ulong[] _trees;
    private readonly int _ways;

    private TreePlru(int sets, int ways)
    {
        _trees = new ulong[sets];
        _ways = ways;
    }

    public static string RuleName => "tree-plru";

    public static IReplacement Create(int sets, int ways, Rng rng)
    {
        if (ways is < 1 or > 64 || !BitOperations.IsPow2(ways))
        {
            throw new ConfigurationException($"Replacement rule tree-plru needs a power of two of at most 64 ways, found {ways}. Use lru or bit-plru.");
        }

        return new TreePlru(sets, ways);
    }

    /// <summary>The tree after the way was used: every node on its path points away from it.</summary>
    public static ulong Away(ulong tree, int ways, int way)
    {
        for (int node = ways + way; node > 1; node >>= 1)
        {
            int parent = node >> 1;
            tree = (node & 1) == 0 ? tree | (1UL << parent) : tree & ~(1UL << parent);
        }

        return tree;
    }

    /// <summary>The way that the tree points to.</summary>
    public static int PointedTo(ulong tree, int ways)
    {
        int node = 1;
        while (node < ways)
        {
            node = (2 * node) + (int)((tree >> node) & 1);
        }

        return node - ways;
    }

    public void Touch(int set, int way) => _trees[set] = Away(_trees[set], _ways, way);

    public void Fill(int set, int way) => Touch(set, way);

    public int Victim(int set) => PointedTo(_trees[set], _ways);
}
