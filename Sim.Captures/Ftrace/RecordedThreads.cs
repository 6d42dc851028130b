using System.Diagnostics.CodeAnalysis;

namespace Sim.Captures.Ftrace;

/// <summary>The threads of a recording by their process ids: what is known of each, and which are vCPUs.</summary>
internal sealed class RecordedThreads(RecordedConfiguration configuration)
{
    private readonly Dictionary<int, RecordedVcpu> _vcpus = [];
    private readonly Dictionary<int, KernelThread> _threads = [];

    /// <summary>All vCPUs, by their numbers.</summary>
    public IEnumerable<RecordedVcpu> Vcpus => _vcpus.Values.OrderBy(vcpu => vcpu.Number);

    /// <summary>How many virtual machines there are.</summary>
    public int Machines => configuration.Machines;

    /// <summary>The vCPUs of the virtual machine of a vCPU's thread; all vCPUs if it is another thread, for which machine it works is not known.</summary>
    public IEnumerable<RecordedVcpu> MachineOf(int pid)
    {
        IReadOnlyDictionary<int, int> machines = configuration.MachineOfThread;
        return machines.TryGetValue(pid, out int machine) ? Vcpus.Where(vcpu => machines.GetValueOrDefault(vcpu.Pid, machine) == machine) : Vcpus;
    }

    /// <summary>The thread with that process id; a new one if it is seen for the first time.</summary>
    public KernelThread Thread(int pid)
    {
        if (!_threads.TryGetValue(pid, out KernelThread? thread))
        {
            thread = new KernelThread();
            _threads.Add(pid, thread);
        }

        return thread;
    }

    /// <summary>The vCPU of a thread that is known to be one.</summary>
    public bool TryGetVcpu(int pid, [MaybeNullWhen(false)] out RecordedVcpu vcpu) => _vcpus.TryGetValue(pid, out vcpu);

    /// <summary>The vCPU of a thread that enters a guest: from now on it is one.</summary>
    public RecordedVcpu Vcpu(int pid)
    {
        if (!_vcpus.TryGetValue(pid, out RecordedVcpu? vcpu))
        {
            vcpu = new RecordedVcpu((ushort)_vcpus.Count, pid);
            _vcpus.Add(pid, vcpu);
        }

        return vcpu;
    }
}
