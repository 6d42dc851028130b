namespace Sim.Reports.Views;

/// <summary>A small table: the first column (or more, see <see cref="TextColumns"/>) holds names, all others numbers.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Headers">One for each column.</param>
/// <param name="Rows">As many cells as there are headers.</param>
public sealed record Table(string Title, IReadOnlyList<string> Headers, IReadOnlyList<IReadOnlyList<string>> Rows)
{
    /// <summary>How many columns, from the first on, hold text and begin at their left edge.</summary>
    public int TextColumns { get; init; } = 1;

    /// <summary>Plain text has a line under the headers.</summary>
    public bool Ruled { get; init; } = true;

    /// <summary>Width of each column in characters.</summary>
    public IReadOnlyList<int> Widths => [.. Headers.Select((header, column) => Math.Max(header.Length, Rows.Select(row => row[column].Length).DefaultIfEmpty().Max()))];

    /// <summary>
    /// The same table in pieces that fit a width: each piece begins with the first column again. A piece has at least one more column, however narrow the
    /// width is.
    /// </summary>
    /// <param name="width">Characters of a line.</param>
    /// <param name="gap">Characters between (or around) columns.</param>
    public IReadOnlyList<Table> Split(int width, int gap)
    {
        IReadOnlyList<int> widths = Widths;
        List<Table> pieces = [];
        int next = 1;
        while (next < widths.Count || pieces.Count == 0)
        {
            List<int> columns = [0];
            int used = widths[0] + gap;
            while (next < widths.Count && (columns.Count == 1 || used + widths[next] + gap <= width))
            {
                used += widths[next] + gap;
                columns.Add(next++);
            }

            pieces.Add(new Table(
                pieces.Count == 0 ? Title : $"{Title} (continued)",
                [.. columns.Select(column => Headers[column])],
                [.. Rows.Select(row => (IReadOnlyList<string>)[.. columns.Select(column => row[column])])]) { TextColumns = columns.Count(column => column < TextColumns), Ruled = Ruled });
        }

        return pieces;
    }
}
