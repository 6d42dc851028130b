using System.Globalization;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>
/// Says of each translation that hardware uses whether the CPU that L1 (or L2) sees could have used it (docs/rules.md#holes). A translation that is not in the current tables is permitted if the
/// virtual context had run with the tables before the change and no invalidation at that level has covered the page since; else it is an incident. Host memory that was taken away is never permitted.
/// Observes only: nothing it knows reaches the hypervisor or the hardware.
/// </summary>
/// <remarks>
/// Only pages that changed can be wrong, so the hardware shows it only entries and walks of tables with changed pages (<see cref="ITranslationWitness"/>), and entries that other page tables left under the
/// current tag. Only the data page of a reference is judged, not the paging structures that its walk read.
/// </remarks>
internal sealed class SafetyOracle
{
    private const string NeverRan = "this context had not run with these tables since its TLB was last emptied of them, if ever, so it cannot hold the old mapping";

    private readonly MachineSpec _spec;
    private readonly AddressSpaces _spaces;
    private readonly SortedDictionary<ushort, VirtualTlb> _virtual = [];
    private readonly Dictionary<(PageTable Tables, PageSize Size, ulong Page), List<OldMapping>> _old = [];
    private readonly Dictionary<(PageTable Tables, PageSize Size, ulong Page), (long At, string What)> _made = [];
    private readonly HashSet<PageTable> _changedTables = [];
    private readonly SafetyLog _log;
    private readonly List<Lane> _lanes = [];
    private long _now = 1;
    private RecordPlace _place;

    /// <summary>An oracle of a machine at reset. <paramref name="nameOf"/> gives invalidations of the hardware their names.</summary>
    public SafetyOracle(MachineSpec spec, AddressSpaces spaces, Func<Invalidation, string> nameOf)
    {
        _spec = spec;
        _spaces = spaces;
        _log = new SafetyLog(nameOf);
    }

    private bool Amd => _spec.Profile.Vendor == Vendor.Amd;

    /// <summary>What a lane's hardware shows to the oracle.</summary>
    public ITranslationWitness WitnessOf(Func<Lane> lane) => new Witness(this, lane);

    /// <summary>The lanes that exist. Once, before the first record.</summary>
    public void Attach(IEnumerable<Lane> lanes) => _lanes.AddRange(lanes);

    /// <summary>The record that is being replayed.</summary>
    public void At(ulong time, int lane) => _place = new RecordPlace(time, lane);

    /// <summary>What was found since the beginning, or since <see cref="Restart"/>.</summary>
    public SafetyReport Report()
    {
        foreach (VirtualTlb tlb in _virtual.Values)
        {
            _log.Exercised |= tlb.TookOver();
        }

        return _log.Report();
    }

    /// <summary>Wrong uses and permitted uses of old translations in that time.</summary>
    public (long Incidents, long Permitted) Counts => (_log.Incidents, _log.Permitted);

    /// <summary>Forgets what was found, not what may be found: the measured window begins.</summary>
    public void Restart() => _log.Clear();

    /// <summary>The hardware of a lane carried out an invalidation.</summary>
    public void Executed(IssuedInvalidation issued) => _log.Executed(issued, _place, ++_now);

    /// <summary>The virtual CPU is in this context from now on. <paramref name="byL0"/>: hardware did not bring it there by itself.</summary>
    public void Runs(Vcpu vcpu, PageTable tables, PageTable? ept12, bool byL0)
    {
        ControlRegisters registers = vcpu.Active;
        Vmcs12 vmcs12 = vcpu.Vmcs12;
        bool l2 = vcpu.GuestMode;
        ushort vpid = l2 && (vmcs12.UsesVpid || Amd) ? (ushort)vmcs12.Vpid : (ushort)0;
        ulong ep4ta = l2 && vmcs12.UsesEpt && !Amd ? vmcs12.Eptp : 0;
        MappingKind kind = Amd || (l2 && vmcs12.UsesEpt) ? MappingKind.Combined : MappingKind.Linear;
        Tag tagged = new(kind, vpid, registers.EffectivePcid, false, ep4ta);
        Tag global = new(kind, vpid, 0, true, ep4ta);
        Tag guestPhysical = new(MappingKind.GuestPhysical, Amd ? vpid : (ushort)0, 0, false, ep4ta);
        VirtualTlb tlb = Virtual(vcpu);
        _log.Exercised |= tlb.TookOver();
        tlb.Run(tagged, global, registers.GlobalPages && _spec.GlobalKernelPages, tables, guestPhysical, l2 ? ept12 : null);
        bool handsOn = tlb.HandsOn(tlb.Lower!.Tag, tlb.Lower.Tables, l2, !Amd && _spec.L0Ept) | tlb.HandsOn(tlb.Upper!.Tag, tlb.Upper.Tables, l2, !Amd && _spec.L0Ept);
        _log.Exercised |= handsOn && byL0;
        if (!byL0)
        {
            // Hardware took over by itself, and flushed what it had to.
            tlb.TookOver();
        }
    }

