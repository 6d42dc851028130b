using Sim.Core.Profiles;

namespace Sim.Tlb.Tests.Invalidations;

/// <summary>One row of the manual: an invalidation, and which entries must go when it executes under the current tag values.</summary>
public sealed record ManualRow(Vendor Vendor, Invalidation Invalidation, Func<CachedEntry, CurrentTag, bool> Goes)
{
    public override string ToString() => $"{Vendor} {Invalidation}";
}

/// <summary>
/// Tables 1.2 (Intel, SDM) and 1.4 (AMD, APM) of the notes on KVM's semantics, written down again and independently of Sim.Tlb. Where the manual leaves a choice, the choice is the
/// least that must go: a global translation stays unless the row says that globals go.
/// </summary>
internal static class ManualTable
{
    public const ulong Page = 0x0000_1234_5678_9000;
    public const ulong UpperPage = 0xFFFF_9234_5678_9000;
    public const ulong GuestPhysicalPage = 0x8000_0000;
    public const ulong Eptp = 0x0000_000A_B000_0000;
    public const ulong OtherEptp = 0x0000_000C_D000_0000;

    /// <summary>Memory type write-back, walk length 4, A/D: bits of an EPTP that are not in the tag.</summary>
    private const ulong EptpAttributes = 0x5E;
    private static readonly ulong[] Addresses = [Page, Page + 0xFFF, UpperPage + 0x123];
    private static readonly ushort[] Vpids = [0, 1, 2];
    private static readonly ushort[] Pcids = [0, 5, 7];

    /// <summary>All rows, several per type where it has operands.</summary>
    public static IEnumerable<ManualRow> Rows() => [.. Intel(), .. Amd(), .. OfBoth(Vendor.Intel), .. OfBoth(Vendor.Amd)];

    private static IEnumerable<ManualRow> Intel()
    {
        foreach (ulong a in Addresses)
        {
            foreach (ushort v in Vpids)
            {
                yield return Row(new InvvpidAddress(v, a), (e, _) => e.IsLinearOrCombined && e.Vpid == v && e.Covers(a));
            }
        }

        foreach (ushort v in Vpids)
        {
            yield return Row(new InvvpidSingle(v), (e, _) => e.IsLinearOrCombined && e.Vpid == v);
            yield return Row(new InvvpidSingleRetainGlobals(v), (e, _) => e.IsLinearOrCombined && e.Vpid == v && !e.IsGlobal);
        }

        yield return Row(new InvvpidAll(), (e, _) => e.IsLinearOrCombined && e.Vpid != 0);
        yield return Row(new VmTransitionWithoutVpid(), (e, _) => e.IsLinearOrCombined && e.Vpid == 0);
        foreach (ulong attributes in new ulong[] { 0, EptpAttributes })
        {
            yield return Row(new InveptSingle(Eptp | attributes), (e, _) => (e.IsGuestPhysical || e.IsCombined) && e.Tag.Ep4ta == Eptp);
        }

        yield return Row(new InveptGlobal(), (e, _) => e.IsGuestPhysical || e.IsCombined);

        static ManualRow Row(Invalidation invalidation, Func<CachedEntry, CurrentTag, bool> goes) => new(Vendor.Intel, invalidation, goes);
    }

    private static IEnumerable<ManualRow> Amd()
    {
        yield return Row(new TlbControlAll(), (_, _) => true);
        foreach (ushort asid in Vpids)
        {
            yield return Row(new TlbControlAsid(asid), (e, _) => e.Vpid == asid);
            yield return Row(new TlbControlAsidNonGlobal(asid), (e, _) => e.Vpid == asid && !e.IsGlobal);
            foreach (ulong a in Addresses)
            {
                yield return Row(new Invlpga(asid, a), (e, _) => e.IsLinearOrCombined && e.Vpid == asid && e.Covers(a));
            }
        }

        for (int bits = 0; bits < 64; bits++)
        {
            yield return Invlpgb(bits, Page, 0, false, Page & ~0xFFFUL, 0x1000);
            yield return Invlpgb(bits, UpperPage, 1, false, UpperPage, 0x2000);
            yield return Invlpgb(bits, Page - 0x1000, 1, false, Page - 0x1000, 0x2000);
            yield return Invlpgb(bits, Page, 0, true, Page & ~0x1F_FFFFUL, 0x20_0000);
            yield return Invlpgb(bits, Page - 0x20_0000, 1, true, (Page & ~0x1F_FFFFUL) - 0x20_0000, 0x40_0000);
        }

        static ManualRow Row(Invalidation invalidation, Func<CachedEntry, CurrentTag, bool> goes) => new(Vendor.Amd, invalidation, goes);
    }

