using Sim.Reports.Views;

namespace Sim.Reports.Tests.Views;

public sealed class LabelsTests
{
    [TestCase("kvm-6.12", "kvm-6.12")]
    [TestCase("naïve 界 😀", "naïve 界 😀")]
    [TestCase("a\nb", @"a\u000Ab")]
    [TestCase("a\u202Eb", @"a\u202Eb")]
    [TestCase("\u2066x\u2069", @"\u2066x\u2069")]
    [TestCase("\u200Fx\uFEFF", @"\u200Fx\uFEFF")]
    [TestCase("\u2028", @"\u2028")]
    [TestCase("\0\u001B[31m", @"\u0000\u001B[31m")]
    [TestCase("<b>&\"'", "<b>&\"'")]
    [TestCase("", "")]
    public void What_breaks_lines_or_turns_text_is_written_out_and_all_else_stays(string text, string inert) => Assert.That(Labels.Inert(text), Is.EqualTo(inert));

    [Test]
    public void A_lone_surrogate_is_written_out() => Assert.That(Labels.Inert("a\uD800b"), Is.EqualTo(@"a\uD800b"));

    [TestCase(400, 400)]
    [TestCase(401, 401)]
    [TestCase(9_000, 401)]
    public void A_text_without_end_gets_one(int length, int shown) => Assert.That(Labels.Inert(new string('x', length)), Has.Length.EqualTo(shown));

    [Test]
    public void A_pair_that_the_end_would_cut_leaves_no_half_of_it() => Assert.That(Labels.Inert(new string('x', 399) + "😀"), Is.EqualTo(new string('x', 399) + @"\uD83D…"));
}