    /// <summary>
    /// The virtual CPU carried out an invalidation: an instruction of the guest, or a transition that L1 knows to flush. <paramref name="byL0"/>: hardware does not carry it out by itself.
    /// </summary>
    public void Invalidated(Vcpu vcpu, Invalidation invalidation, string who, bool byL0 = true)
    {
        _now++;
        Virtual(vcpu).Invalidate(invalidation, $"{InvalidationNames.InWords(invalidation, NameOfVpid12, NameOfEptp12)} by {who} at {_place}", byL0);
    }

    /// <summary>A table is about to change. <paramref name="old"/>: the mappings that it will have no more, or with fewer rights.</summary>
    public void Changing(MapTable table, PageTable tables, IReadOnlyList<(ulong Address, Mapping Mapping)> old, in TraceEvent e)
    {
        _now++;
        string what = $"{(MapChangeKind)e.E} in table {table} (root 0x{e.B:x}) by L{e.Level} at {_place}";
        foreach ((ulong address, Mapping mapping) in old)
        {
            PageTable owner = tables.Owner(address);
            OldMapping gone = new(owner, address, mapping, Made(owner, address), what, _now);
            if (table != MapTable.Tdp01)
            {
                foreach (VirtualTlb tlb in _virtual.Values)
                {
                    foreach (Holding holding in tlb.All)
                    {
                        if (holding.Tables == owner && holding.MayHold(gone.Range))
                        {
                            gone.MayBeHeldBy(holding);
                            holding.Old.Add(gone);
                        }
                    }
                }
            }

            (PageTable, PageSize, ulong) key = (owner, mapping.Size, address);
            if (!_old.TryGetValue(key, out List<OldMapping>? versions))
            {
                _old.Add(key, versions = []);
            }

            versions.Add(gone);
            _changedTables.Add(owner);
        }

        if ((MapChangeKind)e.E is not MapChangeKind.Widened and not MapChangeKind.Made || !tables.TryFind(e.C, out _))
        {
            PageSize size = MapChanges.SizeOf(e.D);
            _made[(tables.Owner(e.C), size, First(e.C, size))] = (_now, what);
        }
    }

    /// <summary>A table changed, and something was taken away. What hardware has of it is shown from now on.</summary>
    public void Changed(MapTable table, PageTable tables, ulong address, PageSize size)
    {
        PageTable owner = tables.Owner(address);
        PageTable walked = _spaces.ShadowOf(owner) ?? owner;
        ulong first = AddressRange.At(First(address, size)).First;
        AddressRange page = new(first, first + BytesOf(size) - 1);
        foreach (Lane lane in _lanes)
        {
            switch (table)
            {
                // An entry does not say by which guest-physical address it came about, so a change of a second-level table shows all of its users.
                case MapTable.Tdp01:
                    lane.Mmu.Watch((_, _) => true, null);
                    break;
                case MapTable.Tdp12:
                    lane.Mmu.Watch((_, nested) => nested == walked, null);
                    break;
                default:
                    lane.Mmu.Watch((linear, _) => linear == walked, page);
                    break;
            }

            lane.Mmu.Reconsider();
        }
    }

    private static string NameOfVpid12(ushort vpid12) => vpid12 == 0 ? " 0" : string.Create(CultureInfo.InvariantCulture, $"12 {vpid12}");

    private static string NameOfEptp12(ulong eptp12) => string.Create(CultureInfo.InvariantCulture, $"eptp12 0x{eptp12:x}");

    private VirtualTlb Virtual(Vcpu vcpu)
    {
        if (!_virtual.TryGetValue(vcpu.Number, out VirtualTlb? tlb))
        {
            _virtual.Add(vcpu.Number, tlb = new VirtualTlb());
        }

        return tlb;
    }

    /// <summary>Who made a table map an address as it does.</summary>
    private string Made(PageTable tables, ulong address)
    {
        (long, string) made = (0, "at first use");
        for (PageSize size = PageSize.Size4K; size <= PageSize.Size1G; size++)
        {
            if (_made.TryGetValue((tables, size, First(address, size)), out (long At, string What) found) && found.At > made.Item1)
            {
                made = found;
            }
        }

        return made.Item2;
    }

