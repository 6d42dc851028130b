using Sim.Core.Stats;
using Sim.Reports.Charts;
using Sim.Reports.Results;

namespace Sim.Reports.Tests.Charts;

/// <summary>Results that have something for every chart but those of sweeps, results of sweeps, and results that have nothing for any.</summary>
internal static class ChartSample
{
    /// <summary>Two runs with every statistic and series that a chart draws.</summary>
    /// <param name="secondRun">Name of the second run.</param>
    public static RunSet Full(string secondRun = "b") => Sample.Set() with { Runs = [new RunResult("a", "a", Sheet(1), []), new RunResult(secondRun, secondRun, Sheet(2), [])] };

    /// <summary>Two policies at every combination of parameter values, run after run.</summary>
    /// <param name="secondPolicy">Name of the second policy.</param>
    /// <param name="parameters">Paths and their values; the last one changes fastest.</param>
    public static RunSet Swept(string secondPolicy, params (string Path, string[] Values)[] parameters)
    {
        List<RunResult> runs = [];
        foreach (string policy in new[] { "a", secondPolicy })
        {
            IEnumerable<RunParameter[]> points = [[]];
            foreach ((string path, string[] values) in parameters)
            {
                points = [.. points.SelectMany(point => values.Select(value => (RunParameter[])[.. point, new RunParameter(path, value)]))];
            }

            runs.AddRange(points.Select(point => new RunResult($"{policy} {runs.Count} {string.Join(' ', point.Select(p => p.Value))}", policy, Sheet(1 + runs.Count), []) { Parameters = point }));
        }

        return Sample.Set() with { Runs = runs };
    }

    /// <summary>What a chart needs to draw: everything, or a sweep of seeds, of two things, of numbers and seeds; everything if it draws none.</summary>
    public static RunSet For(string chart, string name = "b")
    {
        RunSet[] all =
        [
            Full(name),
            Swept(name, ("machine.seed", ["1", "2", "3"])),
            Swept(name, ("second_level[0].ways", ["4", "8"]), ("second_level[0].replacement", ["lru", name])),
            Swept(name, ("machine.seed", ["1", "2"]), ("second_level[0].ways", ["4", "8", "16", "32"])),
        ];
        return all.FirstOrDefault(set => ChartCatalogue.Draw(chart, new ReportInput(set)).Chart is not null) ?? all[0];
    }

    /// <summary>One run that measured nothing.</summary>
    public static RunSet Empty() => Sample.Set() with { Runs = [new RunResult("a", "a", new StatSheet(), [])] };

    private static StatSheet Sheet(long scale)
    {
        StatSheet sheet = Sample.Sheet(1_000, 100 * scale, 40, 200);
        sheet.Counter("lane[0].walk_cycles.cold", "cycles", "Cold.", 60 * 25);
        sheet.Counter("lane[0].walk_cycles.flushed", "cycles", "Flushed.", 40 * 25, "invalidation=invvpid_single,transition=nested_entry,rule=new_vpid12");
        sheet.Counter("vm.exits", "transitions", "Exits.", 100, "level=1,reason=24");
        sheet.Counter("vm.exits", "transitions", "Exits.", 90 * scale, "level=2,reason=10");
        foreach ((string figure, long first, long second) in new[] { ("total_cycles", 900L, 500L), ("trace_cycles", 400L, 300L), ("walk_cycles", 200L, 100L), ("walks_flushed", 9L, 5L), ("invalidations", 4L, 2L), ("nested_transitions", 6L, 3L) })
        {
            sheet.Add(new Series($"interval.{figure}", "form=delta", "records", "x", SeriesKind.OverTime, "D.", [new(100, first * scale), new(150, second * scale)]));
            sheet.Add(new Series($"interval.{figure}", "form=cumulative", "records", "x", SeriesKind.OverTime, "C.", [new(100, first * scale), new(150, (first + second) * scale)]));
        }

        sheet.Add(new Series("lane[0].stlb.occupancy", "level=1,vpid=1,global=true,ep4ta=0x1000", "records", "entries", SeriesKind.OverTime, "O.", [new(100, 7), new(150, 9)]));
        sheet.Add(new Series("lane[0].stlb.occupancy", "level=2,vpid=2,pcid=1,ep4ta=0x2000", "records", "entries", SeriesKind.OverTime, "O.", [new(100, 70), new(150, 0)]));
        sheet.Add(new Series("lane[0].dtlb_4k.occupancy", "level=2,vpid=2", "records", "entries", SeriesKind.OverTime, "O.", [new(100, 3), new(150, 3)]));
        sheet.Add(new Series("lane[0].refill.accesses", "level=0,invalidation=mov_to_cr3", "accesses", "accesses", SeriesKind.Histogram, "R.", [new(0, 1)]));
        sheet.Add(new Series("lane[0].refill.accesses", "level=2,invalidation=invvpid_single", "accesses", "accesses", SeriesKind.Histogram, "R.", [new(0, 10), new(1, 10), new(2, 20)]));
        sheet.Add(new Series("lane[1].refill.accesses", "level=2,invalidation=invept_single", "accesses", "accesses", SeriesKind.Histogram, "R.", [new(0, 6)]));
        sheet.Add(new Series("lane[0].refill.walks", "level=2,invalidation=invvpid_single", "accesses", "walks", SeriesKind.Histogram, "R.", [new(0, 10), new(2, 5 * scale)]));
        sheet.Add(new Series("lane[1].refill.walks", "level=2,invalidation=invept_single", "accesses", "walks", SeriesKind.Histogram, "R.", [new(0, 2)]));
        sheet.Add(new Series("irq.latency", "level=1", "cycles", "interrupts", SeriesKind.Histogram, "L.", [new(0, 1), new(120, 2 * scale), new(900, 1)]));
        sheet.Add(new Series("irq.latency", "level=2", "cycles", "interrupts", SeriesKind.Histogram, "L.", []));
        return sheet;
    }
}
