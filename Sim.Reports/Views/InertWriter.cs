using System.Text;
using Sim.Core.Text;

namespace Sim.Reports.Views;

/// <summary>
/// The one way to a terminal, a log or a pipe: whatever text comes, from a trace, a file, a name or an argument, nothing of it acts there. Characters that act are shown as their codes; a line that
/// a CI system would take for a command to itself (<c>::error</c>, <c>##[error]</c>, <c>##vso[...]</c>) is not one. Line feeds pass.
/// </summary>
/// <param name="styled">Where it goes. What is written to it directly acts: colours of tables whose cells are inert, the progress bar, annotations that were asked for.</param>
public sealed class InertWriter(TextWriter styled) : TextWriter
{
    private int _colons;
    private int _hashes;
    private bool _onlySpaces = true;

    /// <summary>Where it goes, for what shall act.</summary>
    public TextWriter Styled => styled;

    /// <inheritdoc/>
    public override Encoding Encoding => styled.Encoding;

    /// <summary>The writer behind an inert one, or the writer itself.</summary>
    public static TextWriter StyledOf(TextWriter writer) => writer is InertWriter inert ? inert.Styled : writer;

    /// <inheritdoc/>
    public override void Write(char value) => Write([value]);

    /// <inheritdoc/>
    public override void Write(char[] buffer, int index, int count) => Write(buffer.AsSpan(index, count));

    /// <inheritdoc/>
    public override void Write(string? value) => Write(value.AsSpan());

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<char> buffer)
    {
        StringBuilder inert = new(buffer.Length);
        for (int i = 0; i < buffer.Length; i++)
        {
            char c = buffer[i];
            if (char.IsHighSurrogate(c) && i + 1 < buffer.Length && char.IsLowSurrogate(buffer[i + 1]))
            {
                Passes(' ');
                _onlySpaces = false;
                inert.Append(c).Append(buffer[++i]);
            }
            else if (c == '\n')
            {
                (_colons, _hashes, _onlySpaces) = (0, 0, true);
                inert.Append(c);
            }
            else if (Harmless.Is(c) && Passes(c))
            {
                inert.Append(c);
            }
            else
            {
                (_colons, _hashes, _onlySpaces) = (0, 0, false);
                inert.Append(Harmless.CodeOf(c));
            }
        }

        styled.Write(inert);
    }

    /// <inheritdoc/>
    public override void Flush() => styled.Flush();

    /// <summary>False for the character that would make a command of what stands before it: the second colon of a line, the bracket behind two hashes and a word.</summary>
    private bool Passes(char c)
    {
        bool isCommand = (c == ':' && _colons == 1) || (c == '[' && _hashes == 2);
        _colons = c == ':' && _onlySpaces ? 1 : 0;
        _onlySpaces &= c == ' ';
        _hashes = c == '#' ? Math.Min(2, _hashes + 1) : _hashes == 2 && char.IsAsciiLetter(c) ? 2 : 0;
        return !isCommand;
    }
}