    /// <summary>rAX bits: 0 address valid, 1 PCID valid, 2 ASID valid, 3 include global, 4 final translation only, 5 include nested.</summary>
    private static ManualRow Invlpgb(int bits, ulong address, ushort extra, bool large, ulong start, ulong bytes)
    {
        const ushort Asid = 1;
        const ushort Pcid = 5;
        return new ManualRow(Vendor.Amd, new Invlpgb((InvlpgbOptions)bits, Asid, Pcid, address, extra, large), (e, _) =>
        {
            if (Bit(2) && e.Vpid != Asid)
            {
                return false;
            }

            if (Bit(4) && e.IsPagingStructure)
            {
                return false;
            }

            if (e.IsGuestPhysical)
            {
                return Bit(5);
            }

            ulong first = start & CachedEntry.LinearBits;
            if (Bit(0) && (e.Last < first || first + bytes - 1 < e.First))
            {
                return false;
            }

            return e.IsGlobal ? Bit(3) : !Bit(1) || e.IsOfPcid(Pcid);
        });

        bool Bit(int bit) => ((bits >> bit) & 1) != 0;
    }

    private static IEnumerable<ManualRow> OfBoth(Vendor vendor)
    {
        foreach (ulong a in Addresses)
        {
            // Translations of the address under the current PCID and global ones under any; all paging-structure-cache entries of the PCID, for whatever address.
            yield return Row(
                new Invlpg(a),
                (e, cur) => e.IsLinearOrCombined && e.Vpid == cur.Vpid && (e.IsPagingStructure ? e.IsOfPcid(cur.Pcid) : e.Covers(a) && (e.IsGlobal || e.IsOfPcid(cur.Pcid))));
            foreach (ushort p in Pcids)
            {
                yield return Row(new InvpcidAddress(p, a), (e, cur) => e.IsLinearOrCombined && e.Vpid == cur.Vpid && e.IsOfPcid(p) && e.Covers(a));
            }
        }

        foreach (ushort p in Pcids)
        {
            yield return Row(new InvpcidContext(p), (e, cur) => e.IsLinearOrCombined && e.Vpid == cur.Vpid && e.IsOfPcid(p));
            yield return Row(new MovToCr3(p, NoFlush: false), (e, cur) => e.IsLinearOrCombined && e.Vpid == cur.Vpid && e.IsOfPcid(p));
            yield return Row(new MovToCr3(p, NoFlush: true), (_, _) => false);
        }

        yield return Row(new InvpcidAll(), (e, cur) => e.IsLinearOrCombined && e.Vpid == cur.Vpid);
        yield return Row(new InvpcidAllNonGlobal(), (e, cur) => e.IsLinearOrCombined && e.Vpid == cur.Vpid && !e.IsGlobal);
        yield return Row(new MovToCr4Pge(), (e, cur) => e.IsLinearOrCombined && e.Vpid == cur.Vpid);
        yield return Row(new MovToCr4Context(), (e, cur) => e.IsLinearOrCombined && e.Vpid == cur.Vpid && e.IsOfPcid(cur.Pcid));
        yield return Row(new Reset(), (_, _) => true);

        ManualRow Row(Invalidation invalidation, Func<CachedEntry, CurrentTag, bool> goes) => new(vendor, invalidation, goes);
    }
}
