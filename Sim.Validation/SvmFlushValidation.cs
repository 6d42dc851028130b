using System.Globalization;
using Sim.Captures.Ftrace;
using Sim.Core;
using Sim.Experiments;
using Sim.Kvm;
using Sim.Reports.Views;

namespace Sim.Validation;

/// <summary>
/// Compares the calls of <c>svm_flush_tlb_*</c> in a recording of KVM's events on SVM, function tracer included, with those that a policy decides on the same guest behaviour.
/// </summary>
/// <remarks>
/// A place is one vCPU between two real exits. Within it the calls must agree in kind and order. <c>svm_flush_tlb_asid</c> behind <c>svm_flush_tlb_all</c>, <c>svm_flush_tlb_current</c> or
/// <c>svm_flush_tlb_guest</c> of the same thread is their call and no other; one that stands alone is flush_tlb_guest, or svm_flush_tlb_current inlined into svm_set_cr4 (svm/svm.c, 6.12), or the end
/// of <c>svm_flush_tlb_gva</c> (7.2). Up to 5.13 or so there is <c>svm_flush_tlb</c> for all but one address, whose calls are told apart by their places only.
/// </remarks>
public static class SvmFlushValidation
{
    /// <summary>Policy of SVM recordings if none is named and their flush functions are those of kernels before 7.1.</summary>
    public const string DefaultPolicy = "nsvm-5.8";

    internal const string RootLoad = "root_load";
    internal const string NewShadowRoot = "new_shadow_root";

    // By itself, the one function of older kernels (5.10).
    private const string Only = "svm_flush_tlb";
    private const string Prefix = Only + "_";
    private const string Asid = Prefix + "asid";
    private const string Current = Prefix + "current";
    private const string All = Prefix + "all";
    private const string Guest = Prefix + "guest";
    private const string Address = Prefix + "gva";

    // Calls do not depend on the part: with or without FlushByAsid the kernel calls the same functions.
    private const string Profile = "zen-3";

    /// <summary>Compares a recording under a policy.</summary>
    /// <exception cref="ConfigurationException">There is no such file or policy, or it is not for AMD.</exception>
    /// <exception cref="TraceFormatException">The recording is not one of SVM with the function tracer, or damaged.</exception>
    public static FlushValidation Of(string recording, string? policy = null)
    {
        KernelSurvey survey;
        using (TracepointReader reader = new(CaptureText.Open(recording), recording))
        {
            survey = KernelSurvey.Of(reader);
        }

        bool isNamed = policy is not null;
        policy ??= PolicyOf(survey.Configuration);
        MachineSpec spec = RunConfiguration.Load(null, [new Assignment("profile", Profile, "--profile")]).Machine with
        {
            Attribution = false,
            RemoteFlushesRecorded = true,
            L0Ept = !survey.Configuration.L0ShadowsPageTables,
        };
        SvmFlushReplay replay = new(spec, Components.Policy(policy, spec.Profile.Vendor), TracepointLift.HeaderOf(survey, recording).Lanes);
        using TracepointReader events = new(CaptureText.Open(recording), recording);
        TracepointLiftResult lifted = TracepointLift.Run(events, survey, replay.Take);
        if (!lifted.Flushes.Any(IsOfSvm))
        {
            throw new TraceFormatException(
                CaptureText.NameOf(recording), $"line {events.Line}", $"calls of {Only}* by vCPU threads", "none to the end",
                "Record on AMD with the function tracer on (trace-cmd record -p function -l 'svm_flush_tlb*' ...). What VMX executed only a hardware capture says.");
        }

        return Compare(Path.GetFileName(recording), policy, replay, lifted, SvmConfigurationRemarks.Of(policy, isNamed, survey.Configuration, lifted));
    }

    /// <summary>The policy of the kernels that have the flush functions that were called: one in all is 5.10's, svm_flush_tlb_guest came with 7.1.</summary>
    private static string PolicyOf(RecordedConfiguration configuration) =>
        configuration.FlushFunctions.Contains(Only) ? "nsvm-5.10" : configuration.FlushFunctions.Contains(Guest) ? "nsvm-7.2" : DefaultPolicy;

    private static bool IsOfSvm(KernelFlush flush) => flush.Function == Only || flush.Function.StartsWith(Prefix, StringComparison.Ordinal);

