using System.Globalization;

using Sim.Core.Profiles;

namespace Sim.Tlb.Tests.Invalidations;

/// <summary>Every invalidation of the manual's table drops exactly what it says, over all combinations of tags. What any invalidation owes, in the table or not, is InvalidationContract's.</summary>
public sealed class InvalidationContractTests
{
    private static readonly ushort[] Vpids = [0, 1, 2];
    private static readonly ushort[] Pcids = [0, 5, 7];

    private static IEnumerable<Type> Types => ManualTable.Rows().Select(row => row.Invalidation.GetType()).Distinct();

    /// <summary>Printing the coarsened form as well, which has a coarsened form, would not end.</summary>
    [Test]
    public void An_invalidation_prints_its_operands()
    {
        Assert.That(new Invlpg(0x1000).ToString(), Is.EqualTo("Invlpg { Address = 4096 }"));
        Assert.That(new InvvpidSingle(3).ToString(), Is.EqualTo("InvvpidSingle { Vpid = 3 }"));
        Assert.That(new Invlpg(0x1000).Coarsened.ToString(), Is.EqualTo("EveryAddress { Limited = Invlpg { Address = 4096 } }"));
    }

    [TestCaseSource(nameof(Types))]
    public void It_drops_exactly_the_entries_of_the_table(Type type)
    {
        int compared = 0;
        HashSet<bool> outcomes = [];
        foreach (ManualRow row in ManualTable.Rows().Where(row => row.Invalidation.GetType() == type))
        {
            foreach (CurrentTag current in CurrentTags(row.Vendor))
            {
                foreach (CachedEntry entry in Entries(row.Vendor))
                {
                    bool goes = row.Invalidation.Kills(entry.Tag, entry.IsPagingStructure, entry.First, entry.Last, current);
                    compared++;
                    outcomes.Add(goes);
                    if (goes != row.Goes(entry, current))
                    {
                        Assert.Fail(string.Create(CultureInfo.InvariantCulture, $"{row} under {current} {(goes ? "drops" : "keeps")} {entry}; the table says the opposite."));
                    }
                }
            }
        }

        Assert.That(compared, Is.GreaterThan(1000));
        Assert.That(outcomes.Contains(false), Is.EqualTo(type != typeof(Reset) && type != typeof(TlbControlAll)), "some entries stay, except under the operations that spare nothing");
        Assert.That(outcomes, Does.Contain(true));
    }

    [Test]
    public void The_coarse_form_drops_at_least_as_much_and_is_its_own_coarse_form()
    {
        // INVVPID types 1 and 3 fail for VPID 0 (VMfail 28), and the all-context form spares it.
        foreach (ManualRow row in ManualTable.Rows().Where(row => row.Invalidation is not (InvvpidSingle { Vpid: 0 } or InvvpidSingleRetainGlobals { Vpid: 0 })))
        {
            Invalidation coarse = row.Invalidation.Coarsened;
            foreach (CurrentTag current in CurrentTags(row.Vendor))
            {
                foreach (CachedEntry entry in Entries(row.Vendor).Where(entry => row.Goes(entry, current)))
                {
                    if (!coarse.Kills(entry.Tag, entry.IsPagingStructure, entry.First, entry.Last, current))
                    {
                        Assert.Fail($"The coarse form of {row} under {current} keeps {entry}.");
                    }
                }
            }

            Assert.That(coarse.Coarsened, Is.EqualTo(coarse), row.ToString());
        }
    }

    [Test]
    public void The_coarse_form_of_an_operation_on_addresses_drops_every_address_and_keeps_its_name()
    {
        foreach (ManualRow row in ManualTable.Rows().Where(row => row.Invalidation is AddressInvalidation))
        {
            Invalidation coarse = row.Invalidation.Coarsened;
            Assert.That(coarse.Name, Is.EqualTo(row.Invalidation.Name));
            Assert.That(coarse.Translations, Is.Null);
            Assert.That(coarse.PagingStructures, Is.Null);
            Assert.That(coarse.GuestPhysical, Is.Null);
        }
    }

