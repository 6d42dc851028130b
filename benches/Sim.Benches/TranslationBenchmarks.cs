using BenchmarkDotNet.Attributes;
using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Benches;

/// <summary>Nanoseconds per access when every access hits the first level, hits the second level, or walks; and per invalidation of a full TLB.</summary>
[MemoryDiagnoser]
public class TranslationBenchmarks
{
    private const int Accesses = TraceBlock.MaxAccesses;

    private readonly TraceBlock _block = new();
    private readonly FlushCauses _causes = new();
    private Mmu _mmu = null!;
    private int _cause;

    /// <summary>Pages touched at random: 48 fit the first level, 1,000 the second, 200,000 neither.</summary>
    [Params(48, 1_000, 200_000)]
    public int Pages { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _mmu = Mmu.Create(Reference.Profile, _causes, new MmuOptions(), "lane[0]");
        FrameAllocator frames = new();
        _cause = _causes.Intern(new FlushCause("bench", "bench", "bench"));
        _mmu.SwitchTo(new TranslationContext(1, 0, true, new PageTable(0x1000, 4, PageSize.Size4K, frames), new PageTable(0x2000, 4, PageSize.Size2M, new FrameAllocator()), 2), _cause);
        Rng rng = new(1);
        for (int i = 0; i < Accesses; i++)
        {
            _block.AddAccess((ulong)i, 0x10_0000_0000 + (rng.Below((ulong)Pages) << 12), AccessFlags.Pack(AccessType.Read));
        }

        _mmu.Translate(_block, 0, Accesses);
    }

    [Benchmark(OperationsPerInvoke = Accesses)]
    public ulong Translate() => _mmu.Translate(_block, 0, Accesses);

    /// <summary>Includes the refill of the 48 pages that it drops and touches again.</summary>
    [Benchmark]
    public int FlushAndRefill()
    {
        int dropped = _mmu.Apply(new InvvpidSingle(1), _cause);
        _mmu.Translate(_block, 0, 48);
        return dropped;
    }
}
