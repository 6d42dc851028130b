using Sim.Core.Traces;

namespace Sim.Workloads.Weave;

/// <summary>Which pages a synthetic footprint of a hypervisor consists of, and in which order they come: code and data in their proportion.</summary>
public static class FootprintPages
{
    // Linux's kernel text and direct map (Documentation/arch/x86/x86_64/mm.rst); strides are odd, so distinct pages stay distinct.
    private const ulong CodeBase = 0xFFFFFFFF81000000;
    private const ulong CodeStride = 37;
    private const ulong CodePool = 1 << 12;
    private const ulong DataBase = 0xFFFF888000000000;
    private const ulong DataStride = 2_654_435_761;
    private const ulong DataPool = 1 << 18;

    /// <summary>Where the pages of L1's exits begin in L0's pools: a stay of its own beside the long ones, which share most of their pages.</summary>
    internal const int L1ExitFirstPage = 30;

    /// <summary>Page <paramref name="index"/> of a footprint whose pages begin at some place of its level's pools.</summary>
    public static (ulong Address, bool IsCode) At(Footprint footprint, int index, int firstCodePage = 0, int firstDataPage = 0)
    {
        int pages = footprint.CodePages + footprint.DataPages;
        int codeBefore = (int)((long)index * footprint.CodePages / pages);
        bool code = (int)((long)(index + 1) * footprint.CodePages / pages) > codeBefore;
        ulong address = code
            ? CodeBase + ((ulong)(firstCodePage + codeBefore) * CodeStride % CodePool << 12)
            : DataBase + ((ulong)(firstDataPage + index - codeBefore) * DataStride % DataPool << 12);
        return (address, code);
    }

    /// <summary>Every page of L0's handling of an exit that it does not reflect, used once: code is fetched, data read.</summary>
    public static IEnumerable<(ulong Address, AccessType Type)> OfL0(Footprint footprint) => All(footprint, L1ExitFirstPage);

    /// <summary>Every page of a footprint at the beginning of its level's pools, used once.</summary>
    public static IEnumerable<(ulong Address, AccessType Type)> OfLevel(Footprint footprint) => All(footprint, 0);

    private static IEnumerable<(ulong Address, AccessType Type)> All(Footprint footprint, int first)
    {
        for (int index = 0; index < footprint.CodePages + footprint.DataPages; index++)
        {
            (ulong address, bool isCode) = At(footprint, index, first, first);
            yield return (address, isCode ? AccessType.Execute : AccessType.Read);
        }
    }
}
