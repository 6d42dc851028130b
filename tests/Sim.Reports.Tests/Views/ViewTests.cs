using System.Globalization;
using Sim.Reports.Views;

namespace Sim.Reports.Tests.Views;

public sealed class ViewTests
{
    [TestCase(null, "-")]
    [TestCase(0d, "0")]
    [TestCase(1234567d, "1,234,567")]
    [TestCase(9_999_999d, "9,999,999")]
    [TestCase(10_000_000d, "10.00 M")]
    [TestCase(123_456_789d, "123.5 M")]
    [TestCase(1_234_567_890d, "1.235 G")]
    [TestCase(-20_000_000d, "-20.00 M")]
    public void Whole_numbers_are_full_below_ten_million(double? value, string text) => Assert.That(Numbers.Whole(value), Is.EqualTo(text));

    [TestCase(null, "-")]
    [TestCase(0.5, "0.500")]
    [TestCase(9.9994, "9.999")]
    [TestCase(10d, "10.00")]
    [TestCase(1000d, "1,000.0")]
    public void Fractions_have_about_four_digits(double? value, string text) => Assert.That(Numbers.Fraction(value), Is.EqualTo(text));

    [TestCase(110d, 100d, "+10.0%")]
    [TestCase(90d, 100d, "-10.0%")]
    [TestCase(100d, 100d, "=")]
    [TestCase(0d, 0d, "=")]
    [TestCase(1d, 0d, "-")]
    [TestCase(null, 1d, "-")]
    [TestCase(1d, null, "-")]
    [TestCase(100_001d, 100_000d, "+0.001%")]
    [TestCase(1_300d, 100d, "+1,200%")]
    [TestCase(1_000_003.0, 1_000_000.0, "+<0.001%")]
    [TestCase(999_997.0, 1_000_000.0, "-<0.001%")]
    [TestCase(1_000_005.1, 1_000_000.0, "+0.001%")]
    public void Changes_are_signed_percentages_or_undefined(double? value, double? reference, string text) => Assert.That(Numbers.Change(value, reference), Is.EqualTo(text));

    [TestCase(true)]
    [TestCase(false)]
    public void Text_that_would_act_on_a_terminal_is_shown_as_its_code(bool rich)
    {
        using StringWriter output = new();

        TableWriter.Write(output, [new Table("t\u001b]0;title\u0007", ["policy\n"], [["a\u001b[2J\u202Eb"]])], new TableStyle(rich, 80));

        string text = output.ToString();
        Assert.That(text, Does.Contain("\\u001b[2J\\u202eb").And.Contain("\\u001b]0;title\\u0007").And.Contain("policy\\u000a"));
        Assert.That(text, Does.Not.Contain("\u202E").And.Not.Contain("\u0007").And.Not.Contain("\u001b[2J"));
    }

    [Test]
    public void A_wide_table_is_split_and_repeats_its_first_column()
    {
        Table table = new("T", ["name", "one", "two", "three"], [["row", "1", "22", "333"]]);

        // Columns are 4, 3, 3 and 5 wide, with a gap of 2 behind each.
        Assert.That(table.Split(23, 2), Has.Count.EqualTo(1));
        Assert.That(table.Split(22, 2).Select(piece => string.Join(' ', piece.Headers)), Is.EqualTo(new[] { "name one two", "name three" }));
        Assert.That(table.Split(1, 2).Select(piece => string.Join(' ', piece.Headers)), Is.EqualTo(new[] { "name one", "name two", "name three" }));
    }

    [Test]
    public void Text_columns_begin_at_their_left_edge_in_every_piece()
    {
        using StringWriter output = new();
        Table table = new("T", ["name", "word", "number"], [["row", "a", "1"], ["longer", "bcdefgh", "22"]]) { TextColumns = 2 };

        TableWriter.Write(output, [table, .. table.Split(16, 2)], TableStyle.Plain);

        const string Whole = "T\nname    word     number\n------  -------  ------\nrow     a             1\nlonger  bcdefgh      22\n";
        const string Pieces = "T\nname    word\n------  -------\nrow     a\nlonger  bcdefgh\n\nT (continued)\nname    number\n------  ------\nrow          1\nlonger      22\n";
        Assert.That(output.ToString(), Is.EqualTo($"{Whole}\n{Pieces}"));
    }

