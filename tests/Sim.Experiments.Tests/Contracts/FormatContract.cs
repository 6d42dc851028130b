using System.Text;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;
using Sim.Workloads.Generators;

namespace Sim.Experiments.Tests.Contracts;

/// <summary>A format takes no other's content, and whatever it is given it reads it, or refuses it with a place and a hint.</summary>
internal static class FormatContract
{
    private const int Rubbish = 200;

    public static IEnumerable<string> Of(string name, ITraceFormat format)
    {
        if (format.Example is null && format is not IWritableTraceFormat)
        {
            yield return $"{name} has no Example, so nobody knows what it does with a damaged trace.";
            yield break;
        }

        if (format.Example is { } example && (Sniffs(format, example, out bool isOwn) is not null || !isOwn || Records(format, example) == 0))
        {
            yield return $"{name} does not read its own Example.";
            yield break;
        }

        foreach ((string what, byte[] content) in Inputs(name, format))
        {
            string? broken = Sniffs(format, content, out bool takes) ?? Reads(format, content);
            if (broken is not null)
            {
                yield return $"{name} throws {broken} on {what}. A format refuses what it cannot read with TraceFormatException, which says where, what was expected and what to do.";
                yield break;
            }

            if (takes && what.StartsWith("rubbish", StringComparison.Ordinal) && what.Contains("bytes", StringComparison.Ordinal))
            {
                yield return $"{name} takes {what} for its own: its Sniff is too wide, and other formats would not be read any more.";
                yield break;
            }
        }

        foreach ((string other, byte[] content) in Samples().Where(sample => sample.Format != name))
        {
            if (Sniffs(format, content, out bool takes) is null && takes)
            {
                yield return $"{name} takes a {other} trace for its own.";
            }
        }
    }

    private static string? Sniffs(ITraceFormat format, byte[] content, out bool takes)
    {
        takes = false;
        try
        {
            takes = format.Sniff(content.AsSpan(0, Math.Min(content.Length, TraceFile.HeadBytes)));
            return null;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return $"{e.GetType().Name} ('{e.Message}') from Sniff";
        }
    }

    private static long Records(ITraceFormat format, byte[] content)
    {
        try
        {
            using ITraceSource source = format.Open(new MemoryStream(content), "contract");
            TraceBlock block = new();
            long records = 0;
            while (source.Read(block))
            {
                records += block.RecordCount;
            }

            return records;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return 0;
        }
    }

    private static string? Reads(ITraceFormat format, byte[] content)
    {
        try
        {
            using ITraceSource source = format.Open(new MemoryStream(content), "contract");
            TraceBlock block = new();
            while (source.Read(block))
            {
            }

            return null;
        }
        catch (TraceFormatException)
        {
            return null;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return $"{e.GetType().Name} ('{e.Message}')";
        }
    }

    /// <summary>Nothing, bytes, text, lines of numbers and words, traces of every format that can be written, whole, cut and damaged.</summary>
    private static IEnumerable<(string What, byte[] Content)> Inputs(string name, ITraceFormat own)
    {
        yield return ("an empty input", []);
        Rng rng = new(1);
        const string Letters = "0123456789abcdefxLSMI ,:=-+.#\"\t";
        for (int i = 0; i < Rubbish; i++)
        {
            byte[] bytes = new byte[1 + (int)rng.Below(300)];
            for (int at = 0; at < bytes.Length; at++)
            {
                bytes[at] = (byte)rng.Below(256);
            }

            yield return ($"rubbish of {bytes.Length} bytes (number {i})", bytes);
            StringBuilder text = new();
            for (int line = 0; line < 6; line++)
            {
                for (int at = (int)rng.Below(40); at > 0; at--)
                {
                    text.Append(Letters[(int)rng.Below((ulong)Letters.Length)]);
                }

                text.Append(i % 3 == 0 ? "\r\n" : "\n");
            }

            yield return ($"rubbish of text lines (number {i})", Encoding.UTF8.GetBytes(text.ToString()));
        }

        foreach ((string format, byte[] sample) in Samples().Append((name, own.Example ?? [0])))
        {
            for (int i = 0; i < 100; i++)
            {
                byte[] damaged = [.. sample.AsSpan(0, 1 + (int)rng.Below((ulong)sample.Length))];
                damaged[(int)rng.Below((ulong)damaged.Length)] ^= (byte)(1 + rng.Below(255));
                yield return ($"a damaged {format} trace (number {i})", damaged);
            }
        }
    }

    private static IEnumerable<(string Format, byte[] Content)> Samples()
    {
        foreach (Catalogue<ITraceFormat>.Entry entry in TraceFile.Formats.Entries)
        {
            ITraceFormat shipped = TraceFile.Formats.Create(entry.Name);
            if (shipped.Example is { } example)
            {
                yield return (entry.Name, example);
            }
            else if (shipped is IWritableTraceFormat writable)
            {
                MemoryStream bytes = new();
                GeneratorSpec spec = GeneratorCatalogue.Parse("round-robin", ["accesses=40"]);
                using ITraceWriter writer = writable.Create(bytes, GeneratorCatalogue.Header(spec));
                GeneratorCatalogue.Generate(spec, writer);
                writer.Complete();
                yield return (entry.Name, bytes.ToArray());
            }
        }
    }
}
