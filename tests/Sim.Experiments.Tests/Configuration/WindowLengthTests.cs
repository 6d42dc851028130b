namespace Sim.Experiments.Tests.Configuration;

public sealed class WindowLengthTests
{
    [TestCase("0", 0UL)]
    [TestCase("5000", 5000UL)]
    [TestCase("2_000_000", 2_000_000UL)]
    [TestCase("10K", 10_000UL)]
    [TestCase("10M", 10_000_000UL)]
    [TestCase("1.5g", 1_500_000_000UL)]
    [TestCase("18446744073709551615", ulong.MaxValue)]
    public void Counts_take_underscores_and_suffixes(string text, ulong count) => Assert.That(Counts.TryParse(text), Is.EqualTo(count));

    [TestCase("")]
    [TestCase("-1")]
    [TestCase("1.5")]
    [TestCase("0.0001K")]
    [TestCase("10MM")]
    [TestCase("K")]
    [TestCase("18446744073709551616")]
    [TestCase("1,000")]
    public void What_is_no_count_is_refused(string text) => Assert.That(Counts.TryParse(text), Is.Null);

    [TestCase("12.5%", "12.5%")]
    [TestCase("100%", "100%")]
    [TestCase("until:warm-up ends", "until:warm-up ends")]
    [TestCase("all", "all")]
    [TestCase("3K", "3000")]
    public void Windows_are_counts_shares_marks_or_all(string text, string written) => Assert.That(WindowLength.TryParse(text)?.ToString(), Is.EqualTo(written));

    [TestCase("101%")]
    [TestCase("-1%")]
    [TestCase("%")]
    [TestCase("until:")]
    [TestCase("All")]
    public void What_is_no_window_is_refused(string text) => Assert.That(WindowLength.TryParse(text), Is.Null);

    [Test]
    public void Shares_are_rounded_down() =>
        Assert.That(new Windows(new WindowLength.OfPercent(10), new WindowLength.OfPercent(33.3m), new WindowLength.Rest()).Resolve(1_009), Is.EqualTo(
            new Windows(new WindowLength.OfRecords(100), new WindowLength.OfRecords(335), new WindowLength.Rest())));
}
