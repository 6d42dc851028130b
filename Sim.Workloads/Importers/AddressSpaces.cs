namespace Sim.Workloads.Importers;

/// <summary>
/// Roots of page tables for the address spaces (processes) that a program trace names by numbers: the first has the root that every lane runs with at the start, 0, and each further one
/// the next page. So a trace of one process has no MOV to CR3 at all.
/// </summary>
internal sealed class AddressSpaces
{
    private const int PageShift = 12;

    private readonly Dictionary<ulong, ulong> _roots = [];
    private readonly Dictionary<int, ulong> _current = [];

    /// <summary>The root to load on a lane if this space is not the one that runs there; null if it is.</summary>
    public ulong? Root(int lane, ulong space)
    {
        if (!_roots.TryGetValue(space, out ulong root))
        {
            root = (ulong)_roots.Count << PageShift;
            _roots.Add(space, root);
        }

        if (_current.GetValueOrDefault(lane) == root)
        {
            return null;
        }

        _current[lane] = root;
        return root;
    }
}
