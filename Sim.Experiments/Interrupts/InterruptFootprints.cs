using Sim.Kvm.Interrupts;
using Sim.Workloads.Weave;

namespace Sim.Experiments;

/// <summary>The pages that handling an interrupt touches, where no trace tells: weave's synthetic ones, so a woven trace and its interrupts use the same kernels.</summary>
public static class InterruptFootprints
{
    /// <summary>
    /// An L1's timer interrupt up to its next exit: medians of distinct 4K pages of code and data, and cycles, over the 18 of traces/nested-kvm-two-processes (Linux 6.12).
    /// </summary>
    private static readonly Footprint GuestHandler = new(55, 46, 2_729);

    /// <summary>Footprints of L0's and L1's handling, with the sizes that weave has from the captures.</summary>
    public static HandlerFootprints Synthetic { get; } = Of(new WeaveSpec());

    private static HandlerFootprints Of(WeaveSpec weave) => new()
    {
        L0Exit = Pages(FootprintPages.OfL0(weave.L0L1Exit)),
        L0Reflection = Pages(FootprintPages.OfLevel(weave.L0Exit)),
        L0Entry = Pages(FootprintPages.OfLevel(weave.L0Entry)),
        L1Exit = Pages(FootprintPages.OfLevel(weave.L1)),
        GuestHandler = Pages(FootprintPages.OfLevel(GuestHandler)),
    };

    private static FootprintPage[] Pages(IEnumerable<(ulong Address, Core.Traces.AccessType Type)> pages) => [.. pages.Select(page => new FootprintPage(page.Address, page.Type))];
}
