using System.Globalization;
using Sim.Captures.Ftrace;
using Sim.Captures.HwLog;
using Sim.Core.Traces;
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
        TraceHeader header;
        using (HwLogReader reader = Open(capture))
        {
            header = Lift.HeaderOf(reader, name);
        }

        MachineSpec machine = Machine();
        FlushReplay replay = new(machine, Components.Policy(policy, machine.Profile.Vendor), header.Lanes);
        IReadOnlyList<RemoteFlush> remoteFlushes = HostFlushes.Read(ftrace ?? []);
        LiftResult lift = Lift.Run(() => Open(capture), replay, header.Lanes, inOrder: true, remoteFlushes: remoteFlushes);
        replay.Leave(lift.SynthesizedEntries);
        List<ComparedFlush> flushes = Compare(lift, replay, out List<FlushPlace> places);
        Explain(capture, header.Lanes, remoteFlushes, flushes, places, lift.SynthesizedEntries, explained);
        int[] order = [.. Enumerable.Range(0, flushes.Count).OrderBy(index => (flushes[index].Time, flushes[index].Lane, index))];
        return new FlushValidation(name, policy, [.. order.Select(index => flushes[index])], Remarks(lift, replay));
    }

    private static HwLogReader Open(string capture) => new(CaptureText.Open(capture), capture);

    private static MachineSpec Machine() => RunConfiguration.Load(null, []).Machine with { Attribution = false };

    private static List<ComparedFlush> Compare(LiftResult lift, FlushReplay replay, out List<FlushPlace> places)
    {
        HashSet<FlushPlace> afterGap = replay.PlacesOf(lift.EntriesAfterGap);
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
            flushes.Add(new ComparedFlush(
                matched ? FlushMatch.Matched : DifferenceOf(flush, afterGap, FlushMatch.Missed), flush.Kind, flush.Target, replay.Describe(place), rule, rule == HostRequest, entry.Lane, entry.Vcpu, entry.Time, ""));
            places.Add(place);
        }

        foreach (PlacedInvalidation issued in replay.Invalidations)
        {
            FlushPlace place = replay.PlaceOf(issued.Issued.Lane, issued.Position);
            Flush flush = new(place, Kind(issued.Issued.Invalidation), issued.Target, AddressOf(issued.Issued.Invalidation));
            if (open[flush].Count > 0 && ReferenceEquals(open[flush].Peek(), issued))
            {
                open[flush].Dequeue();
                flushes.Add(new ComparedFlush(
                    DifferenceOf(flush, afterGap, FlushMatch.Invented), flush.Kind, flush.Target, replay.Describe(place), Rule(issued), Rule(issued) == HostRequest, place.Lane, issued.Vcpu, issued.Issued.Time, ""));
                places.Add(place);
            }
        }

        return flushes;
    }

    // Whether the VMCS comes from another CPU, so that its load flushes, was not recorded.
    private static FlushMatch DifferenceOf(in Flush flush, HashSet<FlushPlace> afterGap, FlushMatch difference) =>
        flush.Kind == "INVEPT global" && afterGap.Contains(flush.Place) ? FlushMatch.Unrecorded : difference;

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

    private static List<string> Remarks(LiftResult lift, FlushReplay replay)
    {
        List<string> remarks = [];
        if (lift.Findings.Worst == Severity.DataLoss)
        {
            remarks.Add("DATA LOSS: the capture says that events were lost; differences may come from that alone.");
        }

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
