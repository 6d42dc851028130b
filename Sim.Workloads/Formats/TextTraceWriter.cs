using System.Globalization;
using System.Text;
using Sim.Core.Text;
using Sim.Core.Traces;

namespace Sim.Workloads.Formats;

/// <summary>Writes the text twin: a version line, the header's JSON, for each block its lane and a line per record, and the number of records at the end.</summary>
public sealed class TextTraceWriter : ITraceWriter
{
    private const int BufferCharacters = 1 << 15;

    private readonly StreamWriter _text;
    private readonly StringBuilder _line = new();
    private ulong _records;

    /// <summary>Writes the header. The stream belongs to the writer from now on.</summary>
    public TextTraceWriter(Stream stream, TraceHeader header)
    {
        byte[] json = HeaderJson.Write(header, withRecords: false);
        _text = new StreamWriter(stream, new UTF8Encoding(false, true), BufferCharacters) { NewLine = "\n" };
        _text.WriteLine(TextFormat.Magic + TextFormat.VersionOf(header));
        _text.WriteLine(TextFormat.Header + Harmless.Json(Encoding.UTF8.GetString(json)));
    }

    /// <inheritdoc/>
    public void Write(TraceBlock block)
    {
        if (block.RecordCount == 0)
        {
            return;
        }

        _text.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{TextFormat.Block}{block.Lane}"));
        int e = 0;
        for (int i = 0; i <= block.AccessCount; i++)
        {
            for (; e < block.EventCount && block.EventPosition[e] == i; e++)
            {
                WriteLine(FormatEvent(_line, block.Lane, block.Events[e]));
            }

            if (i < block.AccessCount)
            {
                WriteLine(FormatAccess(_line, block.Lane, block.Time[i], block.Address[i], block.Flags[i], block.Repeat[i]));
            }
        }

        _records += (ulong)block.RecordCount;
    }

    /// <inheritdoc/>
    public void Complete()
    {
        _text.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{TextFormat.End}{_records}"));
        _text.Flush();
    }

    /// <inheritdoc/>
    public void Dispose() => _text.BaseStream.Dispose();

    /// <summary>Appends the line of an access: <c>lane @time R|W|X address cpl= size= [xRepeat]</c>.</summary>
    internal static StringBuilder FormatAccess(StringBuilder line, int lane, ulong time, ulong address, byte flags, uint repeat)
    {
        line.Append(CultureInfo.InvariantCulture, $"{lane} @{time} {TextFormat.AccessLetters[(int)AccessFlags.Type(flags)]} 0x{address:x} cpl={AccessFlags.Cpl(flags)} size={AccessFlags.Size(flags)}");
        return repeat == 1 ? line : line.Append(CultureInfo.InvariantCulture, $" x{repeat}");
    }

    /// <summary>Appends the line of an event: <c>lane @time Kind level= field=value ...</c>; a mark's text comes last, with escapes.</summary>
    internal static StringBuilder FormatEvent(StringBuilder line, int lane, in TraceEvent e)
    {
        line.Append(CultureInfo.InvariantCulture, $"{lane} @{e.Time} {e.Kind} level={e.Level}");
        foreach (FieldSpec field in RecordSchema.Fields(e.Kind))
        {
            line.Append(' ').Append(field.Name).Append('=').Append(RecordSchema.Format(field, e[field.Slot]));
        }

        if (e.Text is { Length: > 0 })
        {
            line.Append(' ');
            AppendEscaped(line, e.Text);
        }

        return line;
    }

    private static void AppendEscaped(StringBuilder line, string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            bool edge = i == 0 || i == text.Length - 1;
            if (c == '\\')
            {
                line.Append(@"\\");
            }
            else if (!Harmless.Is(c) || (c == ' ' && edge))
            {
                line.Append(Harmless.CodeOf(c));
            }
            else
            {
                line.Append(c);
            }
        }
    }

    private void WriteLine(StringBuilder line)
    {
        _text.WriteLine(line);
        line.Clear();
    }
}