    private bool Judge(Lane lane, in UsedTranslation use)
    {
        if (use.Context.Level == 0)
        {
            return true;
        }

        ulong address = use.Block.Address[use.Access];
        bool isOwn = use.Tables == use.Context.Guest.Owner(address) && use.Nested == use.Context.Nested;
        AddressChain own = _spaces.ChainOf(use.Context.Guest.Owner(address), use.Context.Nested);
        bool isMapped = own.TryFind(address, out Mapping now);
        if (isMapped && (now.At(address) & ~0xFFFUL) == use.PhysicalPage)
        {
            _log.Exercised |= !_log.Exercised && HadToGo(Virtual(lane.Vcpu!), own, address);
            if (use.ReadOnly || !now.ReadOnly)
            {
                // An entry of other tables stays watched: it does not follow a change of these.
                return isOwn;
            }

            if ((AccessType)(use.Block.Flags[use.Access] & AccessFlags.TypeMask) != AccessType.Write)
            {
                // Rights that are not exercised do no harm; the entry stays watched.
                return false;
            }
        }

        AddressChain chain = _spaces.ChainOf(use.Tables, use.Nested);
        Versions versions = Explain(chain, address, use) ?? ExplainBySecondLevel(chain, address, use)
            ?? throw new InvalidOperationException($"The safety oracle cannot say how linear address 0x{address:x} came to host page 0x{use.PhysicalPage:x}.");
        VirtualTlb tlb = Virtual(lane.Vcpu!);
        Holding current = ((long)address < 0 ? tlb.Upper : tlb.Lower)!;
        Verdict verdict = VerdictOf(versions, tlb, chain, isOwn, address);
        if (verdict.Kind is null)
        {
            _log.Permit(new UseOfOld(lane, use, current.Tag, ""));
        }
        else
        {
            string now12 = isMapped ? $"host page 0x{now.At(address) & ~0xFFFUL:x}{(now.ReadOnly ? ", read-only" : "")}" : "nothing";
            _log.Add(verdict, new UseOfOld(lane, use, current.Tag, now12));
        }

        return false;
    }

    private static Verdict VerdictOf(in Versions versions, VirtualTlb tlb, in AddressChain chain, bool isOwn, ulong address)
    {
        if (versions.Host is { } host)
        {
            return new Verdict("stale_use", host, host.Gone, "kvm_flush_remote_tlbs was to leave no translation to that host memory on any CPU");
        }

        if (versions.Ept12 is { } second)
        {
            Holding? holder = tlb.GuestPhysical?.Tables == second.Tables ? tlb.GuestPhysical : null;
            if (!second.IsPermitted(holder, out string? because))
            {
                return new Verdict("stale_use", second, second.Gone, because ?? NeverRan);
            }
        }

        if (versions.IsForeign)
        {
            Holding? holder = versions.ForeignEpt12 is { } other && tlb.GuestPhysical is { } running ? tlb.Find(running.Tag, other) : null;
            if (holder is null || !holder.IsHeld)
            {
                return new Verdict("foreign_use", null, "other second-level tables", holder?.DroppedBy ?? "those second-level tables never ran under this virtual tag");
            }
        }

        (Holding? tagged, Holding? global) = tlb.HoldersOf(chain.Guest, address);
        if (versions.Guest is { } first)
        {
            return first.IsPermitted(tagged, out string? notTagged) || first.IsPermitted(global, out string? notGlobal)
                ? default
                : new Verdict("stale_use", first, first.Gone, notTagged ?? notGlobal ?? NeverRan);
        }

        AddressRange page = AddressRange.At(address);
        if (isOwn || tagged?.MayHold(page) == true || global?.MayHold(page) == true)
        {
            return default;
        }

        return new Verdict("foreign_use", null, $"page tables 0x{chain.Guest.Root:x}", tagged?.DroppedBy ?? global?.DroppedBy ?? "these page tables never ran under this virtual tag");
    }

