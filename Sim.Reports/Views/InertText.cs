using System.Globalization;
using System.Text;
using Sim.Core.Text;

namespace Sim.Reports.Views;

/// <summary>Text that a trace or a file supplied, made harmless for a reader or a format. Nothing is lost: what would act is shown as its code.</summary>
public static class InertText
{
    /// <summary>
    /// Control characters, line separators, those that change the direction of text or have no width, and lone surrogates as <c>\u202e</c>: what is left is one line that reads as
    /// it is stored.
    /// </summary>
    public static string OneLine(string text)
    {
        StringBuilder inert = new(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsSurrogatePair(text, i))
            {
                inert.Append(text, i++, 2);
            }
            else if (Harmless.Is(text[i]))
            {
                inert.Append(text[i]);
            }
            else
            {
                inert.Append(Harmless.CodeOf(text[i]));
            }
        }

        return inert.ToString();
    }

    /// <summary>A code span for Markdown: what could be markup, in Markdown or HTML, is a character reference.</summary>
    public static string Markdown(string text)
    {
        StringBuilder inert = new("<code>");
        foreach (char c in OneLine(text))
        {
            if (char.IsAscii(c) && !char.IsAsciiLetterOrDigit(c) && c is not (' ' or '.' or ',' or '-' or '+' or '=' or '%' or '/'))
            {
                inert.Append(CultureInfo.InvariantCulture, $"&#{(int)c};");
            }
            else
            {
                inert.Append(c);
            }
        }

        return inert.Append("</code>").ToString();
    }

    /// <summary>The message of a GitHub workflow command: percent, carriage return and line feed encoded as it wants them, everything else that would act shown as its code.</summary>
    public static string GitHubMessage(string text) =>
        string.Join("%0A", text.Split('\n').Select(line => string.Join("%0D", line.Split('\r').Select(part => OneLine(part).Replace("%", "%25", StringComparison.Ordinal)))));

    /// <summary>A property of a GitHub workflow command: colon and comma encoded too.</summary>
    public static string GitHubProperty(string text) => GitHubMessage(text).Replace(":", "%3A", StringComparison.Ordinal).Replace(",", "%2C", StringComparison.Ordinal);
}
