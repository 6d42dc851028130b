using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm.Tests.Safety;

/// <summary>
/// The CPU that L1 sees, with the largest TLB it could have, written a second time: what each page mapped to is found out by looking after every event, contexts are kept in lists, each
/// invalidation (SDM rules of kvm-semantics.md 1.2) goes through the lists. An access may reach what the tables say, or what they said since the last invalidation that covered it.
/// </summary>
internal sealed class NaiveVirtualTlb(AddressSpaces spaces, bool amd, IReadOnlyList<ulong> addresses)
{
    private const ulong L2Memory = 0x8000_0000;
    private const long Never = long.MaxValue;

    private readonly List<Linear> _linear = [];
    private readonly List<Physical> _physical = [];
    private readonly Dictionary<(PageTable Tables, ulong Page), List<Version>> _history = [];
    private readonly HashSet<PageTable> _tables = [];
    private long _now;

    public bool L2 { get; private set; }

    public bool V12 { get; private set; }

    public uint Id12 { get; private set; }

    /// <summary>0 if L2 uses no EPT12.</summary>
    public ulong Eptp12 { get; private set; }

    public ulong Vmcs12 { get; private set; }

    public State L1 { get; } = new();

    public Dictionary<ulong, State> L2s { get; } = [];

    public State Now => L2 ? L2s[Vmcs12] : L1;

    private bool UsesEpt => L2 && Eptp12 != 0;

    private bool Combines => UsesEpt && !amd;

    private uint Vpid => L2 && (V12 || amd) ? Id12 : 0;

    private ulong Ep4ta => UsesEpt && !amd ? Eptp12 : 0;

    private ushort Pcid => (Now.Cr4 & Cr4Bits.Pcide) != 0 ? Now.Pcid : (ushort)0;

    private PageTable Tables => L2 ? TablesOfL2(Now.Root) : spaces.L1Tables(Now.Root);

    private PageTable? Ept12 => UsesEpt ? spaces.Ept12(Eptp12) : null;

    /// <summary>The tables of the L2 that is, or was last, active.</summary>
    public PageTable TablesOfL2(ulong root) => spaces.L2Tables(new Vmcs12(Vmcs12, Eptp12 != 0 ? VmControls.EnableEpt : 0, Id12, Eptp12), root);

    public void Enter(ulong vmcs12, bool v12, uint id12, ulong eptp12)
    {
        (L2, Vmcs12, V12, Id12, Eptp12) = (true, vmcs12, v12, id12, eptp12);
        L2s.TryAdd(vmcs12, new State());
        Transition();
    }

    public void Exit()
    {
        L2 = false;
        Transition();
    }

    public void MovToCr3(ulong root, ushort pcid, bool noFlush)
    {
        (Now.Root, Now.Pcid) = (root, pcid);
        if (!noFlush || (Now.Cr4 & Cr4Bits.Pcide) == 0)
        {
            Drop(entry => entry.Vpid == Vpid && !entry.Global && entry.Pcid == Pcid);
        }
    }

    public void MovToCr4(Cr4Bits value)
    {
        Cr4Bits changed = Now.Cr4 ^ value;
        bool all = (changed & Cr4Bits.Pge) != 0 || (changed & Now.Cr4 & Cr4Bits.Pcide) != 0;
        Now.Cr4 = value;
        if (all)
        {
            Drop(entry => entry.Vpid == Vpid);
        }
        else if ((changed & value & Cr4Bits.Smep) != 0)
        {
            Drop(entry => entry.Vpid == Vpid && !entry.Global && entry.Pcid == Pcid);
        }
    }

    public void Invlpg(ulong address) => Drop(entry => entry.Vpid == Vpid && (entry.Global || entry.Pcid == Pcid), address);

    public void Invpcid(int type, ushort pcid, ulong address) => Drop(
        entry => entry.Vpid == Vpid && type switch { 0 or 1 => !entry.Global && entry.Pcid == pcid, 2 => true, _ => !entry.Global }, type == 0 ? address : null);

