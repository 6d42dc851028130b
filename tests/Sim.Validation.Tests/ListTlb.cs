using Sim.Core.Traces;

namespace Sim.Validation.Tests;

/// <summary>
/// Who runs and what its TLB holds, told by a trace with recorded invalidations, as plain lists: two first-level TLBs of 16 sets of 4 ways and a second level of 128 sets of 12, all
/// least recently used. It has no page tables: an entry covers the smaller of the guest's and the host's page, as the trace tells them or as one size for all. It shares
/// nothing with the simulator but the records.
/// </summary>
internal sealed class ListTlb(int? shiftOfAll) : ITraceSink
{
    private const int Small = 12;
    private const int Large = 21;
    private const ulong UpperHalf = 1UL << 63;

    private readonly List<Entry>[] _instructions = Sets(16);
    private readonly List<Entry>[] _data = Sets(16);
    private readonly List<Entry>[] _second = Sets(128);
    private readonly Dictionary<(int Level, ulong Root, ulong Page), (int Guest, int Second)> _told = [];
    private readonly Dictionary<(int Level, ulong Vmcs12), Registers> _registers = [];
    private int _level;
    private ulong _vmcs12;
    private ulong _vpid;
    private ulong _ep4ta;

    /// <summary>Accesses that neither level translated, by who ran.</summary>
    public long[] Walks { get; } = new long[3];

    public void Write(TraceBlock block)
    {
        int e = 0;
        for (int a = 0; a <= block.AccessCount; a++)
        {
            for (; e < block.EventCount && block.EventPosition[e] == a; e++)
            {
                Take(block.Events[e]);
            }

            if (a < block.AccessCount)
            {
                Access(block.Address[a], AccessFlags.Type(block.Flags[a]) == AccessType.Execute ? _instructions : _data);
            }
        }
    }

    private static List<Entry>[] Sets(int count) => [.. Enumerable.Range(0, count).Select(_ => new List<Entry>())];

    private Registers Now => Of(_level, _vmcs12);

    private Registers Of(int level, ulong vmcs12)
    {
        (int, ulong) key = (level, level == 2 ? vmcs12 : 0);
        return _registers.TryGetValue(key, out Registers? registers) ? registers : _registers[key] = new Registers();
    }

    private void Access(ulong address, List<Entry>[] first)
    {
        if (Touch(first, address) is not null)
        {
            return;
        }

        if (Touch(_second, address) is not { } entry)
        {
            Walks[_level]++;
            (int guest, int size) = SizesOf(address);
            bool global = address >= UpperHalf && (Now.Cr4 & Cr4Bits.Pge) != 0;
            entry = new Entry(_vpid, Now.Pcid, global, _ep4ta, size, guest, address >> size);
            Fill(_second, entry, 12);
        }

        Fill(first, entry, 4);
    }

    private Entry? Touch(List<Entry>[] sets, ulong address)
    {
        foreach (int size in (int[])[Small, Large, 30])
        {
            List<Entry> set = sets[(address >> size) % (ulong)sets.Length];
            int at = set.FindIndex(entry => entry.Size == size && entry.Page == address >> size && entry.Vpid == _vpid && entry.Ep4ta == _ep4ta && (entry.Global || entry.Pcid == Now.Pcid));
            if (at >= 0)
            {
                Entry entry = set[at];
                set.RemoveAt(at);
                set.Add(entry);
                return entry;
            }
        }

        return null;
    }

    private static void Fill(List<Entry>[] sets, Entry entry, int ways)
    {
        List<Entry> set = sets[entry.Page % (ulong)sets.Length];
        if (set.Count == ways)
        {
            set.RemoveAt(0);
        }

        set.Add(entry);
    }

    private (int Guest, int Size) SizesOf(ulong address)
    {
        if (shiftOfAll is { } all)
        {
            return (all, all);
        }

        ulong root = address >= UpperHalf ? UpperHalf : Now.Root;
        foreach (int size in (int[])[Small, Large, 30])
        {
            if (_told.TryGetValue((_level, root, (address >> size) + ((ulong)size << 56)), out (int Guest, int Second) told))
            {
                return (told.Guest, told.Second == 0 ? told.Guest : Math.Min(told.Guest, told.Second));
            }
        }

        // Not told: the kernel's own pages are large, all others small.
        int assumed = _level == 0 && address >= UpperHalf ? Large : Small;
        return (assumed, assumed);
    }

