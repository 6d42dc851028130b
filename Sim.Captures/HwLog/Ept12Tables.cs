using Sim.Core.Architecture;

namespace Sim.Captures.HwLog;

/// <summary>What L0 or L1 did with EPT12's tables, and when it takes effect.</summary>
/// <param name="Record">Index of the record that comes after it.</param>
/// <param name="Cpu">Physical CPU.</param>
/// <param name="Vmcs01">The L1 vCPU.</param>
/// <param name="Address">L2-physical address of the fault that L0 handled, or L1-physical address of L1's write.</param>
/// <param name="Walk">The tables that L0 walked; null for a write of L1.</param>
/// <param name="IsEmulated">L1's write was emulated; else the instruction runs again.</param>
/// <param name="IsFromBefore">The page was made read-only before the recording began, as far as it tells: no table in it is known to be there.</param>
internal sealed record Ept12Event(long Record, int Cpu, ulong Vmcs01, ulong Address, Ept12Walk? Walk, bool IsEmulated, bool IsFromBefore = false);

/// <summary>A walk of EPT12: the tables of level 1 to 4.</summary>
internal sealed class Ept12Walk(Ept12Table[] tables, Ept12Region region)
{
    /// <summary>Size of EPT12's mapping in bytes.</summary>
    public ulong Size => region.IsLarge ? 2UL << 20 : 4096;

    /// <summary>L1-physical address of the table of a level, 0 if it is not known or the walk ends above.</summary>
    public ulong TableOf(int level) => level == 1 && region.IsLarge ? 0 : tables[level - 1].Page ?? 0;
}

/// <summary>A table of EPT12 that L0 has walked through.</summary>
internal sealed class Ept12Table(int level)
{
    public int Level { get; } = level;

    /// <summary>L1-physical address of the page; null while nothing has told it.</summary>
    public ulong? Page { get; set; }

    /// <summary>Entries that L0 has found present, with the table below, or null at the last level.</summary>
    public SortedDictionary<int, Ept12Table?> Present { get; } = [];
}

/// <summary>2 MiB of L2's memory: whether EPT12 maps it at once.</summary>
internal sealed class Ept12Region
{
    private ulong? _told;
    private bool _othersHandled;
    private bool _toldAgain;
    private bool _handledFirst;

    /// <summary>L1 was told of one absent page only, the first that was touched, and L0 then mapped others: EPT12 has a 2 MiB mapping.</summary>
    public bool IsLarge => _told is not null && !_toldAgain && !_handledFirst && _othersHandled;

    public void Reflected(ulong page)
    {
        _toldAgain |= _told is not null && _told != page;
        _told ??= page;
    }

    public void Handled(ulong page)
    {
        _handledFirst |= _told is null;
        _othersHandled |= _told is not null && _told != page;
    }
}

/// <summary>
/// First pass over a capture: finds L0's walks of EPT12 and L1's writes to its tables, and infers which page of L1's memory holds which table, as page contents are not recorded.
/// </summary>
/// <remarks>
/// <list type="bullet">
/// <item>An EPT violation of L2 that is not followed by a nested VM-exit was allowed by EPT12: L0 walked it.</item>
/// <item>A write of L1 to a present, read-only page that does not run again after the exit was emulated: the page is a table above the last level. It is that table whose entry is
/// the one L1 was told is missing, else one whose written entry was present; lower levels and younger tables first.</item>
/// <item>One that runs again after such a telling, at the index of the missing page, is to the last-level table of the region.</item>
/// <item>The effect lies at the first call-function IPI that the CPU sends while it handles the exit (the kick of kvm_flush_remote_tlbs); else, on the way from exit to entry, at 5/8 for a
/// walk and 3/4 for a write. These are where kvm_flush_remote_tlbs lies on average in the function trace of single-CPU recordings (62 % and 77 %).</item>
/// </list>
/// </remarks>
internal sealed class Ept12Tables(Vmcs12s vmcs12s)
{
    private const ulong PageMask = ~0xFFFUL;
    private const int RootLevel = 4;

    // A CPU that handles an exit and then idles must not fill the memory.
    private const int MostRecords = 1 << 16;

    private readonly List<Ept12Event> _events = [];
    private readonly List<Ept12Table> _tables = [];
    private readonly Dictionary<Root, Ept12Table> _walked = [];
    private readonly Dictionary<(Root Root, ulong Address), Ept12Region> _regions = [];
    private readonly Dictionary<ulong, Ept12Table> _pages = [];
    private readonly HashSet<ulong> _roots = [];
    private readonly Dictionary<ulong, Vcpu> _vcpus = [];
    private readonly Dictionary<int, Vcpu> _handling = [];
    private readonly List<(long Index, ulong Ticks)> _whileHandling = [];
    private bool _anyNested;

    /// <summary>The events in the order of their records. Call once, behind the last record.</summary>
    public IReadOnlyList<Ept12Event> Events() => [.. _events.OrderBy(e => e.Record)];

