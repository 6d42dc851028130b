using BenchmarkDotNet.Attributes;
using Sim.Core.Traces;
using Sim.Workloads;
using Sim.Workloads.Formats;

namespace Sim.Benches;

/// <summary>Nanoseconds per record to decode a native trace.</summary>
[MemoryDiagnoser]
public class DecodeBenchmarks
{
    private const int Records = 1_000_000;

    private readonly TraceBlock _block = new();
    private string _path = null!;

    [GlobalSetup]
    public void Setup()
    {
        _path = Path.Combine(Path.GetTempPath(), "nestsim-decode-bench.nst");
        using TraceFileWriter writer = TraceFile.Create(_path, TraceHeader.Default);
        TraceAppender appender = new(writer, 1);
        for (ulong i = 0; i < Records; i++)
        {
            appender.Access(0, i, 0x7FFF_0000_0000 + ((i * 2654435761) & 0x3F_FFFF), AccessType.Read);
        }

        appender.Complete();
        writer.Complete();
    }

    [GlobalCleanup]
    public void Cleanup() => File.Delete(_path);

    [Benchmark(OperationsPerInvoke = Records)]
    public int Decode()
    {
        using TraceFile file = TraceFile.Open(_path);
        int records = 0;
        while (file.Read(_block))
        {
            records += _block.RecordCount;
        }

        return records;
    }
}
