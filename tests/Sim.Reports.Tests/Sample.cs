using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Reports.Results;

namespace Sim.Reports.Tests;

/// <summary>A small result set with known figures.</summary>
internal static class Sample
{
    /// <summary>Two good runs and a failed one; <c>a</c> is the reference.</summary>
    public static RunSet Set() => new(
        false,
        new Provenance(
            new ToolVersion("0.1.0", "abcdef", false),
            "skylake-sp",
            "a",
            "00ff",
            """{"machine":{"seed":1},"profile":"skylake-sp"}""",
            new SortedDictionary<string, string>(StringComparer.Ordinal) { ["machine.seed"] = "--seed" },
            new TraceIdentity("t.nst", "native", null, 1, true, new SortedDictionary<string, string>(StringComparer.Ordinal) { ["source"] = "weave" }),
            new WindowCounts(1, 20_000, 300))
        {
            Doubts = [new Doubt(DoubtKind.Handlers, "3 of 40 stays have strange footprints", 3, 40), new Doubt(DoubtKind.Clock, "the clock is none")],
        },
        [
            new RunResult("a", "a", Sheet(1_000, 100, 40, 200), []),
            new RunResult("b", "b", Sheet(1_000, 150, 80, 200), [new FailedEntry(7, 0, 1, 4096, "vpid12 is 0")]),
            new RunResult("c", "c", new StatSheet(), [], new RunFailure(4, "broken, \"law\"\nand more")),
        ],
        new Session("nestsim compare t.nst", "2026-11-21T01:02:03Z", ".NET 10", "Debian", "a CPU", 2, 1.5, 200, 1 << 20));

    /// <summary>A run's statistics: accesses, walks (of which some flushed), nested transitions.</summary>
    public static StatSheet Sheet(long accesses, long walks, long flushed, long transitions)
    {
        StatSheet sheet = new();
        sheet.Counter("lane[0].accesses", "accesses", "Memory references.", accesses - 1, "level=2,side=load");
        sheet.Counter("lane[1].accesses", "accesses", "Memory references.", 1, "level=0,side=fetch");
        sheet.Counter("lane[0].l1.misses", "accesses", "Misses.", walks * 2, "level=2");
        sheet.Counter("lane[0].stlb.misses", "walks", "Walks.", walks, "level=2");
        sheet.Counter("lane[0].stall_cycles", "cycles", "Stalls.", walks * 30, "level=2");
        sheet.Counter("lane[0].walk_cycles", "cycles", "Walk cycles.", walks * 25, "level=2");
        sheet.Counter("lane[0].walk_references", "references", "References.", walks * 4, "stage=guest,level=1");
        sheet.Counter("lane[0].walks.cold", "walks", "Cold.", walks - flushed);
        sheet.Counter("lane[0].walks.flushed", "walks", "Flushed.", flushed, "invalidation=invvpid_single,transition=nested_entry,rule=new_vpid12");
        sheet.Counter("lane[0].stlb.invalidated", "entries", "Dropped.", flushed * 2, "invalidation=invvpid_single,transition=nested_entry,rule=new_vpid12");
        sheet.Counter("lane[0].invalidations", "invalidations", "Executed.", 100, "invalidation=invvpid_single,transition=nested_entry,rule=new_vpid12");
        sheet.Counter("flush.requests", "events", "Requests.", 100, "request=guest,transition=nested_entry,rule=new_vpid12");
        sheet.Counter("vm.nested_entries", "transitions", "Entries.", transitions / 2);
        sheet.Counter("vm.nested_exits", "transitions", "Exits.", transitions - (transitions / 2));
        sheet.Counter("cycles.trace", "cycles", "Trace.", 10_000);
        sheet.Counter("cycles.translation", "cycles", "Translation.", walks * 30);
        sheet.Gauge("lane[0].stlb.live", "entries", "Live.", 17);
        return sheet;
    }
}
