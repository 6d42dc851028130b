using BenchmarkDotNet.Running;
using Sim.Benches;

if (args is ["throughput", .. string[] traces])
{
    return Throughput.Run(traces);
}

BenchmarkSwitcher.FromAssembly(typeof(Throughput).Assembly).Run(args);
return 0;