    private void Take(in TraceEvent e)
    {
        Registers now = Now;
        ulong value = e.A;
        switch (e.Kind)
        {
            case RecordKind.PageSizes:
                _told.TryAdd((e.Level, e.B >= UpperHalf ? UpperHalf : e.A, (e.B >> Shift(e.C)) + ((ulong)Shift(e.C) << 56)), (Shift(e.C), e.D == 0 ? 0 : Shift(e.D)));
                break;
            case RecordKind.VmEnter when e.Transition == TransitionKind.L1ToL2:
                _vmcs12 = e.C;
                break;
            case RecordKind.VmEnter:
                (_level, _vpid, _ep4ta) = (e.Transition == TransitionKind.L0ToL2 ? 2 : 1, e.D, e.E & 0x000F_FFFF_FFFF_F000);
                break;
            case RecordKind.VmExit when e.Transition != TransitionKind.L2ToL1:
                (_level, _vpid, _ep4ta) = (0, 0, 0);
                break;
            case RecordKind.SetCr3:
                (now.Root, now.LoadedPcid) = (e.A, e.B);
                if (e.C == 0 || (now.Cr4 & Cr4Bits.Pcide) == 0)
                {
                    Drop(entry => entry.Vpid == _vpid && !entry.Global && entry.Pcid == Now.Pcid);
                }

                break;
            case RecordKind.SetCr4 when e.Level != _level:
                Of(e.Level, _vmcs12).Cr4 = (Cr4Bits)value;
                break;
            case RecordKind.SetCr4:
                Cr4Bits changed = now.Cr4 ^ (Cr4Bits)value;
                bool everything = (changed & Cr4Bits.Pge) != 0 || (changed & now.Cr4 & Cr4Bits.Pcide) != 0;
                bool context = (changed & Cr4Bits.Pae) != 0 || (changed & (Cr4Bits)value & Cr4Bits.Smep) != 0;
                now.Cr4 = (Cr4Bits)value;
                if (everything || context)
                {
                    Drop(entry => entry.Vpid == _vpid && (everything || (!entry.Global && entry.Pcid == Now.Pcid)));
                }

                break;
            case RecordKind.Invlpg:
                Drop(entry => entry.Vpid == _vpid && (entry.Global || entry.Pcid == Now.Pcid) && entry.Covers(value));
                break;
            case RecordKind.Invpcid:
                TakeInvpcid((int)e.A, e.B, e.C);
                break;
            case RecordKind.Invvpid when e.Level == 0:
                TakeInvvpid((int)e.A, e.B, e.C);
                break;
            case RecordKind.Invept when e.Level == 0:
                ulong ep4ta = e.B & 0x000F_FFFF_FFFF_F000;
                Drop(entry => entry.Ep4ta != 0 && (value == 2 || entry.Ep4ta == ep4ta));
                break;
            default:
                break;
        }
    }

    private void TakeInvpcid(int type, ulong pcid, ulong address) => Drop(entry => entry.Vpid == _vpid && type switch
    {
        0 => !entry.Global && entry.Pcid == pcid && entry.Covers(address),
        1 => !entry.Global && entry.Pcid == pcid,
        2 => true,
        _ => !entry.Global,
    });

    private void TakeInvvpid(int type, ulong vpid, ulong address) => Drop(entry => type switch
    {
        0 => entry.Vpid == vpid && entry.Covers(address),
        1 => entry.Vpid == vpid,
        2 => entry.Vpid != 0,
        _ => entry.Vpid == vpid && !entry.Global,
    });

    private void Drop(Predicate<Entry> goes)
    {
        foreach (List<Entry> set in _instructions.Concat(_data).Concat(_second))
        {
            set.RemoveAll(goes);
        }
    }

    private static int Shift(ulong bytes) => bytes == 1UL << 30 ? 30 : bytes == 1UL << Large ? Large : Small;

    private sealed class Registers
    {
        public ulong Root { get; set; }

        public ulong LoadedPcid { get; set; }

        public Cr4Bits Cr4 { get; set; } = Cr4Bits.Pae | Cr4Bits.Pge;

        public ulong Pcid => (Cr4 & Cr4Bits.Pcide) != 0 ? LoadedPcid : 0;
    }

    // Size and Guest are log2 of the bytes that the entry covers, and of the guest's page, all of whose pieces an invalidation of an address drops.
    private sealed record Entry(ulong Vpid, ulong Pcid, bool Global, ulong Ep4ta, int Size, int Guest, ulong Page)
    {
        public bool Covers(ulong address) => Page << Size >> Guest == address >> Guest;
    }
}
