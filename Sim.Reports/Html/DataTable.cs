using System.Globalization;
using Sim.Reports.Views;

namespace Sim.Reports.Html;

/// <summary>One cell: what is shown, and the number that sorting goes by (null: the text).</summary>
/// <param name="Text">What is shown.</param>
/// <param name="Sort">What it sorts as.</param>
internal readonly record struct DataCell(string Text, double? Sort = null)
{
    /// <summary>A whole number in full.</summary>
    public static DataCell Whole(double? value) => new(value is { } number ? number.ToString("#,##0", CultureInfo.InvariantCulture) : "-", value ?? double.NegativeInfinity);

    /// <summary>A ratio.</summary>
    public static DataCell Ratio(double? value) => new(Numbers.Fraction(value), value ?? double.NegativeInfinity);
}

/// <summary>A table that a reader can sort by any column, and filter if it is long.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Note">How to read it; empty for nothing.</param>
/// <param name="Columns">Titles. The first column holds names.</param>
/// <param name="Rows">As many cells as there are columns.</param>
internal sealed record DataTable(string Title, string Note, IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<DataCell>> Rows)
{
    private const int FilterFrom = 9;

    /// <summary>True if each row is about the run that its first cell names.</summary>
    public bool RowsAreRuns { get; init; }

    /// <summary>True if each column behind the first is about the run that its title names.</summary>
    public bool ColumnsAreRuns { get; init; }

    /// <summary>Behind a fold at first.</summary>
    public bool Folded { get; init; }

    /// <summary>Writes it.</summary>
    public void Write(Html html)
    {
        html.Open("section", ("class", "table"));
        if (Folded)
        {
            html.Open("details").Element("summary", Title);
        }
        else
        {
            html.Element("h3", Title);
        }

        if (Note.Length > 0)
        {
            html.Element("p", Note, ("class", "note"));
        }

        if (Rows.Count >= FilterFrom)
        {
            html.Open("label", ("class", "filter")).Text("Filter rows").Open("input", ("type", "search"), ("autocomplete", "off"), ("spellcheck", "false")).Close("label")
                .Element("output", $"{Rows.Count} rows", ("class", "count"));
        }

        html.Open("div", ("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", Title)).Open("table").Open("thead").Open("tr");
        for (int column = 0; column < Columns.Count; column++)
        {
            html.Open("th", ("scope", "col"), ("class", IsNumber(column) ? "number" : null), ("data-run", ColumnsAreRuns && column > 0 ? Columns[column] : null)).Open("button", ("type", "button")).Text(Columns[column]).Close("button").Close("th");
        }

        html.Close("tr").Close("thead").Open("tbody").Line();
        foreach (IReadOnlyList<DataCell> row in Rows)
        {
            html.Open("tr", ("data-run", RowsAreRuns ? row[0].Text : null));
            for (int column = 0; column < row.Count; column++)
            {
                WriteCell(html, row[column], column);
            }

            html.Close("tr").Line();
        }

        html.Close("tbody").Close("table").Close("div");
        if (Folded)
        {
            html.Close("details");
        }

        html.Close("section").Line();
    }

    private static void WriteCell(Html html, DataCell cell, int column)
    {
        if (column == 0)
        {
            html.Open("th", ("scope", "row")).Element("bdi", cell.Text).Close("th");
            return;
        }

        if (cell.Sort is not { } number)
        {
            html.Open("td").Element("bdi", cell.Text).Close("td");
            return;
        }

        // The script reads a number that is shown in full from the cell.
        string sort = number.ToString("R", CultureInfo.InvariantCulture);
        html.Element("td", cell.Text, ("class", "number"), ("data-sort", cell.Text.Replace(",", "", StringComparison.Ordinal) == sort ? null : sort));
    }

    private bool IsNumber(int column) => column > 0 && Rows.Count > 0 && Rows[0][column].Sort is not null;
}
