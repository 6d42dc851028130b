using Sim.Core;
using Sim.Core.Architecture;
using Sim.Core.Profiles;

namespace Sim.Captures.Ftrace;

/// <summary>What a first pass over a recording of kernel events tells before the second: its size, and the level of each stay of a vCPU in its guest, which is told only when the stay ends.</summary>
public sealed class KernelSurvey
{
    private readonly Dictionary<int, StayLevels> _stays;

    private KernelSurvey(KernelLevels levels)
    {
        _stays = levels.Stays;
        TracesNestedEntries = levels.TracesNestedEntries;
    }

    /// <summary>Number of physical CPUs: the highest that an event names, and those below it.</summary>
    public int Lanes { get; private init; }

    /// <summary>The vendor whose exits are recorded; null if no event tells.</summary>
    public Vendor? Vendor { get; private init; }

    /// <summary>Threads of vCPUs.</summary>
    public int Vcpus => _stays.Count;

    /// <summary>True if kvm_flush_remote_tlbs was traced and called.</summary>
    public bool RecordsRemoteFlushes { get; private init; }

    /// <summary>True if the recording says that events were lost.</summary>
    public bool DataLoss { get; private init; }

    /// <summary>How its levels are configured (SVM).</summary>
    public required RecordedConfiguration Configuration { get; init; }

    /// <summary>True if nested entries have an event of their own (SVM, and VMX from 6.0 on); else they are inferred.</summary>
    internal bool TracesNestedEntries { get; }

    /// <summary>Reads a recording to its end.</summary>
    /// <exception cref="TraceFormatException">This is not a kernel trace.</exception>
    public static KernelSurvey Of(TracepointReader reader)
    {
        KernelLevels levels = new();
        RecordedConfiguration configuration = new();
        KernelEvent e = default;
        int lanes = 1;
        Vendor? vendor = null;
        bool hasRemoteFlushes = false;
        while (reader.Read(ref e))
        {
            lanes = Math.Max(lanes, e.Cpu + 1);
            hasRemoteFlushes |= e.Type == KernelEventType.Function && e.Text == KernelFunctions.RemoteFlush;
            if (e.Has(KernelOperand.Isa))
            {
                vendor = (KvmIsa)e[KernelOperand.Isa] == KvmIsa.Svm ? Core.Profiles.Vendor.Amd : Core.Profiles.Vendor.Intel;
            }

            levels.Observe(e);
            configuration.Observe(e);
        }

        return new KernelSurvey(levels) { Lanes = lanes, Vendor = vendor, RecordsRemoteFlushes = hasRemoteFlushes, DataLoss = reader.DataLoss, Configuration = configuration };
    }

    /// <summary>The levels of a thread's stays.</summary>
    internal StayLevels? StaysOf(int pid) => _stays.GetValueOrDefault(pid);
}
