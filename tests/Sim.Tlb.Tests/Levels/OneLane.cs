using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core.Traces;

namespace Sim.Tlb.Tests.Levels;

/// <summary>The hardware of one lane with what a test by hand needs around it.</summary>
internal sealed class OneLane
{
    /// <summary>Large, so shared by all lanes of a thread.</summary>
    [ThreadStatic]
    private static TraceBlock? _shared;
    private readonly FlushCauses _causes = new();

    public OneLane(CpuProfile profile, MmuOptions? options = null) => Mmu = Mmu.Create(profile, _causes, options ?? new MmuOptions(), "lane[0]");

    public Mmu Mmu { get; }

    /// <summary>The sum of a statistic of the lane over its labels; of one label if given with braces.</summary>
    public long this[string metric] => metric.EndsWith('}') ? Sheet()[$"lane[0].{metric}"] : Sheet().Sum($"lane[0].{metric}");

    /// <summary>A process on bare metal with page tables of its own.</summary>
    public static TranslationContext Process(ushort pcid, PageSize leaf = PageSize.Size4K, ushort vpid = 0) =>
        new(vpid, pcid, true, new PageTable(0x1000UL + pcid, 4, leaf, new FrameAllocator(), null, globalUpperHalf: true), null, 0);

    /// <summary>A guest process under EPT or NPT.</summary>
    public static TranslationContext Guest(
        ushort vpid, ushort pcid, ulong nestedRoot, PageSize leaf = PageSize.Size4K, PageSize nestedLeaf = PageSize.Size4K, int levels = 4, int nestedLevels = 4) =>
        new(
            vpid,
            pcid,
            true,
            new PageTable(0x1000UL + pcid, levels, leaf, new FrameAllocator(), null, globalUpperHalf: true),
            new PageTable(nestedRoot, nestedLevels, nestedLeaf, new FrameAllocator()),
            1);

    public StatSheet Sheet()
    {
        StatSheet sheet = new();
        Mmu.Collect(sheet);
        return sheet;
    }

    /// <summary>All statistics as text.</summary>
    public string[] Lines() => Sheet().Stats.Select(stat => $"{stat.Key} = {stat.Value}").ToArray();

    public void SwitchTo(TranslationContext context, string rule = "switch") => Mmu.SwitchTo(context, Cause("none", rule));

    public int Apply(Invalidation invalidation, string rule = "test") => Mmu.Apply(invalidation, Cause(invalidation.Name, rule));

    /// <summary>One reference.</summary>
    /// <returns>Its stall cycles.</returns>
    public ulong Access(ulong address, AccessType type = AccessType.Read, uint repeat = 1)
    {
        TraceBlock block = _shared ??= new TraceBlock();
        block.Clear();
        block.AddAccess(0, address, AccessFlags.Pack(type), repeat);
        return Mmu.Translate(block, 0, 1);
    }

    /// <summary>A reference in a context, the current one from now on.</summary>
    public ulong Access(TranslationContext context, ulong address, AccessType type = AccessType.Read)
    {
        SwitchTo(context);
        return Access(address, type);
    }

    private int Cause(string invalidation, string rule) => _causes.Intern(new FlushCause(invalidation, "test", rule));
}
