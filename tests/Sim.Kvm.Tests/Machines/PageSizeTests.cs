using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Kvm.Tests.Machines;

/// <summary>How large pages are taken to be, and what a change of a small page does to a large one.</summary>
public sealed class PageSizeTests
{
    private const ulong Kernel = 0xFFFF_8880_0000_0000;
    private const ulong Program = 0x40_0000;
    private const ulong Page = 0x1000;

    [Test]
    public void L0_has_small_pages_in_the_lower_half_and_large_ones_in_the_upper()
    {
        Assert.That(Walks(new Script("never").Touch(Program, Program + Page, Program + (2 * Page))), Is.EqualTo(3));
        Assert.That(Walks(new Script("never").Touch(Kernel, Kernel + Page, Kernel + (2 * Page), Kernel + (512 * Page))), Is.EqualTo(2));
    }

    [TestCase(PageSize.Size4K, 3, 3)]
    [TestCase(PageSize.Size2M, 1, 1)]
    public void A_size_given_for_L0_holds_in_both_halves(PageSize size, int program, int kernel)
    {
        Assert.That(Walks(With(spec => spec with { L0Pages = size }).Touch(Program, Program + Page, Program + (2 * Page))), Is.EqualTo(program));
        Assert.That(Walks(With(spec => spec with { L0Pages = size }).Touch(Kernel, Kernel + Page, Kernel + (2 * Page))), Is.EqualTo(kernel));
    }

    /// <summary>
    /// A page-table entry of 4 KiB can only change where there is a page table, so the 2 MiB page is gone: from now on its parts are translations of their own
    /// (SDM vol. 3, "Details of TLB Use"), and each part that is used takes a walk.
    /// </summary>
    [Test]
    public void A_recorded_change_of_a_small_page_splits_the_large_one_around_it()
    {
        Script script = new Script("never").Touch(Kernel, Kernel + Page);
        Assert.That(Walks(script), Is.EqualTo(1));

        script.Change(MapTable.L0, Kernel, by: 0).Event(TraceEvent.Invlpg(0, 0, Kernel)).Touch(Kernel, Kernel + Page, Kernel + (2 * Page), Kernel + (511 * Page));

        Assert.That(Walks(script), Is.EqualTo(5));
        Assert.That(Walks(script.Touch(Kernel, Kernel + Page, Kernel + (2 * Page), Kernel + (511 * Page))), Is.EqualTo(5), "all of them are held now");
    }

    /// <summary>If all pages are taken to be large, then so is the one that changes: INVLPG drops its one entry, and one walk makes it again.</summary>
    [TestCase(MapChangeKind.Changed)]
    [TestCase(MapChangeKind.Removed)]
    [TestCase(MapChangeKind.Restricted)]
    public void Where_sizes_are_assumed_a_change_splits_nothing(MapChangeKind change)
    {
        Script script = With(spec => spec with { PageSizes = PageSizeSource.Assumed, L0Pages = PageSize.Size2M }).Touch(Kernel, Kernel + Page);

        script.Change(MapTable.L0, Kernel, change, by: 0).Event(TraceEvent.Invlpg(0, 0, Kernel)).Touch(Kernel, Kernel + Page, Kernel + (511 * Page));

        Assert.That(Walks(script), Is.EqualTo(2));
    }

    [TestCase(MapChangeKind.Changed)]
    [TestCase(MapChangeKind.Removed)]
    public void Where_sizes_are_assumed_a_change_of_what_was_never_used_makes_no_small_pages_either(MapChangeKind change)
    {
        Script script = With(spec => spec with { PageSizes = PageSizeSource.Assumed, L0Pages = PageSize.Size2M });

        script.Change(MapTable.L0, Kernel, change, by: 0).Event(TraceEvent.Invlpg(0, 0, Kernel)).Touch(Kernel, Kernel + Page, Kernel + (511 * Page));

        Assert.That(Walks(script), Is.EqualTo(1));
    }

