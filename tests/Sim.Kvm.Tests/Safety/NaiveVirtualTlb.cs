using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm.Tests.Safety;

/// <summary>
/// The CPU that L1 sees, with the largest TLB it could have, written a second time: contexts are kept in lists, each invalidation (SDM rules of docs/rules.md#intel-invalidations) goes through the
/// lists, and an access may reach what the tables say, or what they said (<see cref="MapHistory"/>) since the last invalidation that covered it.
/// </summary>
internal sealed class NaiveVirtualTlb(AddressSpaces spaces, bool amd, MapHistory history)
{
    private readonly List<Linear> _linear = [];
    private readonly Dictionary<LinearTag, List<Linear>> _byTag = [];
    private readonly List<Physical> _physical = [];

    public bool L2 { get; private set; }

    public bool V12 { get; private set; }

    public uint Id12 { get; private set; }

    /// <summary>0 if L2 uses no EPT12.</summary>
    public ulong Eptp12 { get; private set; }

    public ulong Vmcs12 { get; private set; }

    public State L1 { get; } = new();

    public Dictionary<ulong, State> L2s { get; } = [];

    public State Now => L2 ? L2s[Vmcs12] : L1;

    public PageTable Tables => L2 ? TablesOfL2(Now.Root) : spaces.L1Tables(Now.Root);

    public PageTable? Ept12 => UsesEpt ? spaces.Ept12(Eptp12) : null;

    private bool UsesEpt => L2 && Eptp12 != 0;

    private uint Vpid => L2 && (V12 || amd) ? Id12 : 0;

    private ulong Ep4ta => UsesEpt && !amd ? Eptp12 : 0;

    private ushort Pcid => (Now.Cr4 & Cr4Bits.Pcide) != 0 ? Now.Pcid : (ushort)0;

    private uint PhysicalVpid => amd ? Vpid : 0;

    /// <summary>The tables of the L2 that is, or was last, active.</summary>
    public PageTable TablesOfL2(ulong root) => spaces.L2Tables(new Vmcs12(Vmcs12, Eptp12 != 0 ? VmControls.EnableEpt : 0, Id12, Eptp12), root);

    public void Enter(ulong vmcs12, bool v12, uint id12, ulong eptp12, TlbControl control)
    {
        (L2, Vmcs12, V12, Id12, Eptp12) = (true, vmcs12, v12, id12, eptp12);
        L2s.TryAdd(vmcs12, new State());
        Transition();
        if (control != TlbControl.None)
        {
            bool all = control == TlbControl.FlushAll;
            Drop(entry => all || (entry.Tag.Vpid == id12 && !(control == TlbControl.FlushAsidNonGlobal && entry.Tag.Global)));
            DropPhysical(entry => all || entry.Vpid == id12);
        }
    }

    public void Exit()
    {
        L2 = false;
        Transition();
    }

    /// <summary>
    /// True unless the guest emptied its TLB of something of these tables, and changed them after, while it was elsewhere: an operating system that keeps count of its changes flushes then.
    /// </summary>
    public bool IsUpToDate(ulong root, ushort pcid)
    {
        PageTable tables = L2 ? TablesOfL2(root) : spaces.L1Tables(root);
        return IsUpToDate(TagOf(false) with { Pcid = pcid }, tables.Owner(0)) && IsUpToDate(TagOf(true) is { Global: true } global ? global : TagOf(true) with { Pcid = pcid }, tables.Owner(ulong.MaxValue));
    }

    public void MovToCr3(ulong root, ushort pcid, bool noFlush)
    {
        (Now.Root, Now.Pcid) = (root, pcid);
        if (!noFlush || (Now.Cr4 & Cr4Bits.Pcide) == 0)
        {
            DropCurrentPcid();
        }
    }

