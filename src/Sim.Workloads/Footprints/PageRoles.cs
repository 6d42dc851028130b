namespace Sim.Workloads.Footprints;

/// <summary>Gives pages of several recordings common numbers: roles.</summary>
internal sealed class PageRoles
{
    private readonly List<RecordedPage> _pages = [];
    private readonly int[][] _roleOf;

    /// <summary>Roles over these recordings.</summary>
    public PageRoles(IReadOnlyList<RecordedWindow> windows)
    {
        Dictionary<RecordedPage, int> numbers = [];
        _roleOf = new int[windows.Count][];
        for (int w = 0; w < windows.Count; w++)
        {
            _roleOf[w] = new int[windows[w].Pages.Count];
            for (int i = 0; i < _roleOf[w].Length; i++)
            {
                RecordedPage page = windows[w].Pages[i];
                if (!numbers.TryGetValue(page, out int role))
                {
                    role = _pages.Count;
                    _pages.Add(page);
                    numbers.Add(page, role);
                }

                _roleOf[w][i] = role;
            }
        }
    }

    /// <summary>How many roles there are.</summary>
    public int Count => _pages.Count;

    /// <summary>The page that stands for a role.</summary>
    public RecordedPage Page(int role) => _pages[role];

    /// <summary>Role of each page number of a recording.</summary>
    public ReadOnlySpan<int> Of(int window) => _roleOf[window];
}
