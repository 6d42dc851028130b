using System.Globalization;
using System.Text;
using Sim.Captures.HwLog;
using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Captures.Tests.HwLog;

/// <summary>What a memory window tells of page sizes, and what is inferred.</summary>
[TestFixture]
internal sealed class PageSizeTests
{
    private const string Start =
        "100 100 0 R VMENTRY vmcs=1000 vpid=1 eptp=505e cr3=2000 rip=0 pin=0 cpu=0 cpu2=0 intr=0\n"
        + "101 101 0 G MEMWINDOW_START mode=2 naccess=60M\n"
        + "C 0 G 0 vpid=1 eptp=505e cr3=2000 vmcs=1000\n";

    [Test]
    public void The_size_of_a_page_is_told_once_before_its_first_use_even_if_its_walk_comes_behind_that()
    {
        string[] told = Told(Start + "R 401 9401\nF 401008 9401008 1000 ur-\nR 401 9401\nF 402000 9999000 1000 ur-\nR 402 9999\nR 401 9401\n");

        Assert.That(told, Is.EqualTo(new[] { "PageSizes level=1 root=0x2000 address=0x401000 size=0x1000 second_level=0x1000", "PageSizes level=1 root=0x2000 address=0x402000 size=0x1000 second_level=0x1000" }));
    }

    [TestCase("40201000", "0x200000", "at a distance of a multiple of 2 MiB")]
    [TestCase("40202000", "0x1000", "a page further")]
    public void A_large_page_of_the_guest_is_in_a_large_EPT_page_if_it_lies_congruent_in_host_memory(string physical, string second, string why)
    {
        string[] told = Told(Start + $"F ffff888000001000 {physical} 200000 srg\nR ffff888000001 40201\n");

        Assert.That(told, Is.EqualTo(new[] { $"PageSizes level=1 root=0x2000 address=0xffff888000000000 size=0x200000 second_level={second}" }), why);
    }

    [Test]
    public void A_large_page_that_lies_in_two_pieces_is_in_small_EPT_pages() => Assert.That(
        Told(Start + "F ffff888000001000 40201000 200000 srg\nF ffff888000002000 40602000 200000 srg\nF ffff888000003000 40604000 200000 srg\nR ffff888000001 40201\nR ffff888000002 40602\n"),
        Is.EqualTo(new[] { "PageSizes level=1 root=0x2000 address=0xffff888000000000 size=0x200000 second_level=0x1000" }));

    [Test]
    public void Small_pages_are_in_a_large_EPT_page_if_two_of_a_region_lie_congruent_by_one_distance() => Assert.That(
        Told(Start + "F ffff888000001000 40201000 1000 srg\nF ffff888000002000 40202000 1000 srg\nF ffff888000202000 40402000 1000 srg\nR ffff888000001 40201\nR ffff888000202 40402\n"),
        Is.EqualTo(new[]
        {
            "PageSizes level=1 root=0x2000 address=0xffff888000001000 size=0x1000 second_level=0x200000",
            "PageSizes level=1 root=0x2000 address=0xffff888000202000 size=0x1000 second_level=0x1000",
        }));

    [Test]
    public void L0_has_no_second_level_and_its_upper_half_is_one_for_all_roots()
    {
        string[] told = Told(
            "1 1 0 R MEMWINDOW_START mode=2 naccess=1M\nC 0 R 0 vpid=0 eptp=0 cr3=3000 vmcs=0\nF ffff888000001000 1000 200000 srg\nR ffff888000001 1\nF 401000 5000 1000 urg\nR 401 5\n"
            + "C 0 R 0 vpid=0 eptp=0 cr3=4000 vmcs=0\nR ffff888000001 1\nR 401 6\nF 402000 6000 1000 ur-\n");

        Assert.That(told, Is.EqualTo(new[]
        {
            "PageSizes level=0 root=0x3000 address=0xffff888000000000 size=0x200000 second_level=0x0", "PageSizes level=0 root=0x3000 address=0x401000 size=0x1000 second_level=0x0",
        }));
    }

    [Test]
    public void A_list_beside_the_window_is_recorded_and_wins_over_what_would_be_inferred()
    {
        string window = Start + "F ffff888000001000 40202000 200000 srg\nR ffff888000001 40202\n";

        Assert.That(Told(window, new ListedPage(true, 1, 0x505e, 0x2000, 0xffff888000001000, 0x200000)), Is.EqualTo(new[] { "PageSizes level=1 root=0x2000 address=0xffff888000000000 size=0x200000 second_level=0x200000" }));
        Assert.That(Header(window, listed: false).Properties[TraceHeader.PageSizesOf(MapTable.Tdp01)], Is.EqualTo("inferred"));
        Assert.That(Header(window, listed: true).Properties[TraceHeader.PageSizesOf(MapTable.Tdp01)], Is.EqualTo("recorded"));
        Assert.That(Header(window, listed: true).Properties[TraceHeader.PageSizesOf(MapTable.L1)], Is.EqualTo("recorded"));
    }

