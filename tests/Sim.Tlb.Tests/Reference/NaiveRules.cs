namespace Sim.Tlb.Tests.Reference;

/// <summary>
/// Which entries each invalidation drops: docs/rules.md#intel-invalidations and #amd-tags, row by row. A coarse CPU forgets about the address; an operation on a PCID drops the current VPID with its
/// globals, one on a VPID all but VPID 0 (one on an ASID everything), one on an EP4TA all of them.
/// </summary>
internal static class NaiveRules
{
    public static bool Goes(Invalidation operation, NaiveEntry entry, NaiveTag now, bool coarse)
    {
        NaiveTag tag = entry.Tag;
        bool guestPhysical = tag.Kind == MappingKind.GuestPhysical;
        bool combined = tag.Kind == MappingKind.Combined;
        bool byEpt = combined || guestPhysical;

        bool OfVpid(int vpid) => !guestPhysical && tag.Vpid == vpid;
        bool OfPcid(int pcid) => OfVpid(now.Vpid) && !tag.Global && tag.Pcid == pcid;
        bool OfPcidOrCoarse(int pcid) => coarse ? OfVpid(now.Vpid) : OfPcid(pcid);
        bool At(ulong address) => coarse || entry.PageTouches(address & NaiveEntry.AddressBits, address & NaiveEntry.AddressBits);

        return operation switch
        {
            Invlpg o => entry.IsPagingStructure ? OfPcid(now.Pcid) : (OfPcid(now.Pcid) || (OfVpid(now.Vpid) && tag.Global)) && At(o.Address),
            InvpcidAddress o => OfPcid(o.Pcid) && At(o.Address),
            InvpcidContext o => OfPcidOrCoarse(o.Pcid),
            InvpcidAll => OfVpid(now.Vpid),
            InvpcidAllNonGlobal => OfVpid(now.Vpid) && (coarse || !tag.Global),
            MovToCr3 o => !o.NoFlush && OfPcidOrCoarse(o.Pcid),
            MovToCr4Pge => OfVpid(now.Vpid),
            MovToCr4Context => OfPcidOrCoarse(now.Pcid),
            VmTransitionWithoutVpid => OfVpid(0),
            InvvpidAddress o => OfVpid(o.Vpid) && At(o.Address),
            InvvpidSingle o => coarse ? !guestPhysical && tag.Vpid != 0 : OfVpid(o.Vpid),
            InvvpidSingleRetainGlobals o => coarse ? !guestPhysical && tag.Vpid != 0 : OfVpid(o.Vpid) && !tag.Global,
            InvvpidAll => !guestPhysical && tag.Vpid != 0,
            InveptSingle o => byEpt && (coarse || tag.Ep4ta == (o.Eptp & 0x000F_FFFF_FFFF_F000)),
            InveptGlobal => byEpt,
            TlbControlAll => true,
            TlbControlAsid o => coarse || tag.Vpid == o.Asid,
            TlbControlAsidNonGlobal o => coarse || (tag.Vpid == o.Asid && !tag.Global),
            Invlpga o => OfVpid(o.Asid) && At(o.Address),
            Invlpgb o => Goes(o, entry, coarse),
            Reset => true,
            _ => throw new ArgumentException($"The reference does not know {operation}.", nameof(operation)),
        };
    }

    /// <summary>INVLPGB, flag by flag.</summary>
    private static bool Goes(Invlpgb o, NaiveEntry entry, bool coarse)
    {
        bool Flag(int bit) => ((int)o.Options >> bit & 1) != 0;
        bool addressValid = Flag(0), pcidValid = Flag(1), asidValid = Flag(2), includeGlobal = Flag(3), finalOnly = Flag(4), includeNested = Flag(5);
        if (asidValid && entry.Tag.Vpid != o.Asid)
        {
            return false;
        }

        if (finalOnly && entry.IsPagingStructure)
        {
            return false;
        }

        if (entry.Tag.Kind == MappingKind.GuestPhysical)
        {
            return includeNested;
        }

        if (entry.Tag.Global ? !includeGlobal : pcidValid && entry.Tag.Pcid != o.Pcid)
        {
            return false;
        }

        int stride = o.LargeStride ? 21 : 12;
        return coarse || !addressValid || Enumerable.Range(0, o.ExtraPages + 1)
            .Select(i => NaiveEntry.StartOfPage(o.Address, stride) + ((ulong)i << stride))
            .Any(page => entry.PageTouches(page, page + (1UL << stride) - 1));
    }
}
