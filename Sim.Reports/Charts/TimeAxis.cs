using System.Globalization;
using Sim.Core.Stats;
using Sim.Reports.Charts.Description;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>The horizontal axis of charts over the trace: the trace's own time, which all runs share. Recordings of figures over time count records; the trace's own cycles in each interval tell when that was.</summary>
internal sealed class TimeAxis
{
    /// <summary>The most intervals that a chart tells apart; neighbours are summed.</summary>
    public const int Intervals = 60;

    private const string Trace = "trace_cycles";

    private readonly Dictionary<long, double> _timeOf = new() { [0] = 0 };
    private readonly double _factor = 1;

    /// <summary>The axis of these results.</summary>
    public TimeAxis(ReportInput input)
    {
        double cycles = 0;
        foreach (SeriesPoint point in input.Set.Runs.Select(run => SeriesFigures.PerInterval(run.Statistics, Trace)).MaxBy(points => points.Count) ?? [])
        {
            cycles += point.Y;
            _timeOf[point.X] = cycles;
        }

        (_factor, string unit) = (ResolvedMachine.Kilohertz(input.Set.Provenance.Configuration), cycles) switch
        {
            ({ } kilohertz, _) when cycles / kilohertz >= 10 => (1 / kilohertz, "ms"),
            ({ } kilohertz, _) => (1000 / kilohertz, "\u00b5s"),
            _ => (1d, "cycles"),
        };
        Axis = _timeOf.Count > 1 ? new Axis(AxisKind.Time, "time of the trace", unit) : new Axis(AxisKind.Time, "records of the measured window");
    }

    /// <summary>The axis.</summary>
    public Axis Axis { get; }

    /// <summary>Position of a record.</summary>
    public double Of(long record) => _timeOf.Count == 1 ? record : _timeOf.TryGetValue(record, out double cycles) ? cycles * _factor : throw new InvalidOperationException($"the record {record} is at no interval's end");

    /// <summary>Where an interval ends, in words.</summary>
    public string Text(long record) => Axis.Unit.Length == 0
        ? $"{StackedBars.Exact(record)} records"
        : $"{Of(record).ToString("#,##0.###", CultureInfo.InvariantCulture)} {Axis.Unit}, {StackedBars.Exact(record)} records";
}
