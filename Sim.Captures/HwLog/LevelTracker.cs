using Sim.Core.Architecture;

namespace Sim.Captures.HwLog;

/// <summary>That a VMCS is the vmcs02 of another one's vCPU, and from which record of the recording on (0: from the start).</summary>
/// <param name="Record">Index of the record, counted as <see cref="LevelTracker.Observe"/> got them.</param>
/// <param name="Vmcs01">Address of vmcs01.</param>
/// <param name="Vmcs02">Address of vmcs02.</param>
public sealed record VmcsLink(long Record, ulong Vmcs01, ulong Vmcs02);

/// <summary>
/// Tells L1 from L2 in a hardware capture, where only VMCS addresses are visible. Rules (KVM's nested.c, any version: one vmcs02 per L1 vCPU, allocated at VMXON and
/// freed at VMXOFF; vmx_switch_vmcs loads it directly after vmcs01):
/// <list type="number">
/// <item>A VMCS whose guest exits with reason 20 or 24 (VMLAUNCH, VMRESUME) is a vmcs01; its vCPU now asks for a nested entry.</item>
/// <item>The VMCS that is loaded directly after it on the same CPU and then entered is its vmcs02, unless that one has itself executed VMLAUNCH or VMRESUME, or
/// another vmcs02 is known. Loading the known vmcs02 while the vCPU asks is the nested entry; loading vmcs01 directly after its vmcs02 is the nested exit. Other loads
/// (the shadow VMCS, another vCPU's VMCS, sync of rare fields) mean nothing.</item>
/// <item>It stays the vmcs02 until its vCPU executes VMXOFF (reason 26), or until it is entered while its vCPU is known to be in L1: then the page was freed and used again.</item>
/// <item>Entering vmcs01 while the vCPU asks is a failed nested entry.</item>
/// </list>
/// Every other VMCS is a vmcs01. A recording that begins inside L2 counts as L1 until the first nested entry shows better; a second pass that knows the links has it right.
/// </summary>
public sealed class LevelTracker
{
    private readonly Dictionary<ulong, Vmcs> _vmcs = [];
    private readonly List<Lane> _lanes = [];
    private readonly List<VmcsLink> _links = [];
    private readonly Queue<VmcsLink> _known;
    private long _records = -1;

    /// <summary>A tracker that learns as it goes, or, with the <see cref="Links"/> of one that has seen the whole recording, knows each link where it begins.</summary>
    public LevelTracker(IEnumerable<VmcsLink>? known = null) => _known = new Queue<VmcsLink>((known ?? []).OrderBy(link => link.Record));

    /// <summary>What was counted so far.</summary>
    public TransitionCounts Counts { get; } = new();

    /// <summary>Level that runs on a CPU: 0, 1, 2, or -1 if nothing was seen of that CPU since the recording (or this window of it) began.</summary>
    public int Level(int cpu) => cpu < _lanes.Count ? _lanes[cpu].Level : -1;

    /// <summary>The vmcs01 of the vCPU whose VMCS was entered, left or given as context last on that CPU, or 0.</summary>
    public ulong Vmcs01(int cpu) => cpu < _lanes.Count && _lanes[cpu].Guest is { } guest ? (guest.Parent ?? guest).Address : 0;

    /// <summary>
    /// Which vmcs02 was found for which vmcs01. The first nested entry of a pair is only recognised when L2 is entered, after L0 has prepared it; a second pass over
    /// the same recording, by a tracker that got these links, sees it where it happens.
    /// </summary>
    public IReadOnlyList<VmcsLink> Links => _links;

    /// <summary>Reads a recording to its end for its links.</summary>
    /// <exception cref="Core.TraceFormatException">The recording is damaged.</exception>
    public static IReadOnlyList<VmcsLink> LinksOf(Func<HwLogReader> open)
    {
        LevelTracker tracker = new();
        HwRecord record = default;
        using HwLogReader reader = open();
        while (reader.Read(ref record))
        {
            tracker.Observe(record);
        }

        return tracker.Links;
    }

    /// <summary>
    /// Takes one record. Afterwards <see cref="Level"/> is the level that runs from here on; before a VM-exit it was the level that exits.
    /// </summary>
    public LevelChange Observe(in HwRecord record)
    {
        _records++;
        while (_known.TryPeek(out VmcsLink? link) && link.Record <= _records)
        {
            _known.Dequeue();
            Link(Find(link.Vmcs01), Find(link.Vmcs02));
        }

        switch (record.Type)
        {
            case HwType.Vmptrld:
                return Load(LaneOf(record.Cpu), record[HwOperand.Vmcs]);
            case HwType.Vmentry:
                return Enter(LaneOf(record.Cpu), Find(record[HwOperand.Vmcs]));
            case HwType.Vmexit:
                Exit(LaneOf(record.Cpu), Find(record[HwOperand.Vmcs]), (VmxExit)record[HwOperand.Reason]);
                return LevelChange.None;
            case HwType.Context:
                SetContext(LaneOf(record.Cpu), record);
                return LevelChange.None;
            case HwType.Mark when record[HwOperand.Command] is 1 or 2:
                ForgetWhereWeAre();
                LaneOf(record.Cpu).Level = record.NonRoot ? -1 : 0;
                return LevelChange.None;
            default:
                Lane lane = LaneOf(record.Cpu);
                lane.Level = record.NonRoot ? lane.Level : 0;
                return LevelChange.None;
        }
    }