    /// <summary>True if an older translation of the address had to be gone by now, and it was L0 that had to see to it: here a hypervisor could have gone wrong.</summary>
    private bool HadToGo(VirtualTlb tlb, in AddressChain chain, ulong address)
    {
        (Holding? tagged, Holding? global) = tlb.HoldersOf(chain.Guest, address);
        foreach ((Mapping first, OldMapping? oldFirst) in At(chain.Guest.Owner(address), address))
        {
            if (oldFirst is not null && !oldFirst.IsPermitted(tagged, out _) && !oldFirst.IsPermitted(global, out _) && (oldFirst.IsOwed(tagged) || oldFirst.IsOwed(global)))
            {
                return true;
            }

            ulong physical = first.At(address);
            if (chain.Ept12 is null)
            {
                if (At(chain.Host, physical).Any(host => host.Old is not null))
                {
                    return true;
                }

                continue;
            }

            foreach ((Mapping second, OldMapping? oldSecond) in At(chain.Ept12, physical))
            {
                if ((oldSecond is not null && !oldSecond.IsPermitted(tlb.GuestPhysical, out _) && oldSecond.IsOwed(tlb.GuestPhysical)) || At(chain.Host, second.At(physical)).Any(host => host.Old is not null))
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>Which versions of the tables' mappings lead from the address to the host page; null if none do. The newest are tried first.</summary>
    private Versions? Explain(in AddressChain chain, ulong address, in UsedTranslation use)
    {
        foreach ((Mapping first, OldMapping? oldFirst) in At(chain.Guest.Owner(address), address))
        {
            ulong physical = first.At(address);
            if (chain.Ept12 is null)
            {
                if (Host(chain.Host, physical, use, first.ReadOnly, out OldMapping? oldHost))
                {
                    return new Versions(oldFirst, null, oldHost);
                }

                continue;
            }

            foreach ((Mapping second, OldMapping? oldSecond) in At(chain.Ept12, physical))
            {
                if (Host(chain.Host, second.At(physical), use, first.ReadOnly || second.ReadOnly, out OldMapping? oldHost))
                {
                    return new Versions(oldFirst, oldSecond, oldHost);
                }
            }
        }

        return null;
    }

    /// <summary>The same with the second-level tables of someone else: where ASIDs tag guest-physical mappings, those of L1 and of other L2s may be found.</summary>
    private Versions? ExplainBySecondLevel(in AddressChain chain, ulong address, in UsedTranslation use)
    {
        foreach (PageTable? other in _spaces.Ept12s.Prepend(null))
        {
            if (other != chain.Ept12 && Explain(chain with { Ept12 = other }, address, use) is { } found)
            {
                return found with { IsForeign = true, ForeignEpt12 = other };
            }
        }

        return null;
    }

    private bool Host(PageTable host, ulong physical, in UsedTranslation use, bool readOnly, out OldMapping? old)
    {
        foreach ((Mapping mapping, OldMapping? version) in At(host, physical))
        {
            old = version;
            if ((mapping.At(physical) & ~0xFFFUL) == use.PhysicalPage && (use.ReadOnly || !(readOnly || mapping.ReadOnly)))
            {
                return true;
            }
        }

        old = null;
        return false;
    }

    /// <summary>What a table says of an address, and what it said before, newest first.</summary>
    private IEnumerable<(Mapping Mapping, OldMapping? Old)> At(PageTable tables, ulong address)
    {
        if (tables.TryFind(address, out Mapping now))
        {
            yield return (now, null);
        }

        if (!_changedTables.Contains(tables))
        {
            yield break;
        }

        for (PageSize size = PageSize.Size4K; size <= PageSize.Size1G; size++)
        {
            if (_old.TryGetValue((tables, size, First(address, size)), out List<OldMapping>? versions))
            {
                for (int i = versions.Count - 1; i >= 0; i--)
                {
                    yield return (versions[i].Mapping, versions[i]);
                }
            }
        }
    }

    private bool Suspects(PageTable tables, PageTable? nested)
    {
        if (nested is null)
        {
            return _spaces.ShadowSource(tables) is { } guest && _changedTables.Contains(guest);
        }

        return _changedTables.Contains(_spaces.Host) || (_spaces.ShadowSource(nested) is { } ept12 && _changedTables.Contains(ept12));
    }

    private static ulong BytesOf(PageSize size) => 1UL << (12 + (9 * (int)size));

    private static ulong First(ulong address, PageSize size) => address & ~(BytesOf(size) - 1);

    /// <summary>Old versions that a translation is made of, null where the tables still say so; and whether its second level is another than its own, null for L1's.</summary>
    private readonly record struct Versions(OldMapping? Guest, OldMapping? Ept12, OldMapping? Host, bool IsForeign = false, PageTable? ForeignEpt12 = null);

    private sealed class Witness(SafetyOracle oracle, Func<Lane> lane) : ITranslationWitness
    {
        public bool Suspects(PageTable tables, PageTable? nested) => oracle.Suspects(tables, nested);

        public bool Judge(in UsedTranslation use) => oracle.Judge(lane(), use);
    }
}
