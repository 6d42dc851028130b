namespace Sim.Workloads.Footprints;

/// <summary>
/// Varying pages of one level and side, most recent first. Pages that a stay chooses are put on top together when it ends, so a depth counts pages that earlier stays touched,
/// without those that this stay has chosen already (Mattson's stack distance, by stays).
/// </summary>
internal sealed class RecencyStack
{
    // Least recent first: the top is the end.
    private readonly List<int> _pages = [];
    private readonly HashSet<int> _present = [];
    private readonly List<int> _chosen = [];

    /// <summary>How many pages not chosen by this stay are more recent than <paramref name="page"/>; null if it was never touched.</summary>
    public int? DepthOf(int page)
    {
        if (!_present.Contains(page))
        {
            return null;
        }

        int depth = 0;
        for (int i = _pages.Count - 1; _pages[i] != page; i--)
        {
            depth += _chosen.Contains(_pages[i]) ? 0 : 1;
        }

        return depth;
    }

    /// <summary>The page at a depth, or null if there are not so many.</summary>
    public int? At(int depth)
    {
        for (int i = _pages.Count - 1; i >= 0; i--)
        {
            if (!_chosen.Contains(_pages[i]) && depth-- == 0)
            {
                return _pages[i];
            }
        }

        return null;
    }

    /// <summary>This stay touches the page.</summary>
    public void Choose(int page) => _chosen.Add(page);

    /// <summary>The stay ends.</summary>
    public void EndStay()
    {
        foreach (int page in _chosen)
        {
            if (!_present.Add(page))
            {
                _pages.RemoveAt(_pages.LastIndexOf(page));
            }

            _pages.Add(page);
        }

        _chosen.Clear();
    }
}
