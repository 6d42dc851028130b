using System.Globalization;
using Sim.Core;
using Sim.Reports.Charts.Description;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>What each policy costs more or less than the reference, and why.</summary>
[Component("difference", Summary = "what each policy costs more (right) or less (left) than the reference, split by cause, with the net")]
public sealed class Difference : IChart
{
    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        RunResult reference = input.Set.Reference;
        RunResult[] others = [.. input.Good.Where(run => !ReferenceEquals(run, reference))];
        if (reference.Failure is not null || others.Length == 0)
        {
            return Drawing.Without(reference.Failure is not null ? "The reference has no result to compare with." : "There is one run only, so there is no difference: compare two or more policies.");
        }

        IReadOnlyList<BarPart> parts = [.. CostByCause.Parts(input).Where(part => others.Any(run => Change(part, run) != 0))];
        if (parts.Count == 0)
        {
            return Drawing.Without("No policy differs from the reference in any cause of cost.");
        }

        CostUnit unit = CostUnit.Of(input.Set);
        Pricing? pricing = Pricing.Of(input.Set);
        List<Span> ranges = [];
        List<Bar> bars = [];
        List<Point> nets = [];
        List<Label> labels = [];
        for (int row = 0; row < others.Length; row++)
        {
            RunResult run = others[row];
            double less = 0;
            double more = 0;
            foreach (BarPart part in parts)
            {
                long cycles = Change(part, run);
                double length = unit.Of(cycles);
                double from = cycles < 0 ? less : more;
                bars.Add(new Bar(row, from, from + length, part.Shade, Datum.Of(
                    run.Run, ("cause", part.Name), ("against the reference", unit.Text(cycles)), ("in all", $"{cycles.ToString("+#,##0;-#,##0;0", CultureInfo.InvariantCulture)} cycles"))));
                less += Math.Min(0, length);
                more += Math.Max(0, length);
            }

            long net = parts.Sum(part => Change(part, run));
            string inAll = $"{net.ToString("+#,##0;-#,##0;0", CultureInfo.InvariantCulture)} cycles";
            double end = Math.Max(more, unit.Of(net));
            if (pricing?.Of(run.Statistics, reference.Statistics) is { } price)
            {
                string range = price.Nanoseconds.Nanoseconds();
                string share = price.OfRoundTrip is { HasSign: true } part && !price.IsNothing ? $" ({part.Percent()})" : "";
                Datum datum = Datum.Of(run.Run, ("net", unit.Text(net)), ("range of what is assumed", range), ("of the round trip", price.OfRoundTrip?.Percent() ?? "not known"), ("in all", inAll));
                nets.Add(new Point(unit.Of(net), row, Shade.Ink, PointShape.Diamond, datum));
                ranges.Add(new Span(row, price.Nanoseconds.Least, price.Nanoseconds.Most, Shade.Ink, datum));
                labels.Add(new Label(row, Math.Max(end, price.Nanoseconds.Most), price.IsNothing ? $"{unit.Short(net)}" : range + share, [run.Run]));
            }
            else
            {
                string percent = Numbers.Change(Figures.TotalCycles(run.Statistics), Figures.TotalCycles(reference.Statistics));
                nets.Add(new Point(unit.Of(net), row, Shade.Ink, PointShape.Diamond, Datum.Of(run.Run, ("net", unit.Text(net)), ("of the total", percent), ("in all", inAll))));
                labels.Add(new Label(row, end, $"{unit.Short(net)} ({percent})", [run.Run]));
            }
        }

        return new Chart(
            $"Against {InertText.OneLine(reference.Run)}: what costs more, what less",
            "Left of zero a policy saves, right of it it pays; the diamond is the net at the reference clock, "
                + (pricing is null ? "per cent of the reference's total." : "the line through it and the number are the range of what is assumed, per cent of a round trip."),
            new Axis(AxisKind.Linear, $"more or less than {InertText.OneLine(reference.Run)}", unit.Name) { FromZero = true },
            StackedBars.Rows(others),
            [new Bars(bars), .. ranges.Count > 0 ? (Mark[])[new Spans(ranges)] : [], new Points(nets), new Labels(labels)])
        {
            Key = [.. parts.Select(part => new KeyEntry(part.Name, part.Shade))],
        };

        long Change(BarPart part, RunResult run) => part.Value(run.Statistics) - part.Value(reference.Statistics);
    }
}
