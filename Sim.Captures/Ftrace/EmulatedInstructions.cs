using Sim.Core.Architecture;
using Sim.Core.Traces;

namespace Sim.Captures.Ftrace;

/// <summary>
/// Guest instructions that L0 emulates on SVM and whose operands no event tells, for a CPU without decode assists lets L0's emulator fetch them: MOV to CR4, MOV to CR3, INVLPG; and the faults
/// by which a guest writes to a table that L0 shadows, or is told of a #PF by L0.
/// </summary>
/// <remarks>
/// Such a MOV to CR4 is taken to change PGE and nothing else (so do guests that flush all translations). Which root a MOV to CR3 selects is not known: it is a new one if L0 then loads a root
/// (kvm_mmu_load), else one that was cached. The record is made when that is clear: at the load of a root, at a flush request, or at the entry.
/// </remarks>
internal sealed class EmulatedInstructions(LiftedRecords records, RecordedConfiguration configuration)
{
    private const int RootLevel = 4;
    private const ulong PageBytes = 4096;

    /// <summary>MOVs to CR4 of which no event told the value.</summary>
    public long AssumedCr4 { get; private set; }

    /// <summary>MOVs to CR3 of which no event told the value.</summary>
    public long UnknownCr3 { get; private set; }

    /// <summary>A real exit.</summary>
    public static void Exit(RecordedVcpu vcpu, uint reason, ulong errorCode, ulong address)
    {
        bool isKnown = (SvmExit)reason is SvmExit.WriteCr3 or SvmExit.WriteCr4 or SvmExit.Invlpg or SvmExit.PageFault or SvmExit.NestedPageFault;
        vcpu.Emulates = vcpu.Isa == KvmIsa.Svm && isKnown ? (SvmExit)reason : null;
        (vcpu.FaultCode, vcpu.FaultAddress, vcpu.IsEmulated) = ((PageFaultCode)errorCode, address, false);
    }

    /// <summary>kvm_emulate_insn.</summary>
    public static void Emulate(RecordedVcpu vcpu) => vcpu.IsEmulated = true;

    /// <summary>The exit is L1's to handle, or an event told the operand.</summary>
    public static void Forget(RecordedVcpu vcpu) => vcpu.Emulates = null;

    /// <summary>kvm_mmu_walker_error: the guest's own tables refuse the access. If its entry is present, kvm_inject_emulated_page_fault drops the address before the guest gets the #PF.</summary>
    public void WalkFailed(RecordedCpu lane, RecordedVcpu vcpu, ulong time, ulong errorCode)
    {
        if (vcpu.Emulates == SvmExit.PageFault && configuration.L0ShadowsPageTables)
        {
            vcpu.Emulates = null;
            if (((PageFaultCode)errorCode & (PageFaultCode.Present | PageFaultCode.Reserved)) == PageFaultCode.Present)
            {
                records.Add(lane, TraceEvent.Invlpg(time, LevelOf(vcpu), vcpu.FaultAddress & ~(PageBytes - 1)));
            }
        }
    }

    /// <summary>kvm_mmu_prepare_zap_page by the thread of <paramref name="zapper"/>, if it is a vCPU's: perhaps a root goes that some vCPU of the machine uses.</summary>
    public static void Zapped(RecordedVcpu? zapper, IEnumerable<RecordedVcpu> machine, in KernelEvent e)
    {
        if (zapper?.Emulates is SvmExit.PageFault or SvmExit.NestedPageFault)
        {
            zapper.Emulates = null;
        }

        if (e[KernelOperand.PageLevel] >= RootLevel && e[KernelOperand.RootCount] > 0)
        {
            foreach (RecordedVcpu vcpu in machine)
            {
                vcpu.MayHaveLostRoot = true;
            }
        }
    }

    /// <summary>kvm_mmu_load: L0 loads a root for the entry to come.</summary>
    public void LoadsRoot(RecordedCpu lane, RecordedVcpu vcpu, ulong time)
    {
        if (vcpu.Emulates == SvmExit.WriteCr3)
        {
            vcpu.Root += PageBytes;
        }
        else if (vcpu.MayHaveLostRoot)
        {
            records.Add(lane, TraceEvent.FlushRequest(time, RequestedFlush.Roots, vcpu.Number));
        }

        vcpu.MayHaveLostRoot = false;
        Complete(lane, vcpu, time);
    }

    /// <summary>What was emulated since the exit is complete.</summary>
    public void Complete(RecordedCpu lane, RecordedVcpu vcpu, ulong time)
    {
        switch (vcpu.Emulates)
        {
            case SvmExit.WriteCr4 when !vcpu.InL2:
                AssumedCr4++;
                vcpu.Cr4 ^= Cr4Bits.Pge;
                records.Add(lane, TraceEvent.SetCr4(time, 1, vcpu.Cr4));
                break;
            case SvmExit.WriteCr3 when configuration.L0ShadowsPageTables:
                UnknownCr3++;
                records.Add(lane, TraceEvent.SetCr3(time, LevelOf(vcpu), vcpu.Root));
                break;
            case SvmExit.Invlpg:
                records.Add(lane, TraceEvent.Invlpg(time, LevelOf(vcpu), 0));
                break;
            case SvmExit.PageFault or SvmExit.NestedPageFault when vcpu.IsEmulated && (vcpu.FaultCode & (PageFaultCode.Present | PageFaultCode.Write | PageFaultCode.Reserved)) == (PageFaultCode.Present | PageFaultCode.Write):
                records.Add(lane, TraceEvent.FlushRequest(time, RequestedFlush.ShadowedWrite, vcpu.Number));
                break;
            default:
                break;
        }

        vcpu.Emulates = null;
    }

    /// <summary>A real entry.</summary>
    public void Enter(RecordedCpu lane, RecordedVcpu vcpu, ulong time)
    {
        Complete(lane, vcpu, time);
        vcpu.MayHaveLostRoot = false;
    }

    private static byte LevelOf(RecordedVcpu vcpu) => (byte)(vcpu.InL2 ? 2 : 1);
}
