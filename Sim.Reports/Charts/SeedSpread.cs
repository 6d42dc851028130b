using System.Text.Json.Nodes;
using Sim.Core;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>How much the seed matters: a dot for each, a line at the mean.</summary>
[Component("seeds", Summary = "cost of each repeated seed, by policy, and their mean")]
public sealed class SeedSpread : IChart
{
    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        Sweep sweep = Sweep.Of(input);
        if (sweep.Paths.Count != 0 || sweep.Seeds < 2)
        {
            return Drawing.Without("The results have no repeated seeds: use --seeds.");
        }

        Encoding y = new(Channel.Y, "run", ValueKind.Nominal) { Names = [.. sweep.Policies.Select(InertText.OneLine)] };
        Encoding X(string member) => new(Channel.X, member, ValueKind.Quantitative, Sweep.Unit) { Scale = ScaleKind.LinearNotFromZero };
        JsonObject[] dots = [.. sweep.Points.SelectMany(point => point.Costs.Select(cost => RunLines.Row(point.Policy, ("cost", cost), ("exact", Numbers.Fraction(cost)))))];
        JsonObject[] means = [.. sweep.Points.Select(point => RunLines.Row(point.Policy, ("cost", point.Mean), ("exact", Numbers.Fraction(point.Mean)), ("seeds", $"{point.Costs.Count}")))];
        return new Specification(
            "Spread over seeds",
            sweep.Points.All(point => point.Costs.Distinct().Count() == 1) ? "The seed changes nothing here: the model is deterministic for these policies." : "A dot is one seed; the line is their mean.",
            new Layer(new Mark("point") { Opacity = 0.7 }, dots, y, X("cost")) { Tips = [("run", "policy"), ("exact", Sweep.Unit)] },
            new Layer(new Mark("tick"), means, y, X("cost")) { Tips = [("run", "policy"), ("exact", "mean"), ("seeds", "seeds")] });
    }
}
