using Sim.Core.Architecture;

namespace Sim.Captures.Ftrace;

/// <summary>How the levels of a recording on SVM are configured, read off its events: no event says it. Made by a first pass.</summary>
public sealed class RecordedConfiguration
{
    private readonly Dictionary<int, SvmExit> _exits = [];
    private readonly SortedDictionary<int, ulong> _vcpuIds = [];
    private readonly SortedSet<string> _flushFunctions = new(StringComparer.Ordinal);
    private Dictionary<int, int>? _machines;

    /// <summary>L0 shadows page tables (kvm_amd npt=0): it handled a #PF of a guest itself, which with NPT it does not intercept for itself.</summary>
    public bool L0ShadowsPageTables { get; private set; }

    /// <summary>Nested entries of an L1 that uses NPT.</summary>
    public long EntriesWithNpt { get; private set; }

    /// <summary>Nested entries of an L1 that shadows page tables (kvm_amd npt=0 in L1).</summary>
    public long EntriesWithoutNpt { get; private set; }

    /// <summary>Virtual machines of L0. The threads of one start one after the other, so a vCPU number that has been there begins the next one, in order of thread ids.</summary>
    public int Machines => MachineOfThread.Values.Append(-1).Max() + 1;

    /// <summary>The vendor's flush functions that were traced and called.</summary>
    public IReadOnlySet<string> FlushFunctions => _flushFunctions;

    /// <summary>Number of the virtual machine of each vCPU's thread.</summary>
    internal IReadOnlyDictionary<int, int> MachineOfThread => _machines ??= Group();

    /// <summary>Takes note of the next event.</summary>
    internal void Observe(in KernelEvent e)
    {
        switch (e.Type)
        {
            case KernelEventType.KvmEntry when !e.IsUnparsed:
                _vcpuIds.TryAdd(e.Pid, e[KernelOperand.Vcpu]);
                break;
            case KernelEventType.KvmExit when !e.IsUnparsed:
                _exits[e.Pid] = (KvmIsa)e[KernelOperand.Isa] == KvmIsa.Svm ? (SvmExit)e[KernelOperand.Reason] : 0;
                break;
            case KernelEventType.KvmPageFault:
                L0ShadowsPageTables |= _exits.GetValueOrDefault(e.Pid) == SvmExit.PageFault;
                break;
            case KernelEventType.KvmNestedVmenter or KernelEventType.KvmNestedVmrun when e[KernelOperand.NestedTdp] != 0:
                EntriesWithNpt++;
                break;
            case KernelEventType.KvmNestedVmenter or KernelEventType.KvmNestedVmrun:
                EntriesWithoutNpt++;
                break;
            case KernelEventType.Function when KernelFunctions.IsFlush(e.Text):
                _flushFunctions.Add(e.Text);
                break;
            default:
                break;
        }
    }

    private Dictionary<int, int> Group()
    {
        Dictionary<int, int> machines = [];
        HashSet<ulong> members = [];
        int machine = 0;
        foreach ((int pid, ulong id) in _vcpuIds)
        {
            if (!members.Add(id))
            {
                machine++;
                members = [id];
            }

            machines.Add(pid, machine);
        }

        return machines;
    }
}
