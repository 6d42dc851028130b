using Sim.Captures.Ftrace;
using Sim.Core.Architecture;

namespace Sim.Captures.HwLog;

/// <summary>One call of kvm_flush_remote_tlbs by L0.</summary>
/// <param name="Ticks">Time on the clock of the hardware capture.</param>
/// <param name="Cpu">Physical CPU.</param>
public readonly record struct RemoteFlush(ulong Ticks, int Cpu);

/// <summary>
/// Remote flushes whose cause starts in L0 itself (memory given or taken, an MMU notifier): those calls of kvm_flush_remote_tlbs in the function trace of the same run that do not come
/// out of the handling of what a guest did to EPT12, which the hypervisor model predicts.
/// </summary>
public sealed class HostFlushes
{
    private const string RemoteFlushFunction = "kvm_flush_remote_tlbs";

    private readonly IReadOnlyList<RemoteFlush> _calls;
    private readonly HashSet<int> _handlesGuest = [];
    private int _next;

    internal HostFlushes(IReadOnlyList<RemoteFlush> calls) => _calls = calls;

    /// <summary>Calls with a cause in L0, each with the index of the record that comes after it.</summary>
    internal Queue<(long Record, int Cpu)> Events { get; } = [];

    /// <summary>Calls of kvm_flush_remote_tlbs in ftrace text, in order of time.</summary>
    /// <param name="paths">Files; the printed seconds times 10^9 are the ticks of the hardware capture (trace clock x86-tsc).</param>
    /// <exception cref="Core.ConfigurationException">No such file.</exception>
    /// <exception cref="Core.TraceFormatException">A file is not the text of kernel events.</exception>
    public static IReadOnlyList<RemoteFlush> Read(IEnumerable<string> paths)
    {
        List<RemoteFlush> calls = [];
        foreach (string path in paths)
        {
            using TracepointReader reader = new(CaptureText.Open(path), path);
            KernelEvent e = default;
            while (reader.Read(ref e))
            {
                if (e.Type == KernelEventType.Function && e.Text == RemoteFlushFunction)
                {
                    calls.Add(new RemoteFlush(e.Time, e.Cpu));
                }
            }
        }

        return [.. calls.OrderBy(call => call.Ticks)];
    }

    /// <summary>Takes a record and the level that it is of.</summary>
    internal void Take(long index, in HwRecord record, int level)
    {
        for (; _next < _calls.Count && _calls[_next].Ticks <= record.Ticks; _next++)
        {
            if (!_handlesGuest.Contains(_calls[_next].Cpu))
            {
                Events.Enqueue((index, _calls[_next].Cpu));
            }
        }

        if (record.Type == HwType.Vmexit && IsAboutEpt12(record, level))
        {
            _handlesGuest.Add(record.Cpu);
        }
        else if (record.Type is HwType.Vmexit or HwType.Vmentry)
        {
            _handlesGuest.Remove(record.Cpu);
        }
    }

    // A nested entry loads a root, a fault of L2 shadows tables, a write to a read-only page may be one to a table.
    private static bool IsAboutEpt12(in HwRecord exit, int level) => (VmxExit)exit[HwOperand.Reason] switch
    {
        VmxExit.Vmlaunch or VmxExit.Vmresume => true,
        VmxExit.EptViolation => level == 2 || (((EptViolationQualification)exit[HwOperand.Qualification] & EptViolationQualification.WriteAccess) != 0 && ((EptViolationQualification)exit[HwOperand.Qualification] & EptViolationQualification.Present) != 0),
        _ => false,
    };
}
