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

    /// <summary>Writes the tables with an empty line between them; wide ones are split. Text that would act on a terminal is shown as its code.</summary>
    public static void Write(TextWriter output, IEnumerable<Table> tables, TableStyle style)
    {
        bool first = true;
        foreach (Table table in tables.Select(Inert).SelectMany(table => table.Split(style.Width, style.Rich ? BoxGap : PlainGap)))
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

    private static Table Inert(Table table) => new(
        InertText.OneLine(table.Title), [.. table.Headers.Select(InertText.OneLine)], [.. table.Rows.Select(row => (IReadOnlyList<string>)[.. row.Select(InertText.OneLine)])]);

    private static void WritePlain(TextWriter output, Table table)
    {
        IReadOnlyList<int> widths = table.Widths;
        output.Write(table.Title + "\n");
        WriteLine(output, table.Headers, widths);
        WriteLine(output, [.. widths.Select(width => new string('-', width))], widths);
        foreach (IReadOnlyList<string> row in table.Rows)
        {
            WriteLine(output, row, widths);
        }
    }

    private static void WriteLine(TextWriter output, IReadOnlyList<string> cells, IReadOnlyList<int> widths)
    {
        string line = string.Concat(cells.Select((cell, column) => column == 0 ? cell.PadRight(widths[0]) : new string(' ', PlainGap) + cell.PadLeft(widths[column])));
        output.Write(line.TrimEnd() + "\n");
    }

    private static void WriteBox(TextWriter output, Table table, int width)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.Yes, ColorSystem = ColorSystemSupport.Standard, Out = new AnsiConsoleOutput(output) });
        console.Profile.Width = width;
        Spectre.Console.Table box = new Spectre.Console.Table().Border(TableBorder.Rounded).Title(new TableTitle(Markup.Escape(table.Title), new Style(decoration: Decoration.Bold)));
        for (int column = 0; column < table.Headers.Count; column++)
        {
            TableColumn made = new TableColumn(new Text(table.Headers[column])).NoWrap();
            box.AddColumn(column == 0 ? made : made.RightAligned());
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
