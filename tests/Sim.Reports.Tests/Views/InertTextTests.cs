using Sim.Reports.Views;

namespace Sim.Reports.Tests.Views;

public sealed class InertTextTests
{
    [TestCase("kvm-6.12", "kvm-6.12")]
    [TestCase("naïve 界 😀", "naïve 界 😀")]
    [TestCase("a\nb", @"a\u000ab")]
    [TestCase("a\u202Eb", @"a\u202eb")]
    [TestCase("\u2066x\u2069", @"\u2066x\u2069")]
    [TestCase("\u200Fx\uFEFF", @"\u200fx\ufeff")]
    [TestCase("\u2028", @"\u2028")]
    [TestCase("\0\u001B[31m", @"\u0000\u001b[31m")]
    [TestCase("<b>&\"'", "<b>&\"'")]
    [TestCase("", "")]
    public void What_breaks_lines_or_turns_text_is_written_out_and_all_else_stays(string text, string inert) => Assert.That(InertText.OneLine(text), Is.EqualTo(inert));

    [Test]
    public void A_lone_surrogate_is_written_out() => Assert.That(InertText.OneLine("a\uD800b"), Is.EqualTo(@"a\ud800b"));
}