    public void MovToCr4(Cr4Bits value)
    {
        Cr4Bits changed = Now.Cr4 ^ value;
        bool all = (changed & Cr4Bits.Pge) != 0 || (changed & Now.Cr4 & Cr4Bits.Pcide) != 0;
        Now.Cr4 = value;
        if (all)
        {
            Drop(entry => entry.Tag.Vpid == Vpid);
        }
        else if ((changed & value & Cr4Bits.Smep) != 0)
        {
            DropCurrentPcid();
        }
    }

    public void Invlpg(ulong address) => Drop(entry => entry.Tag.Vpid == Vpid && (entry.Tag.Global || entry.Tag.Pcid == Pcid), address);

    public void Invpcid(int type, ushort pcid, ulong address) => Drop(
        entry => entry.Tag.Vpid == Vpid && type switch { 0 or 1 => !entry.Tag.Global && entry.Tag.Pcid == pcid, 2 => true, _ => !entry.Tag.Global }, type == 0 ? address : null);

    public void Invvpid(int type, uint vpid, ulong address) => Drop(
        entry => type switch { 0 or 1 => entry.Tag.Vpid == vpid, 2 => entry.Tag.Vpid != 0, _ => entry.Tag.Vpid == vpid && !entry.Tag.Global }, type == 0 ? address : null);

    public void Invept(int type, ulong eptp)
    {
        Drop(entry => entry.Tag.Combined && (type == 2 || entry.Tag.Ep4ta == eptp));
        DropPhysical(entry => type == 2 || entry.Ep4ta == eptp);
    }

    public void Invlpga(uint asid, ulong address) => Drop(entry => entry.Tag.Vpid == asid, address);

    /// <summary>After an event: the current context may cache any of what is mapped from now on.</summary>
    public void Look()
    {
        PageTable tables = Tables;
        Hold(TagOf(false), tables.Owner(0));
        Hold(TagOf(true), tables.Owner(ulong.MaxValue));
        if (Ept12 is { } ept12)
        {
            Physical? entry = _physical.Find(each => each.Vpid == PhysicalVpid && each.Ep4ta == Ep4ta && each.Tables == ept12);
            if (entry is null)
            {
                _physical.Add(entry = new Physical(PhysicalVpid, Ep4ta, ept12));
            }

            entry.Since = Math.Min(entry.Since, history.Now);
        }
    }

    /// <summary>0: what the tables say; 1: old, permitted; 2: must not be.</summary>
    public int Judge(ulong address, bool isWrite, ulong usedPage, bool usedReadOnly)
    {
        int best = 2;
        if (Tables.TryFind(address, out Mapping now))
        {
            best = Through(now.At(address) >> 12, !now.ReadOnly, isCurrent: true);
        }

        // A global entry may be used whatever CR4.PGE is now.
        LinearTag own = new(Vpid, Pcid, false, UsesEpt && !amd, Ep4ta);
        IEnumerable<Linear> entries = _byTag.GetValueOrDefault(own, []).Concat((long)address < 0 ? _byTag.GetValueOrDefault(own with { Pcid = 0, Global = true }, []) : []);
        foreach (Linear entry in best == 0 ? [] : entries)
        {
            foreach (MapHistory.Version version in history.Since(entry.Tables, address >> 12, entry.SinceFor(address >> 12)))
            {
                best = Math.Min(best, Through(version.Frame, version.Writable, isCurrent: false));
            }
        }

        return best;

        int Through(ulong frame, bool writable, bool isCurrent)
        {
            if (Ept12 is not { } ept12)
            {
                return Leads(frame, writable) ? isCurrent ? 0 : 1 : 2;
            }

            if (ept12.TryFind(frame << 12, out Mapping mapping) && Leads(mapping.At(frame << 12) >> 12, writable && !mapping.ReadOnly))
            {
                return isCurrent ? 0 : 1;
            }

            foreach (Physical entry in _physical)
            {
                if (entry.Vpid == PhysicalVpid && entry.Ep4ta == Ep4ta && history.Since(entry.Tables, frame, entry.Since).Any(version => Leads(version.Frame, writable && version.Writable)))
                {
                    return 1;
                }
            }

            return 2;
        }

        bool Leads(ulong frame, bool writable) =>
            spaces.Host.TryFind(frame << 12, out Mapping host) && host.At(frame << 12) >> 12 == usedPage >> 12 && (!isWrite || usedReadOnly || (writable && !host.ReadOnly));
    }

