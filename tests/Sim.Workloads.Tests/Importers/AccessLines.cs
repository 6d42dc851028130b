using Sim.Core.Traces;
using Sim.Workloads.Formats;

namespace Sim.Workloads.Tests.Importers;

/// <summary>What an importer made of bytes, as lines that a test can write down.</summary>
internal static class AccessLines
{
    /// <summary>Opens bytes as the command does, by content.</summary>
    public static TraceFile Open(byte[] bytes) => TraceFile.Open(new MemoryStream(bytes), "t");

    /// <summary>Every record: "time address type size cplN", lanes above 0 before it; events by their kind and what they name.</summary>
    public static List<string> Of(byte[] bytes)
    {
        using TraceFile file = Open(bytes);
        return Of(file);
    }

    /// <summary>Every record of a source.</summary>
    public static List<string> Of(ITraceSource source)
    {
        List<string> lines = [];
        TraceBlock block = new();
        while (source.Read(block))
        {
            string lane = block.Lane > 0 ? $"{block.Lane}: " : "";
            int e = 0;
            for (int i = 0; i <= block.AccessCount; i++)
            {
                for (; e < block.EventCount && block.EventPosition[e] == i; e++)
                {
                    TraceEvent happened = block.Events[e];
                    string what = happened.Kind switch
                    {
                        RecordKind.VmEnter or RecordKind.VmExit => happened.Transition.ToString(),
                        RecordKind.SetCr3 => $"SetCr3 {happened.A:x}",
                        RecordKind.Mark => $"Mark {happened.Text}",
                        RecordKind.PageSizes => $"PageSizes {happened.B:x} {happened.C:x}",
                        _ => happened.Kind.ToString(),
                    };
                    lines.Add($"{lane}{happened.Time} {what}");
                }

                if (i < block.AccessCount)
                {
                    byte flags = block.Flags[i];
                    lines.Add($"{lane}{block.Time[i]} {block.Address[i]:x} {AccessFlags.Type(flags)} {AccessFlags.Size(flags)} cpl{AccessFlags.Cpl(flags)}");
                }
            }
        }

        return lines;
    }
}

/// <summary>How many damaged copies a test tries: a few hundred in every run, ten thousand with NESTSIM_MUTANTS=10000.</summary>
internal static class MutantCount
{
    /// <summary>The number.</summary>
    public static int Value => int.TryParse(Environment.GetEnvironmentVariable("NESTSIM_MUTANTS"), out int count) ? count : 300;
}