    [Test]
    public void The_coarse_forms_of_operations_on_contexts_are_those_of_the_table()
    {
        Assert.That(new InvpcidContext(5).Coarsened, Is.EqualTo(new InvpcidAll()));
        Assert.That(new InvpcidAllNonGlobal().Coarsened, Is.EqualTo(new InvpcidAll()));
        Assert.That(new MovToCr3(5, NoFlush: false).Coarsened, Is.EqualTo(new InvpcidAll()));
        Assert.That(new MovToCr3(5, NoFlush: true).Coarsened, Is.EqualTo(new MovToCr3(5, NoFlush: true)), "nothing was asked for");
        Assert.That(new MovToCr4Context().Coarsened, Is.EqualTo(new InvpcidAll()));
        Assert.That(new InvvpidSingle(1).Coarsened, Is.EqualTo(new InvvpidAll()));
        Assert.That(new InveptSingle(0x1000).Coarsened, Is.EqualTo(new InveptGlobal()));
        Assert.That(new TlbControlAsid(1).Coarsened, Is.EqualTo(new TlbControlAll()));
        Assert.That(new TlbControlAsidNonGlobal(1).Coarsened, Is.EqualTo(new TlbControlAll()));
    }

    [TestCase(0xABCD_E000UL | 0x5E, 0xABCD_E000UL)]
    [TestCase(0xFFF0_0000_0000_1FFFUL, 0x1000UL)]
    [TestCase(ulong.MaxValue, 0x000F_FFFF_FFFF_F000UL)]
    public void Bits_51_to_12_of_an_eptp_are_its_tag(ulong eptp, ulong ep4ta) => Assert.That(InveptSingle.Ep4taOf(eptp), Is.EqualTo(ep4ta));

    private static IEnumerable<CurrentTag> CurrentTags(Vendor vendor) =>
        from vpid in Vpids
        from pcid in Pcids
        from ep4ta in vendor == Vendor.Intel ? new ulong[] { 0, ManualTable.Eptp, ManualTable.OtherEptp } : [0UL]
        select new CurrentTag(vpid, pcid, ep4ta);

    /// <summary>All combinations of kind, VPID or ASID, PCID, global, EP4TA, translation or paging-structure-cache entry, size, and a page that is the addressed one or beside it.</summary>
    private static IEnumerable<CachedEntry> Entries(Vendor vendor)
    {
        foreach (Tag tag in Tags(vendor))
        {
            // A translation is for 4K, 2M or 1G; a paging-structure-cache entry for 2M (PDE), 1G, 512G or 256T (PML5E).
            foreach (int shift in new[] { 12, 21, 30, 39, 48 })
            {
                foreach (bool isPagingStructure in new[] { false, true })
                {
                    if (isPagingStructure ? shift == 12 || tag.Global : shift > 30)
                    {
                        continue;
                    }

                    ulong[] addresses = tag.Kind == MappingKind.GuestPhysical ? [ManualTable.GuestPhysicalPage] : [ManualTable.Page, ManualTable.UpperPage];
                    foreach (ulong address in addresses)
                    {
                        ulong first = (address & CachedEntry.LinearBits) >> shift << shift;
                        ulong bytes = 1UL << shift;
                        yield return new CachedEntry(tag, isPagingStructure, first, first + bytes - 1);
                        if (first >= bytes)
                        {
                            yield return new CachedEntry(tag, isPagingStructure, first - bytes, first - 1);
                        }

                        if (first + bytes <= CachedEntry.LinearBits)
                        {
                            yield return new CachedEntry(tag, isPagingStructure, first + bytes, first + (2 * bytes) - 1);
                        }
                    }
                }
            }
        }
    }

    private static IEnumerable<Tag> Tags(Vendor vendor)
    {
        bool intel = vendor == Vendor.Intel;
        ulong[] roots = intel ? [ManualTable.Eptp, ManualTable.OtherEptp] : [0];
        foreach (ushort vpid in Vpids)
        {
            foreach (bool global in new[] { false, true })
            {
                foreach (ushort pcid in global ? [0] : Pcids)
                {
                    yield return new Tag(MappingKind.Linear, vpid, pcid, global, 0);
                    foreach (ulong root in roots)
                    {
                        yield return new Tag(MappingKind.Combined, vpid, pcid, global, root);
                    }
                }
            }
        }

        foreach (ushort asid in intel ? [0] : Vpids)
        {
            foreach (ulong root in roots)
            {
                yield return new Tag(MappingKind.GuestPhysical, asid, 0, false, root);
            }
        }
    }
}
