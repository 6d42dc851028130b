using Spectre.Console;

namespace Sim.Reports.Views;

/// <summary>How tables are written.</summary>
/// <param name="Rich">Boxes and colours for a terminal; else plain aligned text that is the same everywhere.</param>
/// <param name="Width">Characters of a line.</param>
public sealed record TableStyle(bool Rich, int Width)
{
    /// <summary>Plain text, 120 characters wide.</summary>
    public static TableStyle Plain { get; } = new(false, 120);
}

/// <summary>Writes tables to a terminal or as plain aligned text.</summary>
public static class TableWriter
{
    private const int PlainGap = 2;
    private const int BoxGap = 3;
    private const int BoxEdge = 1;

    /// <summary>Writes the tables with an empty line between them; wide ones are split. Text that would act on a terminal is shown as its code.</summary>
    public static void Write(TextWriter output, IEnumerable<Table> tables, TableStyle style)
    {
        bool first = true;
        foreach (Table table in tables.Select(Inert).SelectMany(table => style.Rich ? table.Split(style.Width - BoxEdge, BoxGap) : table.Split(style.Width + PlainGap, PlainGap)))
        {
            if (!first)
            {
                output.Write('\n');
            }

            first = false;
            if (style.Rich)
            {
                WriteBox(output, table, style.Width);
            }
            else
            {
                WritePlain(output, table);
            }
        }
    }

    private static Table Inert(Table table) => table with
    {
        Title = InertText.OneLine(table.Title),
        Headers = [.. table.Headers.Select(InertText.OneLine)],
        Rows = [.. table.Rows.Select(row => (IReadOnlyList<string>)[.. row.Select(InertText.OneLine)])],
    };

    private static void WritePlain(TextWriter output, Table table)
    {
        IReadOnlyList<int> widths = table.Widths;
        output.Write(table.Title + "\n");
        WriteLine(table.Headers);
        if (table.Ruled)
        {
            WriteLine([.. widths.Select(width => new string('-', width))]);
        }

        foreach (IReadOnlyList<string> row in table.Rows)
        {
            WriteLine(row);
        }

        void WriteLine(IReadOnlyList<string> cells)
        {
            string line = string.Join(new string(' ', PlainGap), cells.Select((cell, column) => column < table.TextColumns ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column])));
            output.Write(line.TrimEnd() + "\n");
        }
    }

    private static void WriteBox(TextWriter output, Table table, int width)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.Yes, ColorSystem = ColorSystemSupport.Standard, Out = new AnsiConsoleOutput(InertWriter.StyledOf(output)) });
        console.Profile.Width = width;
        Spectre.Console.Table box = new Spectre.Console.Table().Border(TableBorder.Rounded).Title(new TableTitle(Markup.Escape(table.Title), new Style(decoration: Decoration.Bold)));
        for (int column = 0; column < table.Headers.Count; column++)
        {
            TableColumn made = new TableColumn(new Text(table.Headers[column])).NoWrap();
            box.AddColumn(column < table.TextColumns ? made : made.RightAligned());
        }

        foreach (IReadOnlyList<string> row in table.Rows)
        {
            box.AddRow(row.Select(cell => new Text(cell, Colour(cell))));
        }

        console.Write(box);
    }

    private static Style Colour(string cell) => cell switch
    {
        ['+', .., '%'] => new Style(Color.Red),
        ['-', .., '%'] => new Style(Color.Green),
        _ => Style.Plain,
    };
}
