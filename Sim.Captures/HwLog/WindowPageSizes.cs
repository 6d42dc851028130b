namespace Sim.Captures.HwLog;

/// <summary>
/// How large the pages of a memory window are. The guest's are recorded: page walks tell them (lines F). Those of the second-level tables are recorded if a list beside the window
/// tells them (<see cref="PageSizeList"/>), else inferred.
/// </summary>
/// <remarks>
/// A second-level page of 2 MiB moves everything inside by one distance, and that is a multiple of 2 MiB. So pages of one 2 MiB region that all lie at such a distance from where they
/// are in host memory are taken to be in one; single 4 KiB pages, and pages at any other distance, are taken to have second-level pages of 4 KiB. A guest that maps its memory at a
/// distance of its own (a program's small pages) hides large pages so, which changes a few references of walks and no TLB entry, for that has the smaller size of the two.
/// </remarks>
internal sealed class WindowPageSizes
{
    private const int SmallShift = 12;
    private const int LargeShift = 21;
    private const ulong Small = 1UL << SmallShift;
    private const ulong Large = 1UL << LargeShift;
    private const ulong FrameMask = 0x000F_FFFF_FFFF_F000;

    private readonly Dictionary<(ulong Guest, ulong Root), WindowPages> _programs = [];
    private readonly Dictionary<ulong, WindowPages> _kernels = [];
    private WindowTables? _context;

    /// <summary>Takes in what a first pass over the window sees, in order.</summary>
    public void Take(in HwRecord record)
    {
        if (record.Type == HwType.Context)
        {
            _context = TablesOf(record);
        }
        else if (record.Type == HwType.Walk && _context is { } tables)
        {
            ulong address = record[HwOperand.Linear];
            tables.PagesOf(address).Add(address >> SmallShift, record[HwOperand.Size], record[HwOperand.Physical] - address);
        }
    }

    /// <summary>Takes in one line of the list of second-level page sizes.</summary>
    public void Take(in ListedPage page) => TablesOf(page).PagesOf(page.Address).AddSecond(page.Address >> SmallShift, page.SecondLevelSize);

    /// <summary>The first pass is over: sizes of second-level pages that no list told are inferred.</summary>
    public void Complete()
    {
        foreach (WindowPages pages in _programs.Values.Concat(_kernels.Values))
        {
            pages.Infer();
        }
    }

    /// <summary>The tables that translate in the context of a line C.</summary>
    public WindowTables TablesOf(in HwRecord context) => TablesOf(context.NonRoot, context[HwOperand.Vpid], context[HwOperand.Eptp], context[HwOperand.Cr3]);

    /// <summary>The tables that translated in a walk of the list.</summary>
    public WindowTables TablesOf(in ListedPage page) => TablesOf(page.NonRoot, page.Vpid, page.Eptp, page.Cr3);

    private WindowTables TablesOf(bool nonRoot, ulong vpid, ulong eptp, ulong cr3)
    {
        ulong guest = !nonRoot ? 0 : eptp != 0 ? eptp : vpid | 1UL << 63;
        if (!_kernels.TryGetValue(guest, out WindowPages? kernel))
        {
            _kernels.Add(guest, kernel = new WindowPages(eptp != 0 && nonRoot));
        }

        if (!_programs.TryGetValue((guest, cr3 & FrameMask), out WindowPages? program))
        {
            _programs.Add((guest, cr3 & FrameMask), program = new WindowPages(eptp != 0 && nonRoot));
        }

        return new WindowTables(program, kernel);
    }

    /// <summary>The page tables of one context: those of its root, and the upper half that all roots of its kernel share.</summary>
    internal sealed record WindowTables(WindowPages Program, WindowPages Kernel)
    {
        public WindowPages PagesOf(ulong address) => address >> 63 == 0 ? Program : Kernel;

        /// <summary>Bytes of the guest's page around an address; 0 if it is not known.</summary>
        public ulong SizeOf(ulong address) => PagesOf(address).SizeOf(address);

        /// <summary>The sizes of the page around an address, once for each page.</summary>
        /// <returns>False if they are not known, or were told before.</returns>
        public bool TryTell(ulong address, out ulong first, out ulong size, out ulong secondLevel) => PagesOf(address).TryTell(address, out first, out size, out secondLevel);
    }

    /// <summary>Pages of one tree, by page number in 4 KiB.</summary>
    internal sealed class WindowPages(bool hasSecondLevel)
    {
        private readonly Dictionary<ulong, Page> _pages = [];
        private readonly Dictionary<ulong, ulong> _larger = [];
        private readonly HashSet<ulong> _told = [];

        public void Add(ulong number, ulong size, ulong distance)
        {
            Page page = _pages.GetValueOrDefault(number);
            _pages[number] = page with { Size = size, Distance = distance };
            if (size >= Large)
            {
                _larger[number >> (LargeShift - SmallShift)] = size;
            }
        }

        public void AddSecond(ulong number, ulong size) => _pages[number] = _pages.GetValueOrDefault(number) with { Second = size };

        public void Infer()
        {
            if (!hasSecondLevel)
            {
                return;
            }

            foreach (IGrouping<ulong, KeyValuePair<ulong, Page>> region in _pages.Where(page => page.Value is { Size: not 0, Second: 0 }).GroupBy(page => page.Key >> (LargeShift - SmallShift)).ToArray())
            {
                foreach (IGrouping<ulong, KeyValuePair<ulong, Page>> run in region.GroupBy(page => page.Value.Distance))
                {
                    bool inside = run.Key % Large == 0 && (run.Count() > 1 || run.First().Value.Size >= Large);
                    foreach ((ulong number, Page page) in run)
                    {
                        _pages[number] = page with { Second = inside ? Large : Small };
                    }
                }
            }
        }

        public ulong SizeOf(ulong address) =>
            _pages.TryGetValue(address >> SmallShift, out Page page) && page.Size != 0 ? page.Size : _larger.GetValueOrDefault(address >> LargeShift);

        public ulong SecondOf(ulong address) => _pages.GetValueOrDefault(address >> SmallShift).Second;

        public bool TryTell(ulong address, out ulong first, out ulong size, out ulong secondLevel)
        {
            size = SizeOf(address);
            first = size == 0 ? 0 : address & ~(size - 1);
            secondLevel = 0;
            if (size == 0 || !_told.Add(first))
            {
                return false;
            }

            secondLevel = SmallestInside(first >> SmallShift, size >> SmallShift);
            return true;
        }

        // A large page of the guest is held in pieces as small as the smallest second-level page inside.
        private ulong SmallestInside(ulong first, ulong count) => count == 1 ? _pages[first].Second
            : _pages.Where(page => page.Key >= first && page.Key < first + count && page.Value.Second != 0).Select(page => page.Value.Second).DefaultIfEmpty().Min();

        private readonly record struct Page(ulong Size, ulong Distance, ulong Second);
    }
}
