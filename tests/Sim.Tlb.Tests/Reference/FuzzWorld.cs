using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Tlb.Tests.Reference;

/// <summary>Page tables, contexts and addresses that a fuzz chooses from: few enough that choices meet again.</summary>
internal sealed class FuzzWorld
{
    private static readonly PageSize[] Sizes = [PageSize.Size4K, PageSize.Size4K, PageSize.Size2M, PageSize.Size1G];

    private readonly PageTable[] _guests;
    private readonly PageTable[] _nested;
    private readonly ulong[] _regions;
    private readonly Vendor _vendor;
    private Rng _rng;

    public FuzzWorld(Vendor vendor, ulong seed)
    {
        _vendor = vendor;
        _rng = Rng.Fork(seed, "world");
        FrameAllocator host = new();
        FrameAllocator guest = new();
        int levels = Below(3) == 0 ? 5 : 4;
        PageTable kernel = new(0x1000, levels, PageSize.Size4K, guest, globalUpperHalf: true);
        _guests =
        [
            new PageTable(0x2000, levels, PageSize.Size4K, guest, kernel),
            new PageTable(0x3000, levels, PageSize.Size4K, guest, kernel),
            new PageTable(0x4000, levels, PageSize.Size2M, guest, globalUpperHalf: true),
            new PageTable(0x5000, 9 - levels, PageSize.Size1G, guest),
        ];

        // The last two EPT pointers differ in bits 11:0 only: one EP4TA.
        _nested =
        [
            new PageTable(0x10_0000, levels, PageSize.Size4K, host),
            new PageTable(0x20_0000, 4, PageSize.Size2M, host),
            new PageTable(0x30_001E, levels, PageSize.Size4K, host),
            new PageTable(0x30_005E, levels, PageSize.Size1G, host),
        ];
        _regions =
        [
            0, 0x20_0000, 0x40_0000, 0x4000_0000, 0x4020_0000, 0x80_0000_0000, 0xFFFF_8000_0000_0000, 0xFFFF_8000_0020_0000, 0xFFFF_FFFF_8000_0000,
            levels == 5 ? 0x00FE_0000_0000_0000UL : 0x7FFF_C000_0000UL,
        ];
        for (int i = 0; i < 40; i++)
        {
            ChangeMapping();
        }

        Contexts = Enumerable.Range(0, 14).Select(_ => NewContext()).ToArray();
    }

    public TranslationContext[] Contexts { get; }

    public int Below(int bound) => (int)_rng.Below((ulong)bound);

    public T OneOf<T>(params ReadOnlySpan<T> choices) => choices[Below(choices.Length)];

    public ushort Vpid() => (ushort)Below(4);

    public ushort Pcid() => (ushort)Below(5);

    /// <summary>An address of any of a few regions; mostly of their first pages.</summary>
    public ulong Address() => OneOf<ulong>(_regions) + (4096UL * (ulong)Below(OneOf(3, 12, 12, 512))) + (ulong)Below(4096);

    /// <summary>A guest-physical address that the context uses: of a table or of a page.</summary>
    public ulong GuestPhysicalAddress(TranslationContext context)
    {
        ulong address = Address();
        return Below(2) == 0 ? context.Guest.EntryAddress(address, context.Guest.Levels - Below(2)) : context.Guest.Map(address).Frame + (ulong)Below(1 << 21);
    }

    public ulong Eptp() => OneOf(_nested).Root ^ (ulong)Below(4096);

    /// <summary>Maps, unmaps or splits a page of a guest's or a nested tree, without telling anybody.</summary>
    public void ChangeMapping()
    {
        bool nested = Below(3) == 0;
        PageTable table = nested ? OneOf(_nested) : OneOf(_guests);
        ulong address = nested ? (1UL << 30) * (ulong)(1 + Below(6)) + (4096UL * (ulong)Below(64)) : Address();
        switch (Below(3))
        {
            case 0:
                table.Set(address, OneOf(Sizes));
                break;
            case 1:
                table.Remove(address, OneOf(Sizes));
                break;
            default:
                table.Split(address);
                break;
        }
    }

    /// <summary>An invalidation that the vendor's CPU can execute. Every type can come.</summary>
    public Invalidation Invalidation() => Below(3) == 0 ? Common() : _vendor == Vendor.Amd ? Amd() : Intel();

    private Invalidation Common() => Below(12) switch
    {
        0 => new Invlpg(Address()),
        1 => new Invlpg(Address()),
        2 => new InvpcidAddress(Pcid(), Address()),
        3 => new InvpcidContext(Pcid()),
        4 => Below(2) == 0 ? new InvpcidAll() : new InvpcidAllNonGlobal(),
        5 => new MovToCr3(Pcid(), NoFlush: false),
        6 => new MovToCr3(Pcid(), NoFlush: true),
        7 => new MovToCr4Context(),
        8 => new MovToCr4Pge(),
        9 => Below(20) == 0 ? new Reset() : new Invlpg(Address()),
        _ => new InvpcidAddress(Pcid(), Address()),
    };

    private Invalidation Intel() => Below(9) switch
    {
        0 => new VmTransitionWithoutVpid(),
        1 => new InvvpidAddress((ushort)(1 + Below(3)), Address()),
        2 => new InvvpidAddress((ushort)(1 + Below(3)), Address()),
        3 => new InvvpidSingle((ushort)(1 + Below(3))),
        4 => new InvvpidSingleRetainGlobals((ushort)(1 + Below(3))),
        5 => Below(3) == 0 ? new InvvpidAll() : new InvvpidAddress((ushort)(1 + Below(3)), Address()),
        6 => new InveptSingle(Eptp()),
        7 => Below(3) == 0 ? new InveptGlobal() : new InveptSingle(Eptp()),
        _ => new InveptSingle(Eptp()),
    };

    private Invalidation Amd() => Below(6) switch
    {
        0 => Below(4) == 0 ? new TlbControlAll() : new Invlpga(Vpid(), Address()),
        1 => new TlbControlAsid(Vpid()),
        2 => new TlbControlAsidNonGlobal(Vpid()),
        3 => new Invlpga(Vpid(), Address()),
        _ => new Invlpgb((InvlpgbOptions)(Below(64) | OneOf(0, 1, 5)), Vpid(), Pcid(), Address(), (ushort)Below(OneOf(2, 20)), Below(3) == 0),
    };

    /// <summary>Host, un-VPIDed guest, guest of L0 or of L1, shadow paging: any mixture, so tags are reused for other tables too.</summary>
    private TranslationContext NewContext() =>
        new(Vpid(), Pcid(), Below(8) != 0, OneOf(_guests), Below(5) < 2 ? null : OneOf(_nested), Below(3));
}
