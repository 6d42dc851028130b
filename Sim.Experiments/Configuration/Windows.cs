using System.Globalization;

namespace Sim.Experiments;

/// <summary>How long a window of a trace is.</summary>
public abstract record WindowLength
{
    private const string Until = "until:";

    private WindowLength()
    {
    }

    /// <summary>A number of records.</summary>
    public sealed record OfRecords(ulong Count) : WindowLength
    {
        /// <inheritdoc/>
        public override string ToString() => Count.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>A share of all records of the trace, rounded down.</summary>
    public sealed record OfPercent(decimal Percent) : WindowLength
    {
        /// <inheritdoc/>
        public override string ToString() => Percent.ToString(CultureInfo.InvariantCulture) + "%";
    }

    /// <summary>Up to and with the first Mark record that has this text.</summary>
    public sealed record UntilMark(string Text) : WindowLength
    {
        /// <inheritdoc/>
        public override string ToString() => Until + Text;
    }

    /// <summary>All the rest of the trace.</summary>
    public sealed record Rest : WindowLength
    {
        /// <inheritdoc/>
        public override string ToString() => "all";
    }

    /// <summary>What a window may be, for messages and help.</summary>
    public static string Grammar => "a count such as 10M, a share such as 20%, or until:MARK";

    /// <summary>Reads <c>N</c>, <c>N%</c>, <c>until:MARK</c> or <c>all</c>; null if it is none of them.</summary>
    public static WindowLength? TryParse(string text)
    {
        if (text == "all")
        {
            return new Rest();
        }

        if (text.StartsWith(Until, StringComparison.Ordinal))
        {
            return text.Length > Until.Length ? new UntilMark(text[Until.Length..]) : null;
        }

        if (text.EndsWith('%'))
        {
            return decimal.TryParse(text[..^1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal percent) && percent <= 100 ? new OfPercent(percent) : null;
        }

        return Counts.TryParse(text) is { } count ? new OfRecords(count) : null;
    }
}

/// <summary>Which part of a trace is measured: first <paramref name="Skip"/> records change the machine by their events alone, then <paramref name="WarmUp"/> records are simulated without being counted, then <paramref name="Measure"/> records count.</summary>
/// <param name="Skip">Not simulated, except for events.</param>
/// <param name="WarmUp">Simulated, not counted.</param>
/// <param name="Measure">Simulated and counted.</param>
/// <param name="Interval">Main figures are recorded every so many records of the measured window; 0 for not at all.</param>
public sealed record Windows(WindowLength Skip, WindowLength WarmUp, WindowLength Measure, long Interval = 0)
{
    /// <summary>Everything is measured.</summary>
    public static Windows All { get; } = new(new WindowLength.OfRecords(0), new WindowLength.OfRecords(0), new WindowLength.Rest());

    /// <summary>True if a share is used, so that the number of records must be known before.</summary>
    public bool NeedTotal => Skip is WindowLength.OfPercent || WarmUp is WindowLength.OfPercent || Measure is WindowLength.OfPercent;

    /// <summary>Records of all windows; null if only the trace knows.</summary>
    public ulong? Records => (Skip, WarmUp, Measure) is (WindowLength.OfRecords skip, WindowLength.OfRecords warmUp, WindowLength.OfRecords measure) ? skip.Count + warmUp.Count + measure.Count : null;

    /// <summary>The same windows with shares turned into counts.</summary>
    public Windows Resolve(ulong total) => new(Resolve(Skip, total), Resolve(WarmUp, total), Resolve(Measure, total), Interval);

    private static WindowLength Resolve(WindowLength length, ulong total) =>
        length is WindowLength.OfPercent share ? new WindowLength.OfRecords((ulong)(total * share.Percent / 100)) : length;
}