    /// <summary>L1-physical address of the root of EPT12 that an L1 vCPU used before it named one by INVEPT, 0 if nothing told it.</summary>
    public ulong FirstRootOf(ulong vmcs01) => _vcpus.TryGetValue(vmcs01, out Vcpu? vcpu) && vcpu.FirstRoot is { } root && _walked.TryGetValue(root, out Ept12Table? table) ? table.Page ?? 0 : 0;

    /// <summary>Takes a record that <paramref name="levels"/> has observed.</summary>
    public void Take(long index, in HwRecord record, LevelTracker levels, LevelChange change)
    {
        ulong vmcs01 = levels.Vmcs01(record.Cpu);
        switch (record.Type)
        {
            case HwType.Vmexit:
                Exit(index, record, VcpuOf(vmcs01), levels.LevelOf(record, -1));
                break;
            case HwType.GuestInvept when record[HwOperand.InvalidationType] == 1:
                _roots.Add(record[HwOperand.Eptp] & PageMask);
                break;
            case HwType.IpiSend when (HostVector)record[HwOperand.Vector] is HostVector.CallFunctionSingle or HostVector.CallFunction && _handling.TryGetValue(record.Cpu, out Vcpu? sender):
                sender.Kick ??= index;
                break;
            default:
                break;
        }

        if (_handling.Count > 0 && _whileHandling.Count < MostRecords)
        {
            _whileHandling.Add((index, record.Ticks));
        }

        if (change == LevelChange.NestedExit)
        {
            Reflect(VcpuOf(vmcs01));
        }
        else if (change == LevelChange.NestedEntry)
        {
            _anyNested = true;
            VcpuOf(vmcs01).Told = null;
        }

        if (record.Type == HwType.Vmentry)
        {
            Enter(VcpuOf(vmcs01), record);
            _handling.Remove(record.Cpu);
            if (_handling.Count == 0)
            {
                _whileHandling.Clear();
            }
        }
    }

    private void Exit(long index, in HwRecord record, Vcpu vcpu, int level)
    {
        vcpu.Violation = null;
        vcpu.Kick = null;
        bool isWrite = ((EptViolationQualification)record[HwOperand.Qualification] & EptViolationQualification.WriteAccess) != 0 && ((EptViolationQualification)record[HwOperand.Qualification] & EptViolationQualification.Present) != 0;
        if ((VmxExit)record[HwOperand.Reason] == VmxExit.EptViolation && (level == 2 || isWrite))
        {
            vcpu.Violation = record;
            vcpu.ViolationIndex = index;
            vcpu.ViolationLevel = level;
            _handling[record.Cpu] = vcpu;
        }
    }

    private void Reflect(Vcpu vcpu)
    {
        if (vcpu.Violation is { } violation && vcpu.ViolationLevel == 2 && ((EptViolationQualification)violation[HwOperand.Qualification] & EptViolationQualification.Present) == 0)
        {
            vcpu.Told = violation[HwOperand.GuestPhysical] & PageMask;
            vcpu.ToldRoot = RootOf(vcpu, violation);
            RegionOf(vcpu.ToldRoot, vcpu.Told.Value).Reflected(vcpu.Told.Value);
        }

        vcpu.Violation = null;
    }

    private void Enter(Vcpu vcpu, in HwRecord entry)
    {
        if (vcpu.Violation is not { } violation)
        {
            return;
        }

        vcpu.Violation = null;
        ulong address = violation[HwOperand.GuestPhysical];
        if (vcpu.ViolationLevel == 2)
        {
            Root root = RootOf(vcpu, violation);
            vcpu.FirstRoot ??= root.Eptp12 == 0 ? root : null;
            Ept12Walk walk = Walk(root, address & PageMask);
            _events.Add(new Ept12Event(vcpu.Kick ?? OnTheWay(vcpu, violation, entry, 5), violation.Cpu, vcpu.Vmcs01, address, walk, false));
            return;
        }

        bool isEmulated = entry[HwOperand.Rip] != violation[HwOperand.Rip];
        if (isEmulated && !(_anyNested && IsKnown(address & PageMask)))
        {
            _events.Add(new Ept12Event(vcpu.ViolationIndex + 1, violation.Cpu, vcpu.Vmcs01, address, null, true, IsFromBefore: true));
        }

        if (!_anyNested)
        {
            return;
        }

        _events.Add(new Ept12Event(vcpu.Kick ?? OnTheWay(vcpu, violation, entry, 6), violation.Cpu, vcpu.Vmcs01, address, null, isEmulated));
        if (isEmulated)
        {
            Emulated(vcpu, address);
        }
        else
        {
            Permitted(vcpu, address);
        }
    }

