namespace Sim.Workloads.Hardware;

/// <summary>
/// Learns how much L0's TSC is ahead of each vCPU's: TSC deadlines are written in the guest's time. The timer runs out at a fixed distance from its deadline, save where L0
/// was busy then (later) or used the preemption timer for something else (earlier).
/// </summary>
public sealed class TscOffsets
{
    private const int BucketShift = 8;
    private const int Share = 10;

    private readonly SortedDictionary<ulong, Vcpu> _vcpus = [];

    /// <summary>A vCPU writes its deadline; 0 disarms.</summary>
    public void Armed(ulong vmcs01, ulong deadline) => VcpuOf(vmcs01).Deadline = deadline == 0 ? null : deadline;

    /// <summary>The preemption timer ran out while the vCPU was in a guest.</summary>
    public void RanOut(ulong vmcs01, ulong now)
    {
        Vcpu vcpu = VcpuOf(vmcs01);
        if (vcpu.Deadline is { } deadline)
        {
            ulong bucket = unchecked(now - deadline) >> BucketShift;
            vcpu.Distances[bucket] = vcpu.Distances.GetValueOrDefault(bucket) + 1;
        }
    }

    /// <summary>The offset: the least distance that is not rare; 0 if no timer ever ran out.</summary>
    public ulong Of(ulong vmcs01)
    {
        if (!_vcpus.TryGetValue(vmcs01, out Vcpu? vcpu) || vcpu.Distances.Count == 0)
        {
            return 0;
        }

        int most = vcpu.Distances.Values.Max();
        return vcpu.Distances.First(distance => distance.Value * Share >= most).Key << BucketShift;
    }

    private Vcpu VcpuOf(ulong vmcs01)
    {
        if (!_vcpus.TryGetValue(vmcs01, out Vcpu? vcpu))
        {
            vcpu = new Vcpu();
            _vcpus.Add(vmcs01, vcpu);
        }

        return vcpu;
    }

    private sealed class Vcpu
    {
        public ulong? Deadline { get; set; }

        public SortedDictionary<ulong, int> Distances { get; } = [];
    }
}
