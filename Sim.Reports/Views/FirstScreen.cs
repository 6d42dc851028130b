using Sim.Reports.Results;

namespace Sim.Reports.Views;

/// <summary>What fits one screen of a terminal: one row for each run with whether it can be chosen, its safety where runs differ in it, its misses and flushes, its price.</summary>
public static class FirstScreen
{
    /// <summary>The table. Figures are for each nested transition of the trace, or in all if it has none.</summary>
    public static Table Of(RunSet set, Verdict verdict)
    {
        Standing[] good = [.. verdict.Standings.Where(standing => standing.Cycles is not null)];
        double transitions = good.Select(standing => Figures.NestedTransitions(standing.Run.Statistics) ?? 0).DefaultIfEmpty().First();
        List<(string Header, Func<RunResult, string> Cell)> columns =
        [
            ("walks", run => Price.Each(run.Statistics, Figures.Walks)),
            ("flushed", run => Price.Each(run.Statistics, Figures.Flushed)),
            ("flushes", run => Price.Each(run.Statistics, Figures.Flushes)),
            .. Price.Columns(set),
        ];
        if (good.Any(standing => Figures.AddedTransitions(standing.Run.Statistics) is > 0))
        {
            columns.Add(("added nt", run => Numbers.Whole(Figures.AddedTransitions(run.Statistics))));
        }

        bool alike = verdict.Standings.Select(standing => standing.SafetyWord).Distinct().Count() == 1;
        return new Table(
            transitions > 0 ? $"For each of the trace's {Numbers.Whole(transitions)} nested transitions" : "In all: the trace has no nested transitions",
            ["policy", "choice", .. alike ? (string[])[] : ["safety"], .. columns.Select(column => column.Header)],
            [.. verdict.Standings.Select(standing => (IReadOnlyList<string>)[standing.Run.Run, standing.ChoiceWord, .. alike ? (string[])[] : [standing.SafetyWord], .. columns.Select(column => standing.Cycles is null ? "-" : column.Cell(standing.Run))])])
        {
            TextColumns = alike ? 2 : 3,
            Ruled = false,
        };
    }
}