    /// <summary>Index of the first record that comes that many eighths of the way from exit to entry.</summary>
    private long OnTheWay(Vcpu vcpu, in HwRecord exit, in HwRecord entry, ulong eighths)
    {
        ulong ticks = exit.Ticks + ((Math.Max(entry.Ticks, exit.Ticks) - exit.Ticks) * eighths / 8);
        int found = _whileHandling.FindIndex(record => record.Index > vcpu.ViolationIndex && record.Ticks >= ticks);
        return found >= 0 ? _whileHandling[found].Index : vcpu.ViolationIndex + 1;
    }

    private Ept12Walk Walk(Root root, ulong address)
    {
        if (!_walked.TryGetValue(root, out Ept12Table? table))
        {
            table = Add(RootLevel);
            table.Page = root.Eptp12 != 0 ? root.Eptp12 & PageMask : null;
            _walked.Add(root, table);
        }

        Ept12Table[] tables = new Ept12Table[RootLevel];
        for (int level = RootLevel; level > 0; level--)
        {
            tables[level - 1] = table;
            int index = IndexOf(address, level);
            if (!table.Present.TryGetValue(index, out Ept12Table? below))
            {
                below = level > 1 ? Add(level - 1) : null;
                table.Present.Add(index, below);
            }

            table = below!;
        }

        Ept12Region region = RegionOf(root, address);
        region.Handled(address);
        return new Ept12Walk(tables, region);
    }

    private Ept12Table Add(int level)
    {
        Ept12Table table = new(level);
        _tables.Add(table);
        return table;
    }

    private bool IsKnown(ulong page) => _pages.ContainsKey(page) || _roots.Contains(page);

    private void Emulated(Vcpu vcpu, ulong address)
    {
        ulong page = address & PageMask;
        int index = (int)(address & ~PageMask) / sizeof(ulong);
        if (!_pages.TryGetValue(page, out Ept12Table? table) && !_roots.Contains(page))
        {
            table = Missing(vcpu, index) ?? Youngest(t => t.Present.ContainsKey(index)) ?? Youngest(_ => true);
            if (table is not null)
            {
                table.Page = page;
                _pages.Add(page, table);
            }
        }

        // What was below is not walked through any more: L1 may put another table there.
        table?.Present.Remove(index);
    }

    private void Permitted(Vcpu vcpu, ulong address)
    {
        ulong page = address & PageMask;
        _pages.Remove(page);
        _roots.Remove(page);
        if (vcpu.Told is { } told && IndexOf(told, 1) == (int)(address & ~PageMask) / sizeof(ulong) && Find(vcpu.ToldRoot, told, 1) is { } last)
        {
            last.Page ??= page;
        }
    }

    /// <summary>The table in which L1 makes the entry that it was told is missing.</summary>
    private Ept12Table? Missing(Vcpu vcpu, int index)
    {
        for (int level = 2; vcpu.Told is { } told && level <= RootLevel; level++)
        {
            if (Find(vcpu.ToldRoot, told, level) is { Page: null } table && IndexOf(told, level) == index && !table.Present.ContainsKey(index))
            {
                return table;
            }
        }

        return null;
    }

    private Ept12Table? Find(Root root, ulong address, int level)
    {
        Ept12Table? table = _walked.GetValueOrDefault(root);
        while (table is not null && table.Level > level)
        {
            table = table.Present.GetValueOrDefault(IndexOf(address, table.Level));
        }

        return table;
    }

    private Ept12Table? Youngest(Func<Ept12Table, bool> match)
    {
        for (int level = 2; level <= RootLevel; level++)
        {
            if (_tables.FindLast(table => table.Level == level && table.Page is null && match(table)) is { } found)
            {
                return found;
            }
        }

        return null;
    }

    private static int IndexOf(ulong address, int level) => (int)(address >> (12 + (9 * (level - 1)))) & 511;

    private Root RootOf(Vcpu vcpu, in HwRecord violation) => new(vmcs12s.Current(vcpu.Vmcs01).Eptp ?? 0, violation[HwOperand.Eptp]);

    private Ept12Region RegionOf(Root root, ulong address)
    {
        (Root, ulong) key = (root, address >> 21);
        if (!_regions.TryGetValue(key, out Ept12Region? region))
        {
            region = new Ept12Region();
            _regions.Add(key, region);
        }

        return region;
    }

    private Vcpu VcpuOf(ulong vmcs01)
    {
        if (!_vcpus.TryGetValue(vmcs01, out Vcpu? vcpu))
        {
            vcpu = new Vcpu(vmcs01);
            _vcpus.Add(vmcs01, vcpu);
        }

        return vcpu;
    }

    private readonly record struct Root(ulong Eptp12, ulong Eptp02);

    private sealed class Vcpu(ulong vmcs01)
    {
        public ulong Vmcs01 { get; } = vmcs01;

        public Root? FirstRoot { get; set; }

        public HwRecord? Violation { get; set; }

        public long ViolationIndex { get; set; }

        public int ViolationLevel { get; set; }

        public long? Kick { get; set; }

        /// <summary>The absent page of which L1 was told at the last nested VM-exit.</summary>
        public ulong? Told { get; set; }

        public Root ToldRoot { get; set; }
    }
}
