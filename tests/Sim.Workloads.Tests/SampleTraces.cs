using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Tests;

/// <summary>Traces for tests: arbitrary ones that hold every record kind, and helpers to compare and to serialise them.</summary>
internal static class SampleTraces
{
    [ThreadStatic]
    private static TraceBlock? _reused;

    private static TraceBlock Reused => _reused ??= new TraceBlock();

    /// <summary>Any records in any order, with every kind, operand width and text, in that many lanes. Legal for a format, senseless for a machine.</summary>
    public static MemoryTrace Arbitrary(ulong seed, int records, int lanes = 1, double eventShare = 0.2)
    {
        Rng rng = new(seed);
        SortedDictionary<string, string> properties = new(StringComparer.Ordinal) { ["source"] = "arbitrary \"ä\"", ["a"] = "" };
        MemoryTrace trace = new(new TraceHeader(lanes, true, "3/2", properties));
        TraceAppender appender = new(trace, lanes);
        ulong time = rng.Below(1000);
        for (int i = 0; i < records; i++)
        {
            time += Narrow(ref rng, 20);
            int lane = (int)rng.Below((ulong)lanes);
            if (rng.NextDouble() < eventShare)
            {
                appender.Event(lane, AnyEvent(ref rng, time));
            }
            else
            {
                byte flags = AccessFlags.Pack((AccessType)rng.Below(3), (int)rng.Below(4), (int)rng.Below(7));
                appender.Access(lane, time, Narrow(ref rng, 64), flags, (uint)Math.Clamp(Narrow(ref rng, 32), 1, uint.MaxValue));
            }
        }

        appender.Complete();
        return trace;
    }

    /// <summary>All records of a source as one list of (lane, record in words), and the block boundaries with them.</summary>
    public static List<string> Describe(ITraceSource source)
    {
        List<string> lines = [];
        TraceBlock block = Reused;
        while (source.Read(block))
        {
            lines.Add($"block lane={block.Lane} first={block.FirstRecord}");
            int e = 0;
            for (int i = 0; i <= block.AccessCount; i++)
            {
                for (; e < block.EventCount && block.EventPosition[e] == i; e++)
                {
                    lines.Add($"{block.Events[e].Time} {block.Events[e]}");
                }

                if (i < block.AccessCount)
                {
                    lines.Add($"{block.Time[i]} {block.Address[i]:x} {block.Flags[i]:x2} x{block.Repeat[i]}");
                }
            }
        }

        return lines;
    }

    /// <summary>Reads a source to its end into a sink.</summary>
    public static void Copy(ITraceSource source, ITraceSink sink)
    {
        TraceBlock block = new();
        while (source.Read(block))
        {
            sink.Write(block);
        }
    }

    /// <summary>A number whose length in bits is uniform up to <paramref name="bits"/>.</summary>
    private static ulong Narrow(ref Rng rng, int bits)
    {
        int shift = 64 - (int)rng.Below((ulong)bits + 1);
        return shift == 64 ? 0 : rng.Next() >> shift;
    }

    private static TraceEvent AnyEvent(ref Rng rng, ulong time)
    {
        RecordKind kind = (RecordKind)(1 + rng.Below((ulong)RecordSchema.Kinds.Count - 1));
        TraceEvent e = new() { Time = time, Kind = kind, Level = (byte)rng.Below(3) };
        foreach (FieldSpec field in RecordSchema.Fields(kind))
        {
            e[field.Slot] = rng.Below(8) == 0 ? rng.Next() : Math.Min(Narrow(ref rng, 64), field.Maximum);
        }

        if (kind == RecordKind.Mark)
        {
            string[] texts = ["", "warm-up ends", " two  spaces ", "#no comment", "line\nbreak\r\ttab \\ backslash", "Grüße 漢字 \U0001F600", "level=1 x=2", "\u0000\u0085\u2028"];
            e.Text = texts[rng.Below((ulong)texts.Length)];
        }

        return e;
    }
}