    private LinearTag TagOf(bool upper)
    {
        bool global = upper && (Now.Cr4 & Cr4Bits.Pge) != 0;
        return new LinearTag(Vpid, global ? (ushort)0 : Pcid, global, UsesEpt && !amd, Ep4ta);
    }

    private bool IsUpToDate(LinearTag tag, PageTable tables) =>
        _byTag.GetValueOrDefault(tag, []).Find(each => each.Tables == tables) is { } entry && entry.DroppedAt >= history.ChangedAt(tables);

    private void Hold(LinearTag tag, PageTable tables)
    {
        if (!_byTag.TryGetValue(tag, out List<Linear>? entries))
        {
            _byTag.Add(tag, entries = []);
        }

        Linear? entry = entries.Find(each => each.Tables == tables);
        if (entry is null)
        {
            entries.Add(entry = new Linear(tag, tables));
            _linear.Add(entry);
        }

        entry.Hold(history.Now);
    }

    private void DropCurrentPcid() => Drop(entry => entry.Tag.Vpid == Vpid && !entry.Tag.Global && entry.Tag.Pcid == Pcid);

    private void Drop(Func<Linear, bool> which, ulong? address = null)
    {
        foreach (Linear entry in _linear)
        {
            if (which(entry))
            {
                entry.Drop(address >> 12, history.Now);
            }
        }
    }

    private void DropPhysical(Func<Physical, bool> which)
    {
        foreach (Physical entry in _physical)
        {
            if (which(entry))
            {
                entry.Since = MapHistory.Never;
            }
        }
    }

    private void Transition()
    {
        if (!amd && !V12)
        {
            Drop(entry => entry.Tag.Vpid == 0);
        }
    }

    /// <summary>Control registers.</summary>
    public sealed class State
    {
        public ulong Root { get; set; }

        public ushort Pcid { get; set; }

        public Cr4Bits Cr4 { get; set; } = Cr4Bits.Pae | Cr4Bits.Pge;
    }

    private readonly record struct LinearTag(uint Vpid, ushort Pcid, bool Global, bool Combined, ulong Ep4ta);

    private sealed class Linear(LinearTag tag, PageTable tables)
    {
        private readonly Dictionary<ulong, long> _pageSince = [];
        private readonly List<ulong> _dropped = [];
        private long _since = MapHistory.Never;

        public LinearTag Tag => tag;

        public PageTable Tables => tables;

        /// <summary>When it lost everything last, or something first, since it was in use; Never if it did not.</summary>
        public long DroppedAt { get; private set; } = MapHistory.Never;

        /// <summary>Since when it may cache a page: Never if it may not.</summary>
        public long SinceFor(ulong page) => _dropped.Contains(page) ? MapHistory.Never : Math.Max(_since, _pageSince.GetValueOrDefault(page));

        public void Hold(long now)
        {
            _since = Math.Min(_since, now);
            foreach (ulong page in _dropped)
            {
                _pageSince[page] = now;
            }

            _dropped.Clear();
            DroppedAt = MapHistory.Never;
        }

        public void Drop(ulong? page, long now)
        {
            DroppedAt = page is null ? now : Math.Min(DroppedAt, now);
            if (page is { } one)
            {
                _dropped.Add(one);
            }
            else
            {
                _since = MapHistory.Never;
                _pageSince.Clear();
                _dropped.Clear();
            }
        }
    }

    private sealed class Physical(uint vpid, ulong ep4ta, PageTable tables)
    {
        public uint Vpid => vpid;

        public ulong Ep4ta => ep4ta;

        public PageTable Tables => tables;

        public long Since { get; set; } = MapHistory.Never;
    }
}
