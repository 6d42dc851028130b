namespace Sim.Kvm;

/// <summary>
/// The operand checks of INVVPID and INVEPT (SDM vol. 2; docs/rules.md#intel-invalidations; kvm-unit-tests invvpid_test, invept_test). Each answers null, or why the instruction ends
/// with VMfail and <see cref="InvalidOperand"/>.
/// </summary>
public static class InvalidationOperands
{
    /// <summary>VM-instruction error "invalid operand to INVEPT/INVVPID".</summary>
    public const int InvalidOperand = 28;

    private const ulong IndividualAddress = 0;
    private const ulong AllContexts = 2;
    private const ulong RetainingGlobals = 3;
    private const ulong SingleContext = 1;
    private const ulong Global = 2;

    /// <summary>INVVPID. LAM does not mask its address.</summary>
    /// <param name="type">The register operand.</param>
    /// <param name="vpid">Bits 63:0 of the descriptor: the VPID and 48 reserved bits.</param>
    /// <param name="address">Bits 127:64 of the descriptor.</param>
    /// <param name="linearAddressBits">48, or 57 with CR4.LA57.</param>
    public static string? Invvpid(ulong type, ulong vpid, ulong address, int linearAddressBits)
    {
        if (type > RetainingGlobals)
        {
            return $"INVVPID type {type} does not exist";
        }

        if (vpid > ushort.MaxValue)
        {
            return $"INVVPID descriptor 0x{vpid:x} has a bit of 63:16";
        }

        if (type != AllContexts && vpid == 0)
        {
            return $"INVVPID type {type} of VPID 0";
        }

        int unused = 64 - linearAddressBits;
        bool isCanonical = (ulong)((long)(address << unused) >> unused) == address;
        return type == IndividualAddress && !isCanonical ? $"INVVPID of 0x{address:x}, which is not canonical" : null;
    }

    /// <summary>INVEPT.</summary>
    /// <param name="type">The register operand.</param>
    /// <param name="eptp">Bits 63:0 of the descriptor.</param>
    /// <param name="offersFiveLevels">An EPTP may have a page-walk length of 5.</param>
    public static string? Invept(ulong type, ulong eptp, bool offersFiveLevels = true) => type switch
    {
        SingleContext => VmEntryChecks.Eptp(eptp, offersFiveLevels),
        Global => null,
        _ => $"INVEPT type {type} does not exist",
    };
}