    private static FlushValidation Compare(string recording, string policy, SvmFlushReplay replay, TracepointLiftResult lifted, IEnumerable<string> configuration)
    {
        List<KernelFlush> flushes = WithoutCallees(lifted.Flushes);
        bool hasOneFunction = !lifted.Flushes.Any(flush => flush.Function == Asid);
        List<ComparedFlush> compared = [];
        int unknownRoots = 0;
        foreach ((int vcpu, int exit, SvmFlushPlace place) in replay.Places(flushes))
        {
            unknownRoots += ComparePlace(vcpu, exit, place, hasOneFunction, compared);
        }

        return new FlushValidation(
            recording, policy, [.. compared.OrderBy(flush => flush.Time).ThenBy(flush => flush.Lane)],
            [.. Remarks(lifted, compared, hasOneFunction, unknownRoots), .. configuration]);
    }

    /// <summary>
    /// The calls of the kernel, without svm_flush_tlb_asid where another flush function called it: the next one of its thread, whatever an interrupt handler did in between.
    /// </summary>
    private static List<KernelFlush> WithoutCallees(IReadOnlyList<KernelFlush> flushes)
    {
        List<KernelFlush> calls = [];
        SortedSet<int> callers = [];
        foreach (KernelFlush flush in flushes.Where(IsOfSvm))
        {
            if (flush.Function == Asid && callers.Remove(flush.Vcpu))
            {
                continue;
            }

            calls.Add(flush);
            if (flush.Function is All or Current or Guest)
            {
                callers.Add(flush.Vcpu);
            }
        }

        return calls;
    }

    /// <summary>Aligns both sides of one place by their longest common sequence. Returns how many root loads were left out because their roots may be older than the recording.</summary>
    private static int ComparePlace(int vcpu, int exit, SvmFlushPlace place, bool hasOneFunction, List<ComparedFlush> compared)
    {
        (List<PlacedCall> machine, List<KernelFlush> kernel) = (place.Machine, place.Kernel);
        int[,] common = new int[machine.Count + 1, kernel.Count + 1];
        for (int m = machine.Count - 1; m >= 0; m--)
        {
            for (int k = kernel.Count - 1; k >= 0; k--)
            {
                common[m, k] = Agree(machine[m].Call, kernel[k], hasOneFunction) ? common[m + 1, k + 1] + 1 : Math.Max(common[m + 1, k], common[m, k + 1]);
            }
        }

        int left = 0;
        for (int m = 0, k = 0; m < machine.Count || k < kernel.Count;)
        {
            if (m < machine.Count && k < kernel.Count && Agree(machine[m].Call, kernel[k], hasOneFunction))
            {
                FlushCall call = machine[m++].Call;
                compared.Add(Flush(FlushMatch.Matched, kernel[k++].Function, call, call.Time, call.Lane, ""));
            }
            else if (k == kernel.Count || (m < machine.Count && common[m + 1, k] >= common[m, k + 1]))
            {
                PlacedCall call = machine[m++];
                if (call.IsFirstUseOfRoot)
                {
                    left++;
                    continue;
                }

                FlushMatch match = place.IsPutIn ? FlushMatch.Unrecorded : FlushMatch.Invented;
                compared.Add(Flush(match, NameOf(call.Call), call.Call, call.Call.Time, call.Call.Lane, Explain(exit, place, Why(call.Call))));
            }
            else
            {
                KernelFlush flush = kernel[k++];
                compared.Add(Flush(FlushMatch.Missed, flush.Function, null, flush.Time, flush.Lane, Explain(exit, place, Why(flush))));
            }
        }

        return left;

        ComparedFlush Flush(FlushMatch match, string kind, FlushCall? call, ulong time, int lane, string explanation) => new(
            match, kind, "", place.Description, call is null ? "" : $"{call.Transition} {call.Rule}", IsFromHost(call, place), lane, vcpu, time, explanation);
    }

    private static bool IsFromHost(FlushCall? call, SvmFlushPlace place) =>
        call is { Transition: "host" or "recorded" } || (place.IsMovToCr3 && call is { Rule: RootLoad });

