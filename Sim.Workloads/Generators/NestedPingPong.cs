using Sim.Core;
using Sim.Core.Architecture;
using Sim.Core.Traces;

namespace Sim.Workloads.Generators;

/// <summary>
/// L2 works on its pages and exits after a fixed number of accesses; L0 handles a share of the exits itself and forwards the others to L1, which works on its
/// pages and enters L2 again. Everything that a flush policy can depend on is an option.
/// </summary>
[Component("nested-ping-pong", Summary = "L2, L1 and L0 in turn, each with its own pages: the price of nested transitions in its purest form.")]
internal sealed class NestedPingPong : IWorkloadGenerator
{
    private const ushort Vcpu = 0;
    private const ulong L2Base = PagePatterns.UserBase;
    private const ulong L1Base = 0xFFFF_8880_0000_0000;
    private const ulong L0Base = 0xFFFF_8881_0000_0000;
    private const ulong Root = 0x200_0000;
    private const ulong Vmcs12Base = 0x300_0000;

    // EPTP: 4-level walk (bits 5:3 = 3), write-back (bits 2:0 = 6); SDM vol. 3, extended-page-table pointer.
    private const ulong Eptp12Base = 0x400_001E;

    /// <inheritdoc/>
    public IReadOnlyList<GeneratorOption> Options { get; } =
    [
        GeneratorOption.Number("l2-pages", "4K pages of L2's working set.", 512, 1, PagePatterns.MaxPages),
        GeneratorOption.Number("l1-pages", "4K pages that L1 touches for each exit it handles, each once.", 64, 0, 65_536),
        GeneratorOption.Number("l0-pages", "4K pages that L0 touches for each exit, each once.", 32, 0, 65_536),
        GeneratorOption.Number("every", "L2's accesses between two exits.", 1_000, 1, 1UL << 40),
        GeneratorOption.Number("l1-percent", "Percentage of exits that L1 handles.", 50, 0, 100),
        GeneratorOption.Choice("vpid12", "Whether vmcs12 enables VPID, and with the same number at every entry or several in turn.", "same", "none", "alternate"),
        GeneratorOption.Number("vpid12-count", "Vmcs12s with a VPID each that take turns, if vpid12=alternate.", 2, 2, 1_000),
        GeneratorOption.Choice("ept12", "Whether vmcs12 enables EPT.", GeneratorCatalogue.On, GeneratorCatalogue.Off),
        PagePatterns.WritePercent,
    ];

    /// <inheritdoc/>
    public void Generate(GeneratorSettings settings, GeneratedLane lane)
    {
        ulong l2Pages = settings.Number("l2-pages");
        ulong l1Pages = settings.Number("l1-pages");
        ulong l0Pages = settings.Number("l0-pages");
        ulong every = settings.Number("every");
        ulong l1Percent = settings.Number("l1-percent");
        ulong writes = settings.Number("write-percent");
        Rng accesses = settings.Random("nested-ping-pong.l2");
        Rng handlers = settings.Random("nested-ping-pong.handlers");
        ulong entries = 0;

        SetUp(lane, level: 0);
        lane.Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, Vcpu));
        SetUp(lane, level: 1);
        lane.Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, Vcpu, VmxExit.Vmlaunch));
        lane.Event(NestedEntry(settings, entries++));
        lane.Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL2, Vcpu));
        SetUp(lane, level: 2);
        while (true)
        {
            for (ulong i = 0; i < every; i++)
            {
                ulong address = L2Base + (accesses.Below(l2Pages) * PagePatterns.PageBytes) + (PagePatterns.AnyWord(ref accesses) * PagePatterns.WordBytes);
                lane.Access(address, GeneratedLane.ReadOrWrite(ref accesses, writes), PagePatterns.User);
            }

            if (lane.Remaining == 0)
            {
                return;
            }

            bool toL1 = handlers.Below(100) < l1Percent;
            VmxExit reason = toL1 ? VmxExit.Cpuid : VmxExit.ExternalInterrupt;
            lane.Event(TraceEvent.VmExit(0, TransitionKind.L2ToL0, Vcpu, reason));
            Touch(lane, L0Base, l0Pages);
            if (toL1)
            {
                lane.Event(TraceEvent.VmExit(0, TransitionKind.L2ToL1, Vcpu, reason));
                lane.Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, Vcpu));
                Touch(lane, L1Base, l1Pages);
                lane.Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, Vcpu, VmxExit.Vmresume));
                Touch(lane, L0Base, l0Pages);
                lane.Event(NestedEntry(settings, entries++));
            }

            lane.Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL2, Vcpu));
        }
    }

    private static void SetUp(GeneratedLane lane, byte level)
    {
        lane.Event(TraceEvent.SetCr4(0, level, Cr4Bits.Pae | Cr4Bits.Pge));
        lane.Event(TraceEvent.SetCr3(0, level, Root + (level * PagePatterns.PageBytes)));
    }

    /// <summary>The vmcs12s that take turns are different virtual machines with the same CR3 value, so each has an EPT of its own.</summary>
    private static TraceEvent NestedEntry(GeneratorSettings settings, ulong entry)
    {
        ulong turn = settings["vpid12"] == "alternate" ? entry % settings.Number("vpid12-count") : 0;
        bool vpid = settings["vpid12"] != "none";
        bool ept = settings.IsOn("ept12");
        VmControls controls = (vpid ? VmControls.EnableVpid : VmControls.None) | (ept ? VmControls.EnableEpt : VmControls.None);
        ulong offset = turn * PagePatterns.PageBytes;
        return TraceEvent.NestedEnter(0, Vcpu, Vmcs12Base + offset, controls, vpid ? (uint)turn + 1 : 0, ept ? Eptp12Base + offset : 0);
    }

    private static void Touch(GeneratedLane lane, ulong at, ulong pages)
    {
        for (ulong page = 0; page < pages; page++)
        {
            lane.Access(at + (page * PagePatterns.PageBytes), AccessType.Read, cpl: 0);
        }
    }
}