    /// <summary>The vmcs01 of the vCPU that <paramref name="vmcs"/> belongs to: itself, or its parent if it is a known vmcs02.</summary>
    public ulong Vmcs01Of(ulong vmcs) => _vmcs.TryGetValue(vmcs, out Vmcs? known) ? (known.Parent ?? known).Address : vmcs;

    /// <summary>The level that executed a record: call after <see cref="Observe"/>, with the level of before for a VM-exit.</summary>
    public int LevelOf(in HwRecord record, int levelBefore) => record.Type switch
    {
        HwType.Vmexit => Find(record[HwOperand.Vmcs]).Parent is null ? 1 : 2,
        HwType.Vmentry => 0,
        _ => record.NonRoot ? Math.Max(levelBefore, -1) : 0,
    };

    private static void Link(Vmcs vmcs01, Vmcs vmcs02)
    {
        Unlink(vmcs01);
        vmcs01.Child = vmcs02;
        vmcs02.Parent = vmcs01;
    }

    private static void Unlink(Vmcs vmcs01)
    {
        if (vmcs01.Child is { } child)
        {
            child.Parent = null;
            vmcs01.Child = null;
        }
    }

    private LevelChange Load(Lane lane, ulong address)
    {
        Vmcs? before = lane.Loaded;
        Vmcs loaded = Find(address);
        lane.LoadedBefore = before;
        lane.Loaded = loaded;
        lane.LoadedAt = _records;
        lane.Level = 0;
        if (before is { State.Asks: true } && before.Child == loaded)
        {
            return before.State.EnterNested();
        }

        return before?.Parent == loaded && before is not null && loaded.State.Level == 2 ? loaded.State.ExitNested() : LevelChange.None;
    }

    private LevelChange Enter(Lane lane, Vmcs entered)
    {
        lane.Guest = entered;
        bool isFirstEntry = !entered.WasEntered;
        entered.WasEntered = true;
        if (entered.Parent is { } parent)
        {
            if (parent.State is not { Level: 1, Asks: false })
            {
                lane.Level = 2;
                return parent.State.Enter(2);
            }

            Unlink(parent);
        }

        if (!entered.IsVmcs01 && lane.Loaded == entered && lane.LoadedBefore is { State.Asks: true, Child: null } asking)
        {
            Link(asking, entered);
            _links.Add(new VmcsLink(isFirstEntry && entered.WasSeenRunning ? 0 : lane.LoadedAt, asking.Address, entered.Address));
            lane.Level = 2;
            return asking.State.Enter(2);
        }

        lane.Level = 1;
        return entered.State.Enter(1);
    }

    private static void Exit(Lane lane, Vmcs left, VmxExit reason)
    {
        lane.Guest = left;
        left.WasSeenRunning = true;
        lane.Loaded ??= left;
        lane.Level = 0;
        if (left.Parent is { } parent)
        {
            parent.State.Exit(2, asks: false);
            return;
        }

        bool asks = reason is VmxExit.Vmlaunch or VmxExit.Vmresume;
        left.IsVmcs01 |= asks;
        left.State.Exit(1, asks);
        if (reason == VmxExit.Vmxoff)
        {
            Unlink(left);
        }
    }

    private void SetContext(Lane lane, in HwRecord record)
    {
        if (!record.NonRoot)
        {
            lane.Level = 0;
            return;
        }

        lane.Guest = Find(record[HwOperand.Vmcs]);
        lane.Guest.WasSeenRunning = true;
        lane.Loaded ??= lane.Guest;
        lane.Level = lane.Guest.Parent is null ? 1 : 2;
    }

    // Between two windows nothing is recorded: roles are kept, positions are not.
    private void ForgetWhereWeAre()
    {
        foreach (Vmcs vmcs in _vmcs.Values)
        {
            vmcs.State.Begin(0);
        }

        foreach (Lane lane in _lanes)
        {
            lane.Loaded = null;
            lane.LoadedBefore = null;
            lane.Level = -1;
        }
    }

    private Lane LaneOf(int cpu)
    {
        while (_lanes.Count <= cpu)
        {
            _lanes.Add(new Lane());
        }

        return _lanes[cpu];
    }

    private Vmcs Find(ulong address)
    {
        if (!_vmcs.TryGetValue(address, out Vmcs? vmcs))
        {
            vmcs = new Vmcs(address, Counts);
            _vmcs.Add(address, vmcs);
        }

        return vmcs;
    }

    private sealed class Vmcs(ulong address, TransitionCounts counts)
    {
        public ulong Address { get; } = address;

        public Vmcs? Parent { get; set; }

        public Vmcs? Child { get; set; }

        public bool IsVmcs01 { get; set; }

        public bool WasEntered { get; set; }

        // Left, or given as context: before its first entry this means that the recording began while it ran.
        public bool WasSeenRunning { get; set; }

        // Of the vCPU whose vmcs01 this is.
        public VcpuLevel State { get; } = new(counts);
    }

    private sealed class Lane
    {
        public Vmcs? Loaded { get; set; }

        public Vmcs? LoadedBefore { get; set; }

        public long LoadedAt { get; set; }

        public Vmcs? Guest { get; set; }

        public int Level { get; set; } = -1;
    }
}
