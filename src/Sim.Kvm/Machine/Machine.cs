using Sim.Core.Stats;
using Sim.Core.Traces;

namespace Sim.Kvm;

/// <summary>Lanes, vCPUs and one flush policy, replaying one trace.</summary>
public sealed class Machine
{
    /// <summary>A machine at reset.</summary>
    public Machine(MachineSpec spec, IFlushPolicy policy, ReplayKind kind, int lanes) => throw new NotImplementedException();

    /// <summary>Replays <paramref name="count"/> records of the block from record <paramref name="first"/> on (accesses and events in their common order).</summary>
    public void Replay(TraceBlock block, int first, int count) => throw new NotImplementedException();

    /// <summary>All statistics now. Changes nothing.</summary>
    public StatSheet Snapshot() => throw new NotImplementedException();

    /// <summary>Checks the conservation laws; throws <see cref="InvalidOperationException"/> (our bug, exit code 4) with both sides of the one that fails.</summary>
    public void CheckConservation() => throw new NotImplementedException();

    /// <summary>VM-entries that failed their consistency checks, in order.</summary>
    public IReadOnlyList<FailedVmEntry> FailedVmEntries => throw new NotImplementedException();
}

/// <summary>A VM-entry that hardware (or L0 on its behalf) refused.</summary>
/// <param name="Time">Trace time.</param>
/// <param name="Lane">Physical CPU.</param>
/// <param name="Vcpu">vCPU.</param>
/// <param name="Vmcs12">The vmcs12 it was about.</param>
/// <param name="Check">Which check failed, with the values.</param>
public sealed record FailedVmEntry(ulong Time, int Lane, ushort Vcpu, ulong Vmcs12, string Check);

/// <summary>A hypervisor's TLB-flush policy. One file each, found by <see cref="Core.ComponentAttribute"/>.</summary>
public interface IFlushPolicy;