    // 4 + 3 + 3 characters, two spaces and an edge each, and the edge that closes the box: 20.
    [TestCase(20, 1)]
    [TestCase(19, 2)]
    public void A_box_is_split_if_it_is_wider_than_the_terminal_with_its_edges(int width, int pieces)
    {
        using StringWriter output = new();
        TableWriter.Write(output, [new Table("T", ["name", "one", "two"], [["row", "1", "22"]])], new TableStyle(true, width));
        Assert.That(output.ToString().Split("name").Length - 1, Is.EqualTo(pieces));
        Assert.That(output.ToString(), Does.Contain("name").And.Contain("one").And.Contain("two").And.Not.Contain("…"));
    }

    [Test]
    public void The_comparison_is_the_golden_table_in_any_culture()
    {
        CultureInfo culture = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = new CultureInfo("") { NumberFormat = { NumberDecimalSeparator = ",", NumberGroupSeparator = "." } };
            using StringWriter output = new();
            TableWriter.Write(output, ComparisonView.Of(Sample.Set()), TableStyle.Plain);

            Assert.That(output.ToString(), Is.EqualTo("""
                Cost (cycles; nt = per nested transition)
                policy   total  vs ref  total/nt  translation  vs ref  translation/nt
                ------  ------  ------  --------  -----------  ------  --------------
                a       13,000     ref     65.00        3,000     ref           15.00
                b       14,500  +11.5%     72.50        4,500  +50.0%           22.50

                Misses by cause (walks; nt = per nested transition)
                policy  walks  cold  capacity  conflict  flushed  flushed/nt
                ------  -----  ----  --------  --------  -------  ----------
                a         100    60         0         0       40       0.200
                b         150    70         0         0       80       0.400

                Walks
                policy  references  vs ref  per walk  cycles/walk  L1 miss %  walk %
                ------  ----------  ------  --------  -----------  ---------  ------
                a              400     ref     4.000        25.00      20.00   10.00
                b              600  +50.0%     4.000        25.00      30.00   15.00

                Flushes by kind
                policy  guest req.  invvpid_single  entries dropped  failed entries
                ------  ----------  --------------  ---------------  --------------
                a              100             100               80               0
                b              100             100              160               1

                Cycles by activity
                policy   trace  translation
                ------  ------  -----------
                a       10,000        3,000
                b       10,000        4,500

                Failed runs
                policy  exit code
                ------  ---------
                c               4

                """.ReplaceLineEndings("\n")));
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
    }

    [TestCase(80)]
    [TestCase(120)]
    public void No_line_is_wider_than_the_terminal(int width)
    {
        foreach (bool rich in new[] { false, true })
        {
            using StringWriter output = new();
            TableWriter.Write(output, [.. ComparisonView.Of(Sample.Set()), .. RunView.Of(Sample.Set().Runs[1], everything: false, reason => $"reason {reason}")], new TableStyle(rich, width));

            string plain = System.Text.RegularExpressions.Regex.Replace(output.ToString(), "\u001b\\[[0-9;]*m", "");
            Assert.That(plain.Split('\n').Max(line => line.Length), Is.LessThanOrEqualTo(width), $"rich: {rich}");
        }
    }

    [Test]
    public void A_run_says_who_flushed_and_which_entries_failed()
    {
        using StringWriter output = new();
        TableWriter.Write(output, RunView.Of(Sample.Set().Runs[1], everything: true, reason => $"reason {reason}"), TableStyle.Plain);

        Assert.That(output.ToString(), Does.Contain("invalidation=invvpid_single,transition=nested_entry,rule=new_vpid12     80   100.00"));
        Assert.That(output.ToString(), Does.Contain("vpid12 is 0     7     0     1"));
        Assert.That(output.ToString(), Does.Contain("lane[0].stlb.live"));
    }
}
