using Sim.Reports.Views;

namespace Sim.Reports.Tests.Views;

public sealed class CsvTextTests
{
    [TestCase("=1+1", "'=1+1")]
    [TestCase("+cmd", "'+cmd")]
    [TestCase("-x", "'-x")]
    [TestCase("-5", "-5")]
    [TestCase("@SUM(A1)", "'@SUM(A1)")]
    [TestCase("'quoted", "''quoted")]
    [TestCase("a,b", "\"a,b\"")]
    [TestCase("say \"x\"", "\"say \"\"x\"\"\"")]
    [TestCase("plain", "plain")]
    public void A_cell_that_a_spreadsheet_would_run_becomes_text(string cell, string written) =>
        Assert.That(CsvText.Of(["name", "value"], [[cell, "1"]]), Is.EqualTo($"name,value\n{written},1\n"));
}
