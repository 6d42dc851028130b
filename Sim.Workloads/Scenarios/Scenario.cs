using System.Text;
using Sim.Core;
using Sim.Core.Files;
using Sim.Core.Traces;

namespace Sim.Workloads.Scenarios;

/// <summary>What happens, and then what is expected of it.</summary>
/// <param name="Blocks">The records, in order; each block is of one lane.</param>
/// <param name="Expectations">What shall have happened during these records; those on safety are about the whole scenario.</param>
public sealed record ScenarioPart(IReadOnlyList<TraceBlock> Blocks, IReadOnlyList<Expectation> Expectations);

/// <summary>A hand-written trace with its expectations (docs/scenarios.md).</summary>
/// <param name="Name">Names the input in messages.</param>
/// <param name="Title">One sentence.</param>
/// <param name="Header">The trace's header. Its property <see cref="ConfigurationProperty"/> says which machine it was written for.</param>
/// <param name="Symbols">Names of the scenario's pages and EPTs by the address that operands of invalidations have, as 0x....</param>
/// <param name="Parts">Parts, in order.</param>
public sealed record Scenario(string Name, string Title, TraceHeader Header, IReadOnlyDictionary<string, string> Symbols, IReadOnlyList<ScenarioPart> Parts)
{
    /// <summary>Header property with the configuration a trace was made for: "path=value" words, for instance "profile=zen-3 machine.l0_ept=false".</summary>
    public const string ConfigurationProperty = "configuration";

    private const int MaxBytes = 1 << 20;

    /// <summary>Reads a scenario file.</summary>
    /// <exception cref="ConfigurationException">There is no such file, or it may not be read.</exception>
    /// <exception cref="TraceFormatException">It is no scenario; the message has the line.</exception>
    public static Scenario Read(string path)
    {
        using FileStream file = InputFile.OpenNamed(path, "scenario", "Give the path of a .scenario file.");
        return Parse(file, path);
    }

    /// <summary>Reads a scenario to its end. The stream stays open.</summary>
    /// <exception cref="TraceFormatException">It is no scenario; the message has the line.</exception>
    public static Scenario Parse(Stream stream, string name)
    {
        byte[] bytes = new byte[MaxBytes + 1];
        int length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (length > MaxBytes)
        {
            throw new TraceFormatException(name, $"offset {MaxBytes}", $"a scenario of at most {MaxBytes} bytes", "more", "Scenarios are written by hand; convert long traces with 'nestsim trace convert'.");
        }

        try
        {
            return ScenarioParser.Parse(new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes, 0, length), name);
        }
        catch (DecoderFallbackException e)
        {
            throw new TraceFormatException(name, $"offset {e.Index}", "text in UTF-8", "other bytes", "The file is damaged or in another encoding.", e);
        }
    }

    /// <summary>The records alone, as a trace at its first block.</summary>
    public ITraceSource OpenTrace()
    {
        MemoryTrace trace = new(Header);
        foreach (TraceBlock block in Parts.SelectMany(part => part.Blocks))
        {
            trace.Write(block);
        }

        return trace;
    }
}
