using System.Globalization;
using Sim.Captures.Ftrace;
using Sim.Captures.HwLog;
using Sim.Reports.Views;
using Sim.Experiments;
using Sim.Kvm;
using Sim.Tlb;

namespace Sim.Validation;

/// <summary>
/// VMX: replays what the guests of a hardware capture did under a policy, and compares every INVEPT and INVVPID that the machine's L0 executes with those of the capture:
/// kind, role of the operand, and the two VM-entries between which it happened.
/// </summary>
public static class VmxFlushValidation
{
    private const int RecordsShown = 8;
    private const string HostRequest = "host/recorded_request";

    /// <summary>Compares one capture.</summary>
    /// <param name="capture">Path of a hardware capture; it is read several times.</param>
    /// <param name="policy">Name of the policy of the kernel that recorded it.</param>
    /// <param name="ftrace">Paths of the kernel's own trace of the same run as text, on the same clock: its remote flushes with a cause in L0 enter the replay.</param>
    /// <param name="explained">How many differences are explained with the records around them.</param>
    /// <exception cref="Core.ConfigurationException">No such file or policy.</exception>
    /// <exception cref="Core.TraceFormatException">The capture is damaged.</exception>
    public static FlushValidation Of(string capture, string policy, IReadOnlyList<string>? ftrace = null, int explained = 10)
    {
        string name = Path.GetFileName(capture);
        HwConfiguration recorded;
        using (HwLogReader reader = Open(capture))
        {
            recorded = HwConfiguration.Of(reader);
        }

        MachineSpec machine = Machine(recorded);
        FlushReplay replay = new(machine, Components.Policy(policy, machine.Profile.Vendor), recorded.Lanes);
        IReadOnlyList<RemoteFlush> remoteFlushes = HostFlushes.Read(ftrace ?? []);
        LiftResult lift = Lift.Run(() => Open(capture), replay, recorded.Lanes, inOrder: true, remoteFlushes: remoteFlushes, vcpuNamed: replay.Name);
        replay.Leave(lift.SynthesizedEntries);
        List<ComparedFlush> flushes = Compare(lift, replay, out List<FlushPlace> places);
        Explain(capture, recorded.Lanes, remoteFlushes, flushes, places, lift.SynthesizedEntries, explained);
        int[] order = [.. Enumerable.Range(0, flushes.Count).OrderBy(index => (flushes[index].Time, flushes[index].Lane, index))];
        return new FlushValidation(name, policy, [.. order.Select(index => flushes[index])], Remarks(recorded, lift, replay, flushes));
    }

    private static HwLogReader Open(string capture) => new(CaptureText.Open(capture), capture);

    private static MachineSpec Machine(HwConfiguration recorded) =>
        RunConfiguration.Load(null, []).Machine with { Attribution = false, L0Ept = recorded.L0Ept, L0Vpid = recorded.L0Vpid };

    private static List<ComparedFlush> Compare(LiftResult lift, FlushReplay replay, out List<FlushPlace> places)
    {
        Dictionary<ulong, FlushPlace> placeOf = replay.PlacesOf(lift.Unrecorded.Select(place => place.Entry));
        ILookup<FlushPlace, UnrecordedPlace> unrecorded = lift.Unrecorded.Where(place => placeOf.ContainsKey(place.Entry)).ToLookup(place => placeOf[place.Entry]);
        (FlushMatch Match, string Why) DifferenceOf(in Flush flush, FlushMatch difference)
        {
            foreach (UnrecordedPlace place in unrecorded[flush.Place])
            {
                if (DependsOn(flush, place, difference))
                {
                    return (FlushMatch.Unrecorded, Why(place.State) + (place.Address == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"\n    address of that record: 0x{place.Address:x}")));
                }
            }

            return replay.IsCutOff(flush.Place) ? (FlushMatch.Unrecorded, "The recording ends before the CPU's next VM-entry.") : (difference, "");
        }

        Dictionary<Flush, Queue<PlacedInvalidation>> open = [];
        foreach (PlacedInvalidation issued in replay.Invalidations)
        {
            FlushPlace place = replay.PlaceOf(issued.Issued.Lane, issued.Position);
            Flush flush = new(place, Kind(issued.Issued.Invalidation), issued.Target, AddressOf(issued.Issued.Invalidation));
            if (!open.TryGetValue(flush, out Queue<PlacedInvalidation>? same))
            {
                open.Add(flush, same = []);
            }

            same.Enqueue(issued);
        }

        List<ComparedFlush> flushes = [];
        places = [];
        foreach (AnswerKeyEntry entry in lift.AnswerKey)
        {
            FlushPlace place = replay.PlaceOf(entry.Lane, entry.Position);
            Flush flush = new(place, Kind(entry), entry.Target.ToString().ToLowerInvariant(), entry.Address);
            bool matched = open.TryGetValue(flush, out Queue<PlacedInvalidation>? same) && same.Count > 0;
            string rule = matched ? Rule(same!.Dequeue()) : "";
            (FlushMatch match, string why) = matched ? (FlushMatch.Matched, "") : DifferenceOf(flush, FlushMatch.Missed);
            flushes.Add(new ComparedFlush(match, flush.Kind, flush.Target, replay.Describe(place), rule, rule == HostRequest, entry.Lane, entry.Vcpu, entry.Time, why));
            places.Add(place);
        }