    private static bool Agree(FlushCall call, KernelFlush flush, bool hasOneFunction) => (call.Function, flush.Function) switch
    {
        (FlushFunction.Address, Address) or (FlushFunction.Asid, Asid) => true,
        (FlushFunction.Address or FlushFunction.Asid, _) or (_, Address) => false,
        _ when hasOneFunction => true,
        (FlushFunction.All, All) or (FlushFunction.Current, Current) or (FlushFunction.Guest, Guest or Asid) => true,
        (FlushFunction.Current, Asid) => call.Rule == "cr4_pge",
        _ => false,
    };

    private static string NameOf(FlushCall call) => call.Function switch
    {
        FlushFunction.All => All,
        FlushFunction.Guest or FlushFunction.Asid => Asid,
        FlushFunction.Address => Address,
        _ => Current,
    };

    private static string Explain(int exit, SvmFlushPlace place, string why) => string.Create(
        CultureInfo.InvariantCulture,
        $"After real exit {exit} of this vCPU the kernel called [{string.Join(", ", place.Kernel.Select(flush => flush.Function))}], the machine "
        + $"[{string.Join(", ", place.Machine.Select(call => $"{NameOf(call.Call)} ({call.Call.Transition} {call.Call.Rule})"))}]. {why}");

    private static string Why(KernelFlush flush) => (flush.Function, flush.After) switch
    {
        (Current, "kvm_mmu_load" or "kvm_mmu_sync_roots") => "A root load flushes if the root is not cached: L0 may have freed it (kvm_mmu_free_roots).",
        (Current, _) => "No nested transition and no root load of the model is here.",
        (All, _) => "KVM_REQ_TLB_FLUSH was raised; no kvm_flush_remote_tlbs before it is in the recording, or another one came between service and entry.",
        (Asid, "kvm_vcpu_flush_tlb_guest") => "KVM_REQ_TLB_FLUSH_GUEST was raised by something that no event of the recording tells.",
        (Asid, _) => "svm_set_cr4 saw CR4.PGE change, or flush_tlb_guest was called, for a reason that no event of the recording tells.",
        (Only, "kvm_mmu_load" or "kvm_mmu_sync_roots") => "A root load flushes if the root is not cached, and a switch to a cached one does: which root it is may not be in the recording.",
        _ => "Nothing in the recording that the model knows asks for it.",
    };

    private static string Why(FlushCall call) => call.Rule switch
    {
        "cr4_pge" when call.Transition == "emulation" => "An emulated MOV to CR4 of which no event told the value is taken to change CR4.PGE.",
        "cr4_pge" => "The model believes that CR4.PGE of L1 and of this vmcb12 differ; it may have been changed unseen.",
        "mov_to_cr4" => "An emulated MOV to CR4 of which no event told the value is taken to change CR4.PGE.",
        RootLoad => "The model had to load this root again; L0 had kept it.",
        "recorded_request" => "A request was raised on this vCPU by an event of the recording; the kernel had serviced it elsewhere, or it was for another VM.",
        _ => "The policy wants it at this transition.",
    };

    private static IEnumerable<string> Remarks(TracepointLiftResult lifted, List<ComparedFlush> compared, bool hasOneFunction, int unknownRoots)
    {
        if (lifted.DataLoss)
        {
            yield return "DATA LOSS: the recording says that events were lost; differences may come from that.";
        }

        if (lifted.Synthesized > 0)
        {
            yield return $"{Numbers.Whole(lifted.Synthesized)} transitions are not in the recording and were put in.";
        }

        if (hasOneFunction)
        {
            yield return $"The recording has no {Asid} (older kernels, 5.10 for one, flush by {Only} alone; or it was not traced): functions are not told apart.";
        }

        if (unknownRoots > 0)
        {
            yield return $"{Numbers.Whole(unknownRoots)} roots were loaded before the recording began, so that their first use here flushes in the model only; not counted.";
        }

        long entered = compared.LongCount(flush => flush is { Match: FlushMatch.Matched, FromHost: true });
        if (entered > 0)
        {
            yield return $"{Numbers.Whole(entered)} matched flushes come from requests that entered as events of the recording (kvm_flush_remote_tlbs, KVM_SET_SREGS, a paravirtual flush, a vmcb12 whose CR4.PGE is first seen, a root that had to be loaded): place and kind are the model's, the cause is not.";
        }
    }
}