    public void Invvpid(int type, uint vpid, ulong address) => Drop(
        entry => type switch { 0 or 1 => entry.Vpid == vpid, 2 => entry.Vpid != 0, _ => entry.Vpid == vpid && !entry.Global }, type == 0 ? address : null);

    public void Invept(int type, ulong eptp)
    {
        Drop(entry => entry.Combined && (type == 2 || entry.Ep4ta == eptp));
        foreach (Physical entry in _physical.Where(entry => type == 2 || entry.Ep4ta == eptp))
        {
            entry.Since = Never;
        }
    }

    public void Invlpga(uint asid, ulong address) => Drop(entry => entry.Vpid == asid, address);

    /// <summary>What is mapped now is taken note of, and the current context may cache any of it.</summary>
    public void Look()
    {
        _now++;
        PageTable tables = Tables;
        foreach (ulong address in addresses)
        {
            _tables.Add(tables.Owner(address));
        }

        foreach (PageTable known in _tables)
        {
            foreach (ulong address in addresses)
            {
                See(known, address >> 12, known.TryFind(address, out Mapping mapping) ? mapping with { Frame = mapping.At(address) } : null);
            }
        }

        foreach (PageTable ept12 in spaces.Ept12s)
        {
            Dictionary<ulong, Mapping> mapped = ept12.Leaves(L2Memory, PageSize.Size1G).ToDictionary(leaf => leaf.Address >> 12, leaf => leaf.Mapping);
            foreach (ulong page in _history.Keys.Where(key => key.Tables == ept12).Select(key => key.Page).Concat(mapped.Keys).Distinct().ToArray())
            {
                See(ept12, page, mapped.TryGetValue(page, out Mapping mapping) ? mapping : null);
            }
        }

        foreach (bool upper in new[] { false, true })
        {
            bool global = upper && (Now.Cr4 & Cr4Bits.Pge) != 0;
            PageTable owner = tables.Owner(upper ? ulong.MaxValue : 0);
            Linear? entry = _linear.Find(each => each.Is(Vpid, global ? (ushort)0 : Pcid, global, Combines, Ep4ta) && each.Tables == owner);
            if (entry is null)
            {
                _linear.Add(entry = new Linear(Vpid, global ? (ushort)0 : Pcid, global, Combines, Ep4ta, owner));
            }

            entry.Since = Math.Min(entry.Since, _now);
            foreach (ulong page in entry.PageSince.Keys.ToArray())
            {
                entry.PageSince[page] = Math.Min(entry.PageSince[page], _now);
            }
        }

        if (Ept12 is { } current)
        {
            Physical? entry = _physical.Find(each => each.Vpid == (amd ? Vpid : 0) && each.Ep4ta == Ep4ta && each.Tables == current);
            if (entry is null)
            {
                _physical.Add(entry = new Physical(amd ? Vpid : 0, Ep4ta, current));
            }

            entry.Since = Math.Min(entry.Since, _now);
        }
    }

    /// <summary>0: what the tables say; 1: old, permitted; 2: must not be.</summary>
    public int Judge(ulong address, bool isWrite, ulong usedPage, bool usedReadOnly)
    {
        bool global = (long)address < 0 && (Now.Cr4 & Cr4Bits.Pge) != 0;
        List<(ulong Frame, bool Writable, bool Current)> first = [];
        if (Tables.TryFind(address, out Mapping now))
        {
            first.Add((now.At(address) >> 12, !now.ReadOnly, true));
        }

        foreach (Linear entry in _linear.Where(each => each.Is(Vpid, global ? (ushort)0 : Pcid, global, Combines, Ep4ta) && each.Tables.Owner(address) == each.Tables))
        {
            long since = Math.Max(entry.Since, entry.PageSince.GetValueOrDefault(address >> 12));
            first.AddRange(Versions(entry.Tables, address >> 12, since));
        }

        int best = 2;
        foreach ((ulong frame, bool writable, bool current) in first)
        {
            foreach ((ulong below, bool alsoWritable, bool alsoCurrent) in Below(frame))
            {
                if (spaces.Host.TryFind(below << 12, out Mapping host) && host.At(below << 12) >> 12 == usedPage >> 12
                    && (!isWrite || usedReadOnly || (writable && alsoWritable && !host.ReadOnly)))
                {
                    best = Math.Min(best, current && alsoCurrent ? 0 : 1);
                }
            }
        }

        return best;
    }

