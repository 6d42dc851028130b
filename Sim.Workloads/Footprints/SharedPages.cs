namespace Sim.Workloads.Footprints;

/// <summary>Common numbers for the pages of several recordings: equal addresses of a level are one page, which holds for one boot of one machine.</summary>
internal sealed class SharedPages
{
    private readonly List<RecordedPage> _pages = [];
    private readonly int[][] _sharedOf;

    /// <summary>The pages of these recordings.</summary>
    public SharedPages(IReadOnlyList<RecordedWindow> windows)
    {
        Dictionary<RecordedPage, int> numbers = [];
        _sharedOf = new int[windows.Count][];
        for (int w = 0; w < windows.Count; w++)
        {
            _sharedOf[w] = new int[windows[w].Pages.Count];
            for (int i = 0; i < _sharedOf[w].Length; i++)
            {
                RecordedPage page = windows[w].Pages[i];
                if (!numbers.TryGetValue(page, out int shared))
                {
                    shared = _pages.Count;
                    _pages.Add(page);
                    numbers.Add(page, shared);
                }

                _sharedOf[w][i] = shared;
            }
        }
    }

    /// <summary>How many pages there are.</summary>
    public int Count => _pages.Count;

    /// <summary>A page by its common number.</summary>
    public RecordedPage Page(int number) => _pages[number];

    /// <summary>The common number of each page number of a recording.</summary>
    public ReadOnlySpan<int> Of(int window) => _sharedOf[window];
}
