namespace Sim.Captures.HwLog;

/// <summary>
/// Learns how much L0's TSC is ahead of that of each guest, named by its VMCS: TSC deadlines are written in the guest's time. The timer runs out at a fixed distance from its
/// deadline, save where L0 was busy then (later) or used the preemption timer for something else (earlier).
/// </summary>
public sealed class TscOffsets
{
    private const int BucketShift = 8;
    private const int Share = 10;

    private readonly SortedDictionary<ulong, Guest> _guests = [];

    /// <summary>The guest writes its deadline; 0 disarms.</summary>
    public void Armed(ulong vmcs, ulong deadline) => GuestOf(vmcs).Deadline = deadline == 0 ? null : deadline;

    /// <summary>Its timer ran out, it seems.</summary>
    public void RanOut(ulong vmcs, ulong now)
    {
        Guest guest = GuestOf(vmcs);
        if (guest.Deadline is { } deadline)
        {
            ulong bucket = unchecked(now - deadline) >> BucketShift;
            guest.Distances[bucket] = guest.Distances.GetValueOrDefault(bucket) + 1;
        }
    }

    /// <summary>The offset: the least distance that is not rare, less the timer's own granularity; 0 if no timer ever ran out.</summary>
    public ulong Of(ulong vmcs)
    {
        if (!_guests.TryGetValue(vmcs, out Guest? guest) || guest.Distances.Count == 0)
        {
            return 0;
        }

        int most = guest.Distances.Values.Max();
        return (guest.Distances.First(distance => distance.Value * Share >= most).Key - 1) << BucketShift;
    }

    private Guest GuestOf(ulong vmcs)
    {
        if (!_guests.TryGetValue(vmcs, out Guest? guest))
        {
            guest = new Guest();
            _guests.Add(vmcs, guest);
        }

        return guest;
    }

    private sealed class Guest
    {
        public ulong? Deadline { get; set; }

        public SortedDictionary<ulong, int> Distances { get; } = [];
    }
}
