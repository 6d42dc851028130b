namespace Sim.Reports.Views;

/// <summary>Writes lines of text: broken between words where a terminal ends, and as they are into a pipe, where one fact stays on one line.</summary>
public static class Prose
{
    private const int Hang = 2;

    /// <summary>Writes the lines, each ended by a line feed. What continues a line is indented two characters more than the line. Text that would act on a terminal is shown as its code.</summary>
    public static void Write(TextWriter output, IEnumerable<string> lines, TableStyle style)
    {
        foreach (string line in lines.Select(InertText.OneLine).SelectMany(line => style.Rich ? Broken(line, style.Width) : [line]))
        {
            output.Write(line + "\n");
        }
    }

    /// <summary>A line in pieces of at most <paramref name="width"/> characters; a longer word stays whole.</summary>
    private static IEnumerable<string> Broken(string line, int width)
    {
        string indent = new(' ', line.Length - line.TrimStart(' ').Length + Hang);
        string piece = line;
        while (piece.Length > width)
        {
            int start = piece.Length - piece.TrimStart(' ').Length;
            int at = piece.LastIndexOf(' ', width, width - start);
            at = at > start ? at : piece.IndexOf(' ', width);
            if (at < 0)
            {
                break;
            }

            yield return piece[..at];
            piece = indent + piece[(at + 1)..];
        }

        yield return piece;
    }
}
