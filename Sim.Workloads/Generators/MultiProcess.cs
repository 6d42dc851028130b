using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Generators;

/// <summary>Several address spaces that use the same linear addresses, one after the other, with SetCr3 between them.</summary>
[Component("multi-process", Summary = "Several address spaces in turn with SetCr3, with or without PCIDs, and INVLPG now and then.")]
internal sealed class MultiProcess : IWorkloadGenerator
{
    private const ulong FirstRoot = 0x100_0000;

    /// <inheritdoc/>
    public IReadOnlyList<GeneratorOption> Options { get; } =
    [
        GeneratorOption.Number("processes", "Address spaces.", 4, 1, 4095),
        PagePatterns.Pages(256),
        GeneratorOption.Number("switch-every", "Accesses between two SetCr3.", 10_000, 1, 1UL << 40),
        GeneratorOption.Choice("pcid", "Whether address spaces have PCIDs and SetCr3 keeps their entries.", GeneratorCatalogue.On, GeneratorCatalogue.Off),
        GeneratorOption.Number("invlpg-every", "Accesses between two INVLPG of a page of the running process; 0: none.", 0, 0, 1UL << 40),
        PagePatterns.WritePercent,
    ];

    /// <inheritdoc/>
    public void Generate(GeneratorSettings settings, GeneratedLane lane)
    {
        ulong processes = settings.Number("processes");
        ulong pages = settings.Number("pages");
        ulong writes = settings.Number("write-percent");
        ulong switchEvery = settings.Number("switch-every");
        ulong invlpgEvery = settings.Number("invlpg-every");
        bool pcid = settings.IsOn("pcid");
        Rng rng = settings.Random("multi-process");
        lane.Event(TraceEvent.SetCr4(0, 0, Cr4Bits.Pae | Cr4Bits.Pge | (pcid ? Cr4Bits.Pcide : Cr4Bits.None)));
        for (ulong access = 0; lane.Remaining > 0; access++)
        {
            if (access % switchEvery == 0)
            {
                ulong turn = access / switchEvery;
                ulong process = turn % processes;
                bool ranBefore = turn >= processes;
                lane.Event(TraceEvent.SetCr3(0, 0, FirstRoot + (process * PagePatterns.PageBytes), pcid ? (ushort)(process + 1) : (ushort)0, noFlush: pcid && ranBefore));
            }

            if (invlpgEvery != 0 && access % invlpgEvery == invlpgEvery - 1)
            {
                lane.Event(TraceEvent.Invlpg(0, 0, PagePatterns.Address(rng.Below(pages), 0)));
            }

            ulong page = rng.Below(pages);
            lane.Access(PagePatterns.Address(page, PagePatterns.AnyWord(ref rng)), GeneratedLane.ReadOrWrite(ref rng, writes), PagePatterns.User);
        }
    }
}
