using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>What L0's MMU learns beside the instructions of guests: changed tables, walks and writes of EPT12, resets, and requests that a trace tells.</summary>
internal sealed class MmuEvents(
    MachineSpec spec, ReplayKind kind, Kernel kernel, MapChanges maps, Vcpus vcpus, Transitions steps, GuestInstructions instructions, SafetyOracle? oracle)
{
    /// <summary>An entry of any paging structure was changed.</summary>
    public void MapChange(Lane lane, TraceEvent e)
    {
        Vcpu vcpu = vcpus.RunningOn(lane);
        if (instructions.Intercepts(lane) && maps.Exits(vcpu, e))
        {
            steps.InL0(lane, _ => maps.Apply(lane, vcpu, e));
        }
        else if (kernel.Rules.FlushesProtectedMapping && kind == ReplayKind.ByPolicy && spec.L0Ept && (MapTable)e.A == MapTable.Tdp01 && (MapChangeKind)e.E == MapChangeKind.Made && kernel.ShadowEpt.IsTracked(e.C))
        {
            maps.Apply(lane, vcpu, e);
            vcpu.Raise(FlushRequest.Current, new Reason("shadow_mmu", "protected_mapping"));
        }
        else if (maps.Apply(lane, vcpu, e) && kind == ReplayKind.ByPolicy && !spec.RemoteFlushesRecorded && (kernel.Rules.Defects & KernelDefects.NoRemoteFlush) == 0)
        {
            steps.FlushRemote(lane, new Reason("host", "remote_flush"));
        }
    }

    /// <summary>The trace tells how large pages are.</summary>
    public void PageSizes(Lane lane, in TraceEvent e) => maps.Tell(e.Level == 2 ? vcpus.RunningOn(lane) : null, e);

    /// <summary>L0 handles a fault of L2 that EPT12 allows.</summary>
    public void WalkEpt12(Lane lane, in TraceEvent e)
    {
        int leafLevel = MapChanges.SizeOf(e.C) switch { PageSize.Size1G => 3, PageSize.Size2M => 2, _ => 1 };
        if (kernel.ShadowEpt.Fetch(lane.Index, e.A, e.B, leafLevel, [e.D, e.E, e.F], out bool lostRace))
        {
            steps.FlushRemote(lane, new Reason("shadow_mmu", "new_shadow_page"));
        }

        lane.LostFaultRace |= lostRace;
    }

    /// <summary>
    /// L1 writes to a page that L0 keeps read-only because it is, or was, a table of EPT12; the write is emulated, or run again. Or, if rights are restricted: L2 faulted at a present entry of EPT02, and
    /// EPT12 withholds the right, so that L0 tells L1.
    /// </summary>
    public void WriteEpt12(Lane lane, in TraceEvent e)
    {
        if (kind != ReplayKind.ByPolicy || !spec.L0Ept)
        {
            return;
        }

        ulong address = e.C;
        if ((MapChangeKind)e.E == MapChangeKind.Restricted)
        {
            if (kernel.Rules.ZapsReflectedAddress && kernel.ShadowEpt.Withheld(e.B, address))
            {
                steps.FlushRemote(lane, new Reason("shadow_mmu", "reflected_fault"));
            }

            return;
        }

        if ((MapChangeKind)e.E == MapChangeKind.Widened)
        {
            kernel.ShadowEpt.Permit(address);
            return;
        }

        if (!kernel.ShadowEpt.Write(address, out bool zappedRoot))
        {
            return;
        }

        if (zappedRoot)
        {
            foreach (Vcpu vcpu in vcpus.All)
            {
                vcpu.GuestMmu.Free(root => root.Pgd == InveptSingle.Ep4taOf(address));
            }
        }

        steps.FlushRemote(lane, new Reason("shadow_mmu", "tracked_write"));
    }

    /// <summary>L1 writes to a last-level table of an L2's page tables that L0 shadows and keeps read-only; which entry is not known. L0 makes it unsync and runs the write again.</summary>
    public void WriteShadowedTable()
    {
        if (kind == ReplayKind.ByPolicy && !spec.L0Ept)
        {
            kernel.ShadowMmu.WriteUnknown();
        }
    }

    /// <summary>A request that L0 raised when the trace was made, for a reason that no other record tells.</summary>
    public void RaiseRecorded(Lane lane, in TraceEvent e)
    {
        if (e.C != TraceEvent.AnyVcpu)
        {
            Vcpu serviced = vcpus.Of((ushort)e.C);
            if (kernel.Requests.BeforeEntry(lane, serviced))
            {
                serviced.Raise(FlushRequest.All, new Reason("shadow_mmu", "new_shadow_root"));
            }
        }

        IEnumerable<Vcpu> asked = e.B == TraceEvent.AnyVcpu ? vcpus.All : [vcpus.Of((ushort)e.B)];
        Reason reason = new("host", "recorded_request");
        switch ((RequestedFlush)e.A)
        {
            case RequestedFlush.Roots:
                foreach (Vcpu vcpu in asked)
                {
                    kernel.Roots.CurrentIsGone(vcpu, reason with { Rule = "recorded_root_load" });
                }

                return;
            case RequestedFlush.ShadowedWrite:
                foreach (Vcpu vcpu in kernel.Rules.FlushesOnShadowedWrite ? asked : [])
                {
                    vcpu.Raise(FlushRequest.Current, new Reason("emulation", "shadowed_write"));
                }

                return;
            case RequestedFlush.Registers:
                foreach (Vcpu vcpu in asked)
                {
                    vcpu.RootMmu.Free(_ => true);
                    vcpu.GuestMmu.Free(_ => true);
                }

                if (!kernel.Rules.FlushesGuestOnSetSregs)
                {
                    return;
                }

                break;
            default:
                break;
        }

        FlushRequest request = (RequestedFlush)e.A switch
        {
            RequestedFlush.Current => FlushRequest.Current,
            RequestedFlush.Guest or RequestedFlush.Registers => FlushRequest.Guest,
            _ => FlushRequest.All,
        };
        foreach (Vcpu vcpu in asked)
        {
            vcpu.Raise(request, reason);
            if (request == FlushRequest.Guest)
            {
                oracle?.Invalidated(vcpu, new MovToCr4Pge(), "a guest flush that L0 was asked for");
            }
        }
    }

    /// <summary>kvm_vcpu_reset at creation or INIT: vmx_vcpu_reset flushes vpid01 at once, and the guest's TLB is flushed before the first entry.</summary>
    public void Reset(Lane lane, Vcpu vcpu)
    {
        Reason reason = new("host", "vcpu_reset");
        if (spec.Profile.Vendor == Vendor.Intel)
        {
            FlushFunctions.Vpid(lane, vcpu.Vpid01, reason);
        }

        vcpu.Raise(FlushRequest.Guest, reason);
        oracle?.Invalidated(vcpu, new Reset(), "INIT");
    }
}
