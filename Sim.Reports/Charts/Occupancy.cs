using System.Globalization;
using Sim.Core;
using Sim.Core.Stats;
using Sim.Reports.Charts.Description;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>Who holds the TLB, and when it is emptied.</summary>
[Component("occupancy", Summary = "share of the largest TLB array that each tag holds, over the trace: a heat map")]
public sealed class Occupancy : IChart
{
    private const int TagsShown = 6;
    private const int Columns = 48;

    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        TimeAxis time = new(input);
        (string Run, string Array, string Tag, IReadOnlyList<SeriesPoint> Points)[] all =
        [
            .. input.Good.SelectMany(run => SeriesFigures.Occupancy(run.Statistics).OrderByDescending(tag => tag.Points.Max(point => point.Y)).Take(TagsShown)
                .OrderBy(tag => tag.Tag, StringComparer.Ordinal).Select(tag => (run.Run, tag.Array, tag.Tag, tag.Points))),
        ];
        if (all.Length == 0)
        {
            return Drawing.Without("TLB occupancy was not recorded: use --interval.");
        }

        // What is the same for every run, as the hypervisor's own translations often are, comes once; runs that are the same in all else share their rows.
        string array = all[0].Array[(all[0].Array.LastIndexOf('.') + 1)..];
        double capacity = ResolvedMachine.Entries(input.Set.Provenance.Configuration, array) ?? all.Max(row => row.Points.Max(point => point.Y));
        string[] runs = [.. all.Select(row => row.Run).Distinct()];
        HashSet<string> shared = runs.Length < 2 ? [] : [.. all.GroupBy(row => row.Tag + Text(row.Points), StringComparer.Ordinal).Where(same => same.Count() == runs.Length).Select(same => same.First().Tag)];
        List<Category> rows = [];
        List<Cell> cells = [];
        AddRows([], "the same for all", all.Where(row => row.Run == runs[0] && shared.Contains(row.Tag)));
        foreach (IGrouping<string, string> same in runs.GroupBy(run => string.Join('\n', all.Where(row => row.Run == run && !shared.Contains(row.Tag)).Select(row => row.Tag + Text(row.Points))), StringComparer.Ordinal))
        {
            AddRows([.. same], InertText.OneLine(string.Join(" = ", same)), all.Where(row => row.Run == same.First() && !shared.Contains(row.Tag)));
        }

        void AddRows(string[] about, string group, IEnumerable<(string Run, string Array, string Tag, IReadOnlyList<SeriesPoint> Points)> tags)
        {
            foreach ((_, _, string tag, IReadOnlyList<SeriesPoint> points) in tags)
            {
                int every = (points.Count + Columns - 1) / Columns;
                double from = 0;
                foreach (SeriesPoint[] merged in points.Chunk(every))
                {
                    double mean = merged.Average(point => point.Y);
                    double percent = capacity > 0 ? 100 * mean / capacity : 0;
                    cells.Add(new Cell(rows.Count, from, time.Of(merged[^1].X), percent, "", Datum.Of(
                        about,
                        ("run", about.Length == 0 ? "all" : string.Join(", ", about)),
                        ("tag", Short(tag)),
                        ("until", time.Text(merged[^1].X)),
                        ("holds", $"{mean.ToString("0.#", CultureInfo.InvariantCulture)} entries, {percent.ToString("0.##", CultureInfo.InvariantCulture)} %{(merged.Length == 1 ? "" : $", mean of {merged.Length}")}"))));
                    from = time.Of(merged[^1].X);
                }

                rows.Add(new Category(InertText.OneLine(Short(tag)), about, group));
            }
        }

        return new Chart(
            $"Who holds the {InertText.OneLine(array)}",
            $"Share of its entries that each tag holds at the end of each interval; at most {TagsShown} tags of a policy, those that hold most.",
            time.Axis,
            Axis.Of(rows),
            new Cells($"% of {StackedBars.Exact((long)capacity)} entries", 0, 100, cells));
    }

    private static string Text(IReadOnlyList<SeriesPoint> points) => string.Join(' ', points);

    /// <summary>The parts of a tag that tell its owner, without the page-table root.</summary>
    private static string Short(string tag) => string.Join(' ', tag.Split(',').Where(part => !part.StartsWith("ep4ta=", StringComparison.Ordinal))
        .Select(part => part.StartsWith("level=", StringComparison.Ordinal) ? "L" + part["level=".Length..] : part == "global=true" ? "global" : part.Replace('=', ' ')));
}
