using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;

namespace Sim.Workloads.Scenarios;

/// <summary>Small traces written by hand, with what is expected of them (docs/scenarios.md).</summary>
[Component("scenario", Summary = "A small hand-written trace in plain words, with what is expected of each policy (.scenario).")]
public sealed class ScenarioFormat : ITraceFormat
{
    /// <inheritdoc/>
    public bool Sniff(ReadOnlySpan<byte> head) => head.StartsWith("nestsim-scenario"u8);

    /// <inheritdoc/>
    public byte[]? Example => "nestsim-scenario 1\ntitle  A page is read\npage heap\nL1 reads heap\nexpect all walks L1 1\n"u8.ToArray();

    /// <inheritdoc/>
    public ITraceSource Open(Stream stream, string name)
    {
        using (stream)
        {
            return Scenario.Parse(stream, name).OpenTrace();
        }
    }
}
