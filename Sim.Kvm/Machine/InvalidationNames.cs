using System.Globalization;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>Names of the invalidations that a hypervisor or a VM transition without VPID executes, with KVM's names for tags: INVVPID(vpid02), INVEPT(eptp01), TLB_CONTROL(asid02).</summary>
internal static class InvalidationNames
{
    /// <summary>The name; null for what a guest or L0 itself executes for its own paging (INVLPG, INVPCID, MOV to a control register, faults).</summary>
    /// <param name="invalidation">The invalidation.</param>
    /// <param name="tag">Name of a VPID or ASID without its first word: 01, 02, ...</param>
    /// <param name="ep4ta">Name of an EP4TA.</param>
    public static string? Of(Invalidation invalidation, Func<ushort, string> tag, Func<ulong, string> ep4ta) => invalidation switch
    {
        InvvpidSingle { Vpid: var vpid } => $"INVVPID(vpid{tag(vpid)})",
        InvvpidSingleRetainGlobals { Vpid: var vpid } => $"INVVPID(vpid{tag(vpid)},retaining-globals)",
        InvvpidAddress { Vpid: var vpid, Address: var address } => $"INVVPID(vpid{tag(vpid)},{Hex(address)})",
        InvvpidAll => "INVVPID(all)",
        InveptSingle { Eptp: var eptp } => $"INVEPT({ep4ta(InveptSingle.Ep4taOf(eptp))})",
        InveptGlobal => "INVEPT(all)",
        TlbControlAsid { Asid: var asid } => $"TLB_CONTROL(asid{tag(asid)})",
        TlbControlAsidNonGlobal { Asid: var asid } => $"TLB_CONTROL(asid{tag(asid)},non-global)",
        TlbControlAll => "TLB_CONTROL(all)",
        Invlpga { Asid: var asid, Address: var address } => $"INVLPGA(asid{tag(asid)},{Hex(address)})",
        Invlpgb => "INVLPGB",
        VmTransitionWithoutVpid => "VPID0",
        _ => null,
    };

    /// <summary>The same, with words for what has no name: every invalidation, whoever executes it.</summary>
    /// <param name="invalidation">The invalidation.</param>
    /// <param name="tag">Name of a VPID or ASID without its first word.</param>
    /// <param name="ep4ta">Name of an EP4TA.</param>
    public static string InWords(Invalidation invalidation, Func<ushort, string> tag, Func<ulong, string> ep4ta) => invalidation switch
    {
        Invlpg { Address: var address } => $"INVLPG({Hex(address)})",
        InvpcidAddress { Pcid: var pcid, Address: var address } => $"INVPCID({Number(pcid)},{Hex(address)})",
        InvpcidContext { Pcid: var pcid } => $"INVPCID({Number(pcid)})",
        InvpcidAll => "INVPCID(all)",
        InvpcidAllNonGlobal => "INVPCID(all,retaining-globals)",
        MovToCr3 { Pcid: var pcid, NoFlush: var noFlush } => $"MOV to CR3 (PCID {Number(pcid)}{(noFlush ? ", no flush" : "")})",
        MovToCr4Pge => "MOV to CR4 (all PCIDs)",
        MovToCr4Context => "MOV to CR4 (current PCID)",
        VmTransitionWithoutVpid => "VM transition without VPID",
        _ => Of(invalidation, tag, ep4ta) ?? invalidation.Name,
    };

    private static string Number(ushort number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Hex(ulong address) => "0x" + address.ToString("x", CultureInfo.InvariantCulture);
}