    private List<(ulong Frame, bool Writable, bool Current)> Below(ulong frame)
    {
        if (Ept12 is not { } ept12)
        {
            return [(frame, true, true)];
        }

        List<(ulong, bool, bool)> below = [];
        if (ept12.TryFind(frame << 12, out Mapping now))
        {
            below.Add((now.At(frame << 12) >> 12, !now.ReadOnly, true));
        }

        foreach (Physical entry in _physical.Where(each => each.Vpid == (amd ? Vpid : 0) && each.Ep4ta == Ep4ta))
        {
            below.AddRange(Versions(entry.Tables, frame, entry.Since));
        }

        return below;
    }

    private IEnumerable<(ulong Frame, bool Writable, bool Current)> Versions(PageTable tables, ulong page, long since) =>
        _history.GetValueOrDefault((tables, page), []).Where(version => version.End > since).Select(version => (version.Frame, version.Writable, false));

    private void See(PageTable tables, ulong page, Mapping? mapping)
    {
        if (!_history.TryGetValue((tables, page), out List<Version>? versions))
        {
            _history.Add((tables, page), versions = []);
        }

        Version? last = versions.Count > 0 && versions[^1].End == Never ? versions[^1] : null;
        bool same = last is not null && mapping is { } m && m.Frame >> 12 == last.Frame && m.ReadOnly != last.Writable;
        if (last is not null && !same)
        {
            last.End = _now;
        }

        if (mapping is { } made && !same)
        {
            versions.Add(new Version(made.Frame >> 12, !made.ReadOnly));
        }
    }

    private void Drop(Func<Linear, bool> which, ulong? address = null)
    {
        foreach (Linear entry in _linear.Where(which))
        {
            if (address is { } at)
            {
                entry.PageSince[at >> 12] = Never;
            }
            else
            {
                entry.Since = Never;
                entry.PageSince.Clear();
            }
        }
    }

    private void Transition()
    {
        if (!amd && !V12)
        {
            Drop(entry => entry.Vpid == 0);
        }
    }

    /// <summary>Control registers.</summary>
    public sealed class State
    {
        public ulong Root { get; set; }

        public ushort Pcid { get; set; }

        public Cr4Bits Cr4 { get; set; } = Cr4Bits.Pae | Cr4Bits.Pge;
    }

    private sealed class Linear(uint vpid, ushort pcid, bool global, bool combined, ulong ep4ta, PageTable tables)
    {
        public uint Vpid => vpid;

        public ushort Pcid => pcid;

        public bool Global => global;

        public bool Combined => combined;

        public ulong Ep4ta => ep4ta;

        public PageTable Tables => tables;

        /// <summary>Since when it may cache: Never while it may hold nothing.</summary>
        public long Since { get; set; } = Never;

        public Dictionary<ulong, long> PageSince { get; } = [];

        public bool Is(uint v, ushort p, bool g, bool c, ulong e) => (vpid, pcid, global, combined, ep4ta) == (v, p, g, c, e);
    }

    private sealed class Physical(uint vpid, ulong ep4ta, PageTable tables)
    {
        public uint Vpid => vpid;

        public ulong Ep4ta => ep4ta;

        public PageTable Tables => tables;

        public long Since { get; set; } = Never;
    }

    private sealed class Version(ulong frame, bool writable)
    {
        public ulong Frame => frame;

        public bool Writable => writable;

        public long End { get; set; } = Never;
    }
}