    [Test]
    public void Where_small_pages_are_assumed_the_change_of_a_large_one_changes_all_small_ones_inside_and_leaves_them_small()
    {
        Script script = With(spec => spec with { PageSizes = PageSizeSource.Assumed, L0Pages = PageSize.Size4K }).Touch(Kernel, Kernel + Page);

        script.Change(MapTable.L0, Kernel, size: 2 << 20, by: 0).Event(TraceEvent.Invlpg(0, 0, Kernel)).Touch(Kernel, Kernel + Page, Kernel + (2 * Page));

        // INVLPG drops one small page; the other one is used as it is, which is L0's own affair.
        Assert.That(Walks(script), Is.EqualTo(4));
    }

    [Test]
    public void A_change_of_an_assumed_page_gives_it_another_frame_so_that_its_old_translation_is_stale()
    {
        Script script = With(spec => spec with { PageSizes = PageSizeSource.Assumed, L1Pages = PageSize.Size2M }).L1().Touch(Program);

        script.Change(MapTable.L1, Program + Page).Event(TraceEvent.Invlpg(0, 1, Program + Page)).Touch(Program);

        Assert.That((script.Verdict, Walks(script)), Is.EqualTo(("safe", 2)));
        Assert.That(script.Change(MapTable.L1, Program + Page).Touch(Program).Permitted, Is.EqualTo(1));
    }

    /// <summary>An entry covers the smaller of the guest's page and the host's: nine pages of a region of 2 MiB take one walk or nine.</summary>
    [TestCase(1UL << 21, 1UL << 21, 1)]
    [TestCase(1UL << 21, 1UL << 12, 9)]
    [TestCase(1UL << 12, 1UL << 21, 9)]
    public void Pages_of_L1_have_the_sizes_that_the_trace_tells_in_its_tables_and_in_EPT01(ulong size, ulong second, int walks)
    {
        Script script = new Script("never").L1();
        for (ulong page = 0; page < 9; page++)
        {
            script.Event(TraceEvent.PageSizes(0, 1, 0, (Kernel + (page * Page)) & ~(size - 1), size, second)).Touch(Kernel + (page * Page));
        }

        Assert.That(Walks(script), Is.EqualTo(walks));
    }

    [TestCase(1UL << 21, 1UL << 21, 1, ReplayKind.ByPolicy)]
    [TestCase(1UL << 21, 1UL << 12, 9, ReplayKind.ByPolicy)]
    [TestCase(1UL << 21, 1UL << 21, 1, ReplayKind.AsRecorded)]
    [TestCase(1UL << 21, 1UL << 12, 9, ReplayKind.AsRecorded)]
    public void Pages_of_L2_have_the_sizes_that_the_trace_tells_in_its_tables_and_in_EPT02(ulong size, ulong second, int walks, ReplayKind kind)
    {
        Script script = new Script("never", kind: kind).L1()
            .Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, VmxExit.Vmresume))
            .Event(TraceEvent.NestedEnter(0, 0, 0x5000, VmControls.EnableVpid | VmControls.EnableEpt, 1, 0x70000))
            .Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL2, 0, 2, 0x9000))
            .Event(TraceEvent.PageSizes(0, 2, 0, Kernel, size, second));
        for (ulong page = 0; page < 9; page++)
        {
            script.Touch(Kernel + (page * Page));
        }

        Assert.That(Walks(script), Is.EqualTo(walks));
    }

    [TestCase(PageSizeSource.Recorded, 1)]
    [TestCase(PageSizeSource.Assumed, 9)]
    public void What_the_trace_tells_does_not_count_where_sizes_are_assumed(PageSizeSource source, int walks)
    {
        Script script = With(spec => spec with { PageSizes = source, L0Pages = PageSize.Size4K }).Event(TraceEvent.PageSizes(0, 0, 0, Kernel, 1UL << 21, 0));
        for (ulong page = 0; page < 9; page++)
        {
            script.Touch(Kernel + (page * Page));
        }

        Assert.That(Walks(script), Is.EqualTo(walks));
    }

    private static Script With(Func<MachineSpec, MachineSpec> change) => new("never", change: change);

    private static long Walks(Script script) => script.Stats.Stats.Where(stat => stat.Path == "lane[0].stlb.misses").Sum(stat => stat.Value);
}
