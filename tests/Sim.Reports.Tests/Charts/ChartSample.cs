using Sim.Core.Stats;
using Sim.Reports.Results;

namespace Sim.Reports.Tests.Charts;

/// <summary>Results that have something for every chart, and results that have nothing for any.</summary>
internal static class ChartSample
{
    /// <summary>Two runs with every statistic and series that a chart draws.</summary>
    /// <param name="secondRun">Name of the second run.</param>
    public static RunSet Full(string secondRun = "b") => Sample.Set() with { Runs = [new RunResult("a", "a", Sheet(1), []), new RunResult(secondRun, secondRun, Sheet(2), [])] };

    /// <summary>One run that measured nothing.</summary>
    public static RunSet Empty() => Sample.Set() with { Runs = [new RunResult("a", "a", new StatSheet(), [])] };

    private static StatSheet Sheet(long scale)
    {
        StatSheet sheet = Sample.Sheet(1_000, 100 * scale, 40, 200);
        sheet.Counter("lane[0].walk_cycles.cold", "cycles", "Cold.", 60 * 25);
        sheet.Counter("lane[0].walk_cycles.flushed", "cycles", "Flushed.", 40 * 25, "invalidation=invvpid_single,transition=nested_entry,rule=new_vpid12");
        sheet.Counter("vm.exits", "transitions", "Exits.", 100, "level=1,reason=24");
        sheet.Counter("vm.exits", "transitions", "Exits.", 90 * scale, "level=2,reason=10");
        return sheet;
    }
}
