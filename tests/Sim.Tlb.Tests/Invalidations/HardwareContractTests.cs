using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Tlb.Tests.Levels;

namespace Sim.Tlb.Tests.Invalidations;

/// <summary>
/// What <see cref="Mmu.Apply"/> does to every structure is what the manual's table says of each entry in it: one access fills the lane, then every row is applied from
/// another context, and each structure must hold exactly the entries that the table spares.
/// </summary>
public sealed class HardwareContractTests
{
    private static readonly string[] PscNames = ["pde", "pdpte", "pml4e"];

    private static IEnumerable<object[]> Fills() =>
        from vendor in new[] { Vendor.Intel, Vendor.Amd }
        from nested in vendor == Vendor.Intel ? new ulong[] { 0, ManualTable.Eptp, ManualTable.OtherEptp } : [0, ManualTable.Eptp]
        from global in new[] { false, true }
        from size in LaneProfile.EverySize
        select new object[] { vendor, nested, global, size };

    [TestCaseSource(nameof(Fills))]
    public void Every_structure_keeps_exactly_the_entries_that_the_table_spares(Vendor vendor, ulong nestedRoot, bool global, PageSize size)
    {
        ManualRow[] rows = ManualTable.Rows().Where(row => row.Vendor == vendor).ToArray();
        CurrentTag[] currents = vendor == Vendor.Intel
            ? [new(1, 5, ManualTable.Eptp), new(0, 0, 0), new(0, 5, ManualTable.Eptp)]
            : [new(1, 5, 0), new(0, 0, 0)];
        int applied = 0;
        foreach (ushort vpid in new ushort[] { 0, 1, 2 })
        {
            foreach (ushort pcid in new ushort[] { 0, 5, 7 })
            {
                foreach (ManualRow row in rows)
                {
                    CurrentTag current = currents[applied++ % currents.Length];
                    Check(row, current, vpid, pcid, nestedRoot, global, size);
                }
            }
        }

        Assert.That(applied, Is.GreaterThan(300));
    }

    private static void Check(ManualRow row, CurrentTag current, ushort vpid, ushort pcid, ulong nestedRoot, bool global, PageSize size)
    {
        bool intel = row.Vendor == Vendor.Intel;
        ulong address = global ? ManualTable.UpperPage : ManualTable.Page;
        TranslationContext filled = Context(vpid, pcid, nestedRoot, size);
        OneLane lane = new(LaneProfile.FullyAssociative(4, 4) with { Vendor = row.Vendor });
        lane.Access(filled, address);

        ulong ep4ta = intel ? nestedRoot : 0;
        MappingKind kind = nestedRoot == 0 ? MappingKind.Linear : MappingKind.Combined;
        Tag leafTag = new(kind, vpid, global ? (ushort)0 : pcid, global, ep4ta);
        Tag pscTag = new(kind, vpid, pcid, false, ep4ta);
        ulong linear = address & CachedEntry.LinearBits;
        Dictionary<string, List<CachedEntry>> held = new()
        {
            ["l1"] = [Entry(leafTag, false, linear, 12 + (9 * (int)size))],
            ["stlb"] = [Entry(leafTag, false, linear, 12 + (9 * (int)size))],
            ["guest_physical"] = [],
        };
        for (int i = 0; i < PscNames.Length; i++)
        {
            held[$"psc.{PscNames[i]}"] = i >= (int)size ? [Entry(pscTag, true, linear, 21 + (9 * i))] : [];
            held[$"guest_physical_psc.{PscNames[i]}"] = [];
        }

        if (nestedRoot != 0)
        {
            Tag gpTag = new(MappingKind.GuestPhysical, intel ? (ushort)0 : vpid, 0, false, ep4ta);
            Span<ulong> entries = stackalloc ulong[4];
            ulong data = filled.Guest.Map(address, entries).Frame + (address & ((1UL << (12 + (9 * (int)size))) - 1));
            List<ulong> guestPhysical = [data];
            for (int level = (int)size; level < 4; level++)
            {
                guestPhysical.Add(entries[level]);
            }

            held["guest_physical"] = guestPhysical.Select(g => Entry(gpTag, false, g, 12)).Distinct().ToList();
            for (int i = 0; i < PscNames.Length; i++)
            {
                held[$"guest_physical_psc.{PscNames[i]}"] = guestPhysical.Select(g => Entry(gpTag, true, g, 21 + (9 * i))).Distinct().ToList();
            }
        }

        StatSheet before = lane.Sheet();
        foreach ((string structure, List<CachedEntry> entries) in held)
        {
            Assert.That(before[$"lane[0].{structure}.live"], Is.EqualTo(entries.Count), $"{structure} after the access");
        }

        // A page table of its own for the current context, so that nothing of the filled one is touched.
        lane.SwitchTo(Context(current.Vpid, current.Pcid, intel ? current.Ep4ta : 0, PageSize.Size4K));
        int dropped = lane.Apply(row.Invalidation);
        StatSheet after = lane.Sheet();
        int expectedDropped = 0;
        foreach ((string structure, List<CachedEntry> entries) in held)
        {
            int kept = entries.Count(entry => !row.Goes(entry, current));
            expectedDropped += entries.Count - kept;
            long live = after[$"lane[0].{structure}.live"];
            if (live != kept)
            {
                Assert.Fail($"{row} under {current}: {structure} keeps {live} entries, the table {kept} of {string.Join("; ", entries)}.");
            }
        }

        Assert.That(dropped, Is.EqualTo(expectedDropped), row.ToString());
        lane.Mmu.CheckConservation();
    }

    private static CachedEntry Entry(Tag tag, bool isPagingStructure, ulong address, int shift) =>
        new(tag, isPagingStructure, address >> shift << shift, (address >> shift << shift) + (1UL << shift) - 1);

    private static TranslationContext Context(ushort vpid, ushort pcid, ulong nestedRoot, PageSize size)
    {
        PageTable tables = new(0x1000UL + pcid, 4, size, new FrameAllocator(), null, globalUpperHalf: true);
        return new TranslationContext(vpid, pcid, true, tables, nestedRoot == 0 ? null : new PageTable(nestedRoot, 4, PageSize.Size4K, new FrameAllocator()), 1);
    }
}
