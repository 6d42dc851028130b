using Sim.Core;

namespace Sim.Tlb;

/// <summary>
/// "(MRU+1)%3 + PLRU4" of TLB;DR (USENIX Security 2022) for the 12-way STLB of Skylake and its successors: three groups of four ways; the
/// victim's group follows the most recently used group, inside it a tree-PLRU of four decides.
/// </summary>
internal readonly struct Plru4Mru3 : IReplacement
{
    private readonly byte[] _recentGroup;
    private readonly byte[] _trees;

    private Plru4Mru3(int sets)
    {
        _recentGroup = new byte[sets];
        _trees = new byte[3 * sets];
    }

    public static string RuleName => "plru4-mru3";

    public static IReplacement Create(int sets, int ways, Rng rng) =>
        ways == 12 ? new Plru4Mru3(sets) : throw new ConfigurationException($"Replacement rule plru4-mru3 is for 12 ways, found {ways}. Use lru or bit-plru.");

    public void Touch(int set, int way)
    {
        int group = way >> 2;
        _recentGroup[set] = (byte)group;
        ref byte tree = ref _trees[(3 * set) + group];
        tree = (byte)TreePlru.Away(tree, 4, way & 3);
    }

    public void Fill(int set, int way) => Touch(set, way);

    public int Victim(int set)
    {
        int group = (_recentGroup[set] + 1) % 3;
        return (4 * group) + TreePlru.PointedTo(_trees[(3 * set) + group], 4);
    }
}