    [Test]
    public void A_recording_without_walks_tells_nothing()
    {
        string log = "100 100 0 R VMENTRY vmcs=1000 vpid=1 eptp=505e cr3=2000 rip=0 pin=0 cpu=0 cpu2=0 intr=0\n102 102 0 G INVLPG 401000\n";

        Assert.That(Header(log, listed: false).Properties.Keys, Has.None.StartsWith("page_sizes"));
        Assert.That(Told(log), Is.Empty);
    }

    [Test]
    public void A_change_without_exit_has_the_size_of_the_page_that_is_there()
    {
        string[] changes = Events(Start + "F ffff888000001000 40201000 200000 srg\nR ffff888000001 40201\n105 105 0 G INVLPG ffff888000005000\n106 106 0 G INVLPG 401000\n")
            .Where(e => e.Kind == RecordKind.MapChange).Select(e => e.ToString()).ToArray();

        Assert.That(changes, Is.EqualTo(new[]
        {
            "MapChange level=1 table=L1 root=0x2000 address=0xffff888000000000 size=0x200000 change=Changed", "MapChange level=1 table=L1 root=0x2000 address=0x401000 size=0x1000 change=Changed",
        }));
    }

    /// <summary>The emulator wrote the EPT's page sizes beside this window: where the guest's page is large, so that EPT's decides what an entry covers, each is inferred right.</summary>
    [Test]
    public void Every_inferred_EPT_page_behind_a_large_page_is_as_the_emulator_says()
    {
        string path = Recordings.File("bochs-vmx-6.12.117.p-mix.win110.pages.txt.xz");
        string list = PageSizeList.Beside(path)!;
        Dictionary<(bool, ulong, ulong, ulong), ulong> truth = [];
        WindowPageSizes inferred = new();
        StringBuilder window = new("1 1 0 R MEMWINDOW_START mode=2 naccess=60M\n");
        foreach (string line in Lines(list))
        {
            string[] f = line.Split(' ');
            window.Append(CultureInfo.InvariantCulture, $"C {f[0]} {f[1]} 0 vpid={f[2]} eptp={f[3]} cr3={f[4]} vmcs=0\nF {f[5]} {f[6]} {f[7]} {f[9]}\n");
        }

        foreach (HwRecord record in Records(window.ToString()))
        {
            inferred.Take(record);
        }

        inferred.Complete();
        (int right, int wrong) = (0, 0);
        foreach (ListedPage page in PageSizeList.Read(list).Where(page => page is { NonRoot: true, Eptp: not 0 }).DistinctBy(page => (page.Eptp, page.Address >> 63 == 0 ? page.Cr3 : 0, page.Address)))
        {
            WindowPageSizes.WindowPages pages = inferred.TablesOf(page).PagesOf(page.Address);
            if (pages.SizeOf(page.Address) > 4096)
            {
                bool same = pages.SecondOf(page.Address) == page.SecondLevelSize;
                (right, wrong) = same ? (right + 1, wrong) : (right, wrong + 1);
            }
        }

        Assert.That((right, wrong), Is.EqualTo((1009, 0)));
    }

    [TestCase("0 G 1 5 6 7 8 1000 200000", "without access")]
    [TestCase("0 G 1 5 6 7 8 3000 200000 uw-", "no page size")]
    [TestCase("0 X 1 5 6 7 8 1000 200000 uw-", "no mode")]
    [TestCase("0 G 1 5 6 7", "cut")]
    public void A_damaged_list_is_an_error_with_its_line(string line, string why)
    {
        string path = Path.Combine(Path.GetTempPath(), $"nestsim-{Guid.NewGuid():N}.pagesizes.txt");
        File.WriteAllText(path, $"0 R 0 0 3000 1000 1000 1000 0 sr-\n{line}\n");
        try
        {
            Assert.That(() => PageSizeList.Read(path), Throws.TypeOf<TraceFormatException>().With.Message.Contains("line 2"), why);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static string[] Told(string log, params ListedPage[] listed) => [.. Events(log, listed).Where(e => e.Kind == RecordKind.PageSizes).Select(e => e.ToString())];

    private static List<TraceEvent> Events(string log, params ListedPage[] listed)
    {
        MemoryTrace trace = new();
        Lift.Run(() => Reader(log), trace, 1, pageSizes: listed);
        TraceBlock block = new();
        List<TraceEvent> events = [];
        while (trace.Read(block))
        {
            events.AddRange(block.Events.AsSpan(0, block.EventCount));
        }

        return events;
    }

    private static TraceHeader Header(string log, bool listed)
    {
        using HwLogReader reader = Reader(log);
        return Lift.HeaderOf(reader, "test", listed);
    }

    private static HwLogReader Reader(string log) => new(new MemoryStream(Encoding.ASCII.GetBytes(log)), "test");

    private static IEnumerable<HwRecord> Records(string log)
    {
        using HwLogReader reader = Reader(log);
        HwRecord record = default;
        while (reader.Read(ref record))
        {
            yield return record;
        }
    }

    private static IEnumerable<string> Lines(string path)
    {
        using StreamReader reader = new(Sim.Captures.Ftrace.CaptureText.Open(path));
        while (reader.ReadLine() is { } line)
        {
            yield return line;
        }
    }
}
