using System.Globalization;
using CsvHelper;

namespace Sim.Reports.Views;

/// <summary>Rows as CSV text (RFC 4180, comma, line feed) that a spreadsheet cannot mistake for formulas.</summary>
public static class CsvText
{
    private static readonly CsvWriterOptions Written = CsvWriterOptions.Default with { NewLine = "\n" };

    /// <summary>A header line and the rows, which have as many cells as there are columns.</summary>
    public static string Of(IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows)
    {
        using StringWriter text = new(CultureInfo.InvariantCulture);
        using (CsvWriter csv = CsvWriter.Create(text, Written, leaveOpen: true))
        {
            foreach (IReadOnlyList<string> row in rows.Prepend(columns))
            {
                foreach (string cell in row)
                {
                    csv.WriteField(Safe(cell));
                }

                csv.EndRecord();
            }
        }

        return text.ToString();
    }

    /// <summary>A number may begin with a minus; any other cell that begins like a formula gets an apostrophe before it, as one that begins with an apostrophe does.</summary>
    private static string Safe(string cell) =>
        cell.Length > 0 && cell[0] is '=' or '+' or '-' or '@' or '\t' or '\r' or '\'' && !(cell[0] == '-' && long.TryParse(cell, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _)) ? "'" + cell : cell;
}