        foreach (PlacedInvalidation issued in replay.Invalidations)
        {
            FlushPlace place = replay.PlaceOf(issued.Issued.Lane, issued.Position);
            Flush flush = new(place, Kind(issued.Issued.Invalidation), issued.Target, AddressOf(issued.Issued.Invalidation));
            if (open[flush].Count > 0 && ReferenceEquals(open[flush].Peek(), issued))
            {
                open[flush].Dequeue();
                (FlushMatch match, string why) = DifferenceOf(flush, FlushMatch.Invented);
                flushes.Add(new ComparedFlush(match, flush.Kind, flush.Target, replay.Describe(place), Rule(issued), Rule(issued) == HostRequest, place.Lane, issued.Vcpu, issued.Issued.Time, why));
                places.Add(place);
            }
        }

        Pair(flushes, places, unrecorded);
        return flushes;
    }

    /// <summary>A vCPU that is put out between exit and entry: the kernel executed before that what the machine executes when the vCPU comes back, or the other way round.</summary>
    private static void Pair(List<ComparedFlush> flushes, List<FlushPlace> places, ILookup<FlushPlace, UnrecordedPlace> unrecorded)
    {
        var open = Enumerable.Range(0, flushes.Count).Where(index => flushes[index].Match is FlushMatch.Missed or FlushMatch.Invented)
            .SelectMany(index => unrecorded[places[index]].Where(place => place.Pair != 0).Select(place => (Index: index, place.Pair)));
        foreach (var pair in open.GroupBy(flush => (flush.Pair, flushes[flush.Index].Kind)))
        {
            Queue<int> missed = new(pair.Where(flush => flushes[flush.Index].Match == FlushMatch.Missed).Select(flush => flush.Index));
            foreach ((int invented, _) in pair.Where(flush => flushes[flush.Index].Match == FlushMatch.Invented).ToArray())
            {
                if (missed.TryDequeue(out int other) && places[other] != places[invented])
                {
                    flushes[other] = flushes[other] with { Match = FlushMatch.Unrecorded, Explanation = Why(UnrecordedState.PutOut) };
                    flushes[invented] = flushes[invented] with { Match = FlushMatch.Unrecorded, Explanation = Why(UnrecordedState.PutOut) };
                }
            }
        }
    }

    private static bool DependsOn(in Flush flush, in UnrecordedPlace place, FlushMatch difference) => place.State switch
    {
        UnrecordedState.FirstInvvpid => flush.Target == "vpid02",
        UnrecordedState.GuestTables when flush.Kind == "INVVPID address" => flush.Address == place.Address || place.Address == 0,
        UnrecordedState.GuestTables or UnrecordedState.GuestRoot => flush is { Kind: "INVVPID all" } or { Kind: "INVVPID single", Target: "vpid01" },
        UnrecordedState.UnsyncRoot => flush.Kind is "INVVPID all" or "INVVPID single",
        UnrecordedState.GuestEntry => flush.Kind == "INVVPID all",
        UnrecordedState.HostPages => flush.Kind == "INVEPT global" && difference == FlushMatch.Missed,
        UnrecordedState.PutOut => false,
        _ when flush.Kind is "INVEPT global" or "INVVPID all" => true,
        UnrecordedState.FirstNestedEntry => (flush.Kind, flush.Target) is ("INVVPID single", "vpid02") or ("INVEPT single", "eptp02"),
        _ => false,
    };

    private static string Why(UnrecordedState state) => state switch
    {
        UnrecordedState.LastCpu => "The VMCS may have been loaded on another CPU while nothing was recorded (vmx_vcpu_load_vmcs).",
        UnrecordedState.FirstNestedEntry =>
            "The first nested VM-entry of a vCPU that was in VMX operation before the recording: whether vmcs02 had been loaded (vmx_vcpu_load_vmcs), with which vpid12 (last_vpid), and whether its root was there (kvm_mmu_load).",
        UnrecordedState.FirstInvvpid => "INVVPID of L1 before the vCPU's first recorded nested VM-entry: whether vmcs02 was loaded last on this CPU (handle_invvpid, V11).",
        UnrecordedState.FirstNestedEntryElsewhere => "What another vCPU's first nested VM-entry raised on this one (kvm_flush_remote_tlbs).",
        UnrecordedState.EarlierTable => "L1 wrote to a page that L0 had made read-only before the recording: for which table of EPT12 is not known (kvm_mmu_track_write).",
        UnrecordedState.HostPages =>
            "L1 wrote to a table of EPT12: whether it was the last one in its 2 MiB, which L0 then maps at once again (kvm_tdp_mmu_map, handle_removed_pt): the host's page sizes are not in the log.",
        UnrecordedState.PutOut =>
            "The vCPU was put out between exit and entry: the kernel had loaded its root and served its requests before that, the machine does so when it comes back, or the other way round (kvm_vcpu_exit_request).",
        UnrecordedState.GuestTables =>
            "Without EPT in L0: what the page tables hold at a page fault, and its error code, decide whether its address is flushed (kvm_inject_emulated_page_fault) or a table shadowed (account_shadowed), and are not in the log.",
        UnrecordedState.GuestRoot =>
            "Without EPT in L0: bit 63 of CR3 at L1's MOV to CR3, and whether a root is unsync, decide (kvm_invalidate_pcid, kvm_mmu_sync_roots), and are not in the log.",
        UnrecordedState.UnsyncRoot =>
            "Without EPT in L0: of which root L1 wrote a page table by a page fault (mmu_try_to_unsync_pages); a guest flush or L1's INVVPID synchronises it, or frees it so that its next load does (kvm_mmu_sync_prev_roots, handle_invvpid).",
        _ => "Without EPT in L0: whether INVLPG changed the shadow entry (kvm_mmu_invalidate_addr, kvm_flush_remote_tlbs) depends on L1's page tables, which are not in the log.",
    };

    /// <summary>A second lift gathers the records around the first differences.</summary>
    private static void Explain(string capture, int lanes, IReadOnlyList<RemoteFlush> remoteFlushes, List<ComparedFlush> flushes, List<FlushPlace> places, IReadOnlyList<ulong> synthesized, int explained)
    {
        int[] differences = [.. Enumerable.Range(0, flushes.Count).Where(index => flushes[index].Match is FlushMatch.Missed or FlushMatch.Invented)
            .OrderBy(index => (flushes[index].Time, flushes[index].Lane)).Take(explained)];
        if (differences.Length == 0)
        {
            return;
        }

        PlaceRecords records = new(lanes, differences.Select(index => places[index]), synthesized, RecordsShown);
        Lift.Run(() => Open(capture), records, lanes, inOrder: true, remoteFlushes: remoteFlushes);
        foreach (int index in differences)
        {
            ComparedFlush flush = flushes[index];
            string what = flush.Match == FlushMatch.Missed
                ? "The recording kernel executed it; no rule of the policy asks for it on these records."
                : $"Rule {flush.Rule} asks for it on these records; the recording kernel did not execute it.";
            flushes[index] = flush with { Explanation = what + "\n" + string.Join('\n', records.Of(places[index]).Select(record => "    " + record)) };
        }
    }

    private static List<string> Remarks(HwConfiguration recorded, LiftResult lift, FlushReplay replay, List<ComparedFlush> flushes)
    {
        List<string> remarks = [];
        if (lift.Findings.Worst == Severity.DataLoss)
        {
            remarks.Add("DATA LOSS: the capture says that events were lost; differences may come from that alone.");
        }

        remarks.Add($"Read off the recording: L0 {(recorded.L0Ept ? "with" : "without")} EPT, {(recorded.L0Vpid ? "with" : "without")} VPID (controls of its {Numbers.Whole(recorded.Entries)} VM-entries).");
        remarks.AddRange(lift.Setup.Select(sentence => "Read off the recording: " + sentence));
        remarks.AddRange(flushes.Where(flush => flush.Match == FlushMatch.Unrecorded).GroupBy(flush => flush.Explanation.Split('\n')[0]).OrderByDescending(group => group.Count()).ThenBy(group => group.Key, StringComparer.Ordinal)
            .Select(group => $"Not judged, {Numbers.Whole(group.Count())}: {group.Key}"));
        if (lift.Synthesized > 0)
        {
            remarks.Add(string.Create(CultureInfo.InvariantCulture, $"{lift.Synthesized} transitions were put in where the recording begins or a window opens inside a guest."));
        }

        if (replay.FailedVmEntries > 0)
        {
            remarks.Add(string.Create(CultureInfo.InvariantCulture, $"{replay.FailedVmEntries} nested VM-entries failed their checks in the replay; what L2 did after them was not replayed."));
        }

        return remarks;
    }

    private static string Rule(PlacedInvalidation issued) => $"{issued.Issued.Transition}/{issued.Issued.Rule}";

    private static string Kind(AnswerKeyEntry entry) => (entry.IsInvept, entry.Type) switch
    {
        (true, 1) => "INVEPT single",
        (true, _) => "INVEPT global",
        (false, 0) => "INVVPID address",
        (false, 1) => "INVVPID single",
        (false, 2) => "INVVPID all",
        _ => "INVVPID retain-globals",
    };

    private static string Kind(Invalidation invalidation) => invalidation switch
    {
        InveptSingle => "INVEPT single",
        InveptGlobal => "INVEPT global",
        InvvpidAddress => "INVVPID address",
        InvvpidSingle => "INVVPID single",
        InvvpidAll => "INVVPID all",
        _ => "INVVPID retain-globals",
    };

    private static ulong AddressOf(Invalidation invalidation) => invalidation is InvvpidAddress address ? address.Address : 0;

    private readonly record struct Flush(FlushPlace Place, string Kind, string Target, ulong Address);
}
