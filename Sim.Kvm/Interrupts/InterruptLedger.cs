using Sim.Apic;
using Sim.Core.Stats;

namespace Sim.Kvm.Interrupts;

/// <summary>A kind of wrong outcome, how often it happened, and the first one in one line.</summary>
/// <param name="Kind">interrupt_lost, interrupt_duplicated, interrupt_misdelivered, interrupt_misordered, failed_vm_entry.</param>
/// <param name="Count">How often.</param>
/// <param name="Story">The first one.</param>
public sealed record InterruptFinding(string Kind, long Count, IReadOnlyList<string> Story);

/// <summary>
/// The oracle and the statistics. Each interrupt that was sent must be accepted by the APIC it was sent to exactly once (equal vectors that wait together may be merged),
/// highest priority first, and its handler must run at that APIC's level.
/// </summary>
internal sealed class InterruptLedger
{
    private const int Vectors = 256;
    private const int StoryLines = 12;

    private static readonly int Causes = Enum.GetValues<ExitCause>().Length;

    private static readonly int Victims = Enum.GetValues<StolenFrom>().Length;

    private readonly Account[] _accounts;
    private readonly SortedDictionary<string, (long Count, IReadOnlyList<string> Story)> _findings = new(StringComparer.Ordinal);
    private readonly LatencyHistogram[] _latency = [new(), new()];
    private readonly long[] _posted = new long[2];
    private readonly long[] _handled = new long[2];
    private readonly long[] _accepted = new long[2];
    private readonly long[] _coalesced = new long[2];
    private readonly long[] _forgotten = new long[2];
    private readonly long[] _exits = new long[2 * Causes];
    private readonly long[] _stolen = new long[Victims * Causes];
    private readonly string[] _recent = new string[StoryLines];
    private int _recentCount;

    public InterruptLedger(int vcpus) => _accounts = new Account[vcpus * 2 * Vectors];

    public long SpuriousWakeUps { get; set; }

    public long WakeUps { get; set; }

    public long Notifications { get; set; }

    /// <summary>Notifications that were spared because one was outstanding: ON was set.</summary>
    public long CoalescedNotifications { get; set; }

    /// <summary>Notifications that hardware spared because the target does not run: SN was set.</summary>
    public long SuppressedNotifications { get; set; }

    public long Kicks { get; set; }

    public long Doorbells { get; set; }

    public long NestedEntries { get; set; }

    public long NestedExits { get; set; }

    public long ApicvUpdates { get; set; }

    public long Preemptions { get; set; }

    /// <summary>VM-entries that failed, in order: time, vCPU, and who is blamed for what.</summary>
    public List<(long Time, int Vcpu, string Check)> FailedEntries { get; } = [];

    /// <summary>Interrupts whose handler ran, at both levels.</summary>
    public long Handled => _handled[0] + _handled[1];

    /// <summary>Interrupts sent, to both levels.</summary>
    public long Sent => _posted[0] + _posted[1];

    /// <summary>Latency from source to handler of interrupts for level 1 or 2.</summary>
    public LatencyHistogram Latency(int level) => _latency[level - 1];

    /// <summary>VM-exits of a level for a reason.</summary>
    public long Exits(int level, ExitCause cause) => _exits[((level - 1) * Causes) + (int)cause];

    /// <summary>VM-exits of both levels for all reasons.</summary>
    public long TotalExits => _exits.Sum();

    public long Coalesced => _coalesced[0] + _coalesced[1];

    public void Posted(in Delivery delivery, long now)
    {
        ref Account account = ref AccountOf(delivery.Target, delivery.Level, delivery.Vector);
        _posted[delivery.Level - 1]++;
        if (account.OnTheWay++ + account.Requested == 0)
        {
            account.Born = now;
        }

        account.Latest = now;
        Remember(now, $"{delivery.Source} interrupt {delivery.Vector:x2} sent to vCPU {delivery.Target}'s L{delivery.Level}");
    }

    /// <summary>An interrupt that was sent became a bit of the target's PIR or IRR. Further ones do not count until the bit is taken: they are merged.</summary>
    public void Requested(in Delivery delivery)
    {
        ref Account account = ref AccountOf(delivery.Target, delivery.Level, delivery.Vector);
        if (account.OnTheWay > 0)
        {
            account.OnTheWay--;
            account.Requested++;
        }
    }

    /// <summary>An APIC accepts a vector: from IRR to ISR. <paramref name="page"/> is as it was before; <paramref name="posted"/>: the vector is in PIR too, and will come again.</summary>
    public void Accepted(int vcpu, int level, int vector, ApicPage page, bool posted, long now)
    {
        ref Account account = ref AccountOf(vcpu, level, vector);
        if ((page.Irr.Highest >> 4) > (vector >> 4))
        {
            Find("interrupt_misordered", now, $"vCPU {vcpu}'s L{level} accepted {vector:x2} while {page.Irr.Highest:x2} was requested");
        }

        _accepted[level - 1]++;
        long rest = posted ? 1 : 0;
        long merged = account.Requested - rest;
        if (merged <= 0)
        {
            Find("interrupt_duplicated", now, $"vCPU {vcpu}'s L{level} accepted {vector:x2}, which nobody had sent again");
            account.Accepted = -1;
            return;
        }

        account.Unhandled = true;
        account.Accepted = account.Born;
        account.Born = account.Latest;
        account.Requested = rest;
        _coalesced[level - 1] += merged - 1;
    }

    /// <summary>The handler of a vector that the APIC of <paramref name="level"/> accepted begins, at <paramref name="ranAt"/>.</summary>
    public void Started(int vcpu, int level, int vector, int ranAt, bool passedThrough, long now)
    {
        ref Account account = ref AccountOf(vcpu, level, vector);
        _handled[level - 1]++;
        account.Unhandled = false;
        if (ranAt != level && !passedThrough)
        {
            Find("interrupt_misdelivered", now, $"vCPU {vcpu} ran the handler of {vector:x2} at L{ranAt}, and it was for L{level}");
        }

        if (account.Accepted >= 0)
        {
            _latency[level - 1].Record(now - account.Accepted);
        }

        Remember(now, $"vCPU {vcpu} runs the handler of {vector:x2} at L{ranAt}");
    }

    public void Exited(int level, ExitCause cause) => _exits[((level - 1) * Causes) + (int)cause]++;

    public void Stolen(StolenFrom victim, ExitCause cause, int cycles) => _stolen[((int)victim * Causes) + (int)cause] += cycles;

    public void FailedEntry(int vcpu, string check, long now)
    {
        FailedEntries.Add((now, vcpu, check));
        Find("failed_vm_entry", now, $"vCPU {vcpu}: {check}");
    }

    /// <summary>Remembers a line for the next story.</summary>
    public void Remember(long now, FormattableString line)
    {
        if (_findings.Count == 0)
        {
            _recent[_recentCount++ % StoryLines] = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{now}: {FormattableString.Invariant(line)}");
        }
    }

    /// <summary>An APIC that is disabled forgets what it was sent: nobody is owed it any more.</summary>
    public void Forgotten(int vcpu, int level)
    {
        for (int vector = 0; vector < Vectors; vector++)
        {
            ref Account account = ref AccountOf(vcpu, level, vector);
            _forgotten[level - 1] += account.OnTheWay + account.Requested;
            (account.OnTheWay, account.Requested) = (0, 0);
        }
    }

    /// <summary>Whether an APIC's interrupts (vCPU, level) may still wait when nothing happens any more, because its guest was not on a CPU when that ended.</summary>
    public Func<int, int, bool> MayWait { get; init; } = (_, _) => false;

    /// <summary>Forgets what went wrong so far: a measured window begins. What is on its way stays accounted for.</summary>
    public void ForgetFindings() => _findings.Clear();

    /// <summary>Whether a vector is in the PIR or IRR of an APIC, as far as the ledger knows.</summary>
    public bool IsRequested(int vcpu, int level, int vector) => AccountOf(vcpu, level, vector).Requested > 0;

    /// <summary>Interrupts whose vector was accepted and whose handler has not begun, at both levels.</summary>
    public long Accepting => _accepted.Sum() - Handled;

    /// <summary>What went wrong so far, together with everything that is still waiting if <paramref name="drained"/>: then nothing will deliver it any more.</summary>
    public IReadOnlyList<InterruptFinding> Findings(bool drained)
    {
        SortedDictionary<string, InterruptFinding> all = new(StringComparer.Ordinal);
        foreach ((string kind, (long count, IReadOnlyList<string> story)) in _findings)
        {
            all.Add(kind, new InterruptFinding(kind, count, story));
        }

        if (drained && Lost() is { Count: > 0 } lost)
        {
            all.Add("interrupt_lost", new InterruptFinding("interrupt_lost", lost.Count, [.. Recent(), lost[0]]));
        }

        return [.. all.Values];
    }

    /// <summary>Adds all statistics. Percentiles are made of the histograms when a window has ended (<see cref="LatencyHistogram.AddPercentiles"/>): those of two snapshots do not subtract.</summary>
    /// <param name="sheet">Where to.</param>
    /// <param name="drained">Nothing will happen any more: what still waits is lost.</param>
    public void Collect(StatSheet sheet, bool drained)
    {
        for (int level = 1; level <= 2; level++)
        {
            string label = $"level={level}";
            sheet.Counter(StatNames.IrqSent, "interrupts", "Interrupts sent to APICs of this level.", _posted[level - 1], label);
            sheet.Counter(StatNames.IrqHandled, "interrupts", "Interrupts whose handler ran.", _handled[level - 1], label);
            sheet.Counter(StatNames.IrqCoalesced, "interrupts", "Interrupts merged with an equal vector that still waited.", _coalesced[level - 1], label);
            if (_forgotten[level - 1] > 0)
            {
                sheet.Counter(StatNames.IrqForgotten, "interrupts", "Interrupts that waited in an APIC when it was disabled.", _forgotten[level - 1], label);
            }

            (long waiting, long excused) = Waiting(level);
            long lost = drained ? waiting - excused : 0;
            sheet.Gauge(StatNames.IrqPending, "interrupts", "Interrupts on their way at the end, or for a guest that was not on a CPU then.", waiting - lost + _accepted[level - 1] - _handled[level - 1], label);
            sheet.Gauge(StatNames.IrqLost, "interrupts", "Interrupts that nothing will deliver any more.", lost, label);
            sheet.Add(new Series(StatNames.IrqLatency, label, "cycles", "interrupts", SeriesKind.Histogram, "Latency from source to handler.", _latency[level - 1].Points()));
            foreach (ExitCause cause in Enum.GetValues<ExitCause>())
            {
                sheet.Counter(StatNames.IrqExits, "transitions", "VM-exits on interrupts' way.", Exits(level, cause), $"level={level},cause={cause}");
            }
        }

        foreach ((StolenFrom victim, ExitCause cause) in StolenFromExtensions.All)
        {
            sheet.Counter(
                StatNames.IrqStolen,
                "cycles",
                "Cycles in L0 behind exits, by whose guest time they take: an interrupt's target or sender, a bystander, or the guest for its own exits.",
                _stolen[((int)victim * Causes) + (int)cause],
                $"from={victim.ToString().ToLowerInvariant()},cause={cause}");
        }

        sheet.Counter(StatNames.IrqNotifications, "IPIs", "Notification IPIs for posted interrupts.", Notifications);
        sheet.Counter(StatNames.IrqCoalescedNotifications, "IPIs", "Notifications spared because one was outstanding (ON set).", CoalescedNotifications);
        sheet.Counter(StatNames.IrqSuppressedNotifications, "IPIs", "Notifications that hardware spared because the target did not run (SN set).", SuppressedNotifications);
        sheet.Counter(StatNames.IrqKicks, "IPIs", "Reschedule IPIs of kvm_vcpu_kick.", Kicks);
        sheet.Counter(StatNames.IrqDoorbells, "doorbells", "AVIC doorbells.", Doorbells);
        sheet.Counter(StatNames.IrqWakeUps, "wake-ups", "Sleeping vCPUs woken.", WakeUps);
        sheet.Counter(StatNames.IrqSpuriousWakeUps, "wake-ups", "Wake-ups of vCPUs that found nothing to run for.", SpuriousWakeUps);
        sheet.Counter(StatNames.IrqPreemptions, "switches", "Time slices that ended with another vCPU waiting.", Preemptions);
        sheet.Counter(StatNames.IrqNestedEntries, "transitions", $"Nested VM-entries behind interrupts; those of a trace are in {StatNames.VmNestedEntries}.", NestedEntries);
        sheet.Counter(StatNames.IrqNestedExits, "transitions", $"Nested VM-exits for interrupts; those of a trace are in {StatNames.VmNestedExits}.", NestedExits);
        sheet.Counter(StatNames.IrqApicvUpdates, "updates", "vCPUs' APICv (AVIC) controls rewritten.", ApicvUpdates);
        sheet.Counter(StatNames.IrqFailedVmEntries, "transitions", "VM-entries that failed their consistency checks.", FailedEntries.Count);
    }

    /// <summary>What is owed to whom, and how much was wrong so far.</summary>
    public void Add(StateKey key)
    {
        for (int i = 0; i < _accounts.Length; i++)
        {
            if ((_accounts[i].OnTheWay | _accounts[i].Requested) != 0 || _accounts[i].Unhandled)
            {
                key.Add(i);
                key.Add(_accounts[i].Unhandled);
                key.Add(_accounts[i].OnTheWay);
                key.Add(_accounts[i].Requested);
            }
        }

        foreach ((_, (long count, _)) in _findings)
        {
            key.Add(count);
        }
    }

    private (long All, long Excused) Waiting(int level)
    {
        long waiting = 0;
        long excused = 0;
        for (int i = 0; i < _accounts.Length; i++)
        {
            long here = (i / Vectors % 2) + 1 == level ? _accounts[i].OnTheWay + _accounts[i].Requested : 0;
            waiting += here;
            excused += here > 0 && MayWait(i / (2 * Vectors), level) ? here : 0;
        }

        return (waiting, excused);
    }

    private List<string> Lost()
    {
        List<string> lost = [];
        for (int i = 0; i < _accounts.Length; i++)
        {
            if (_accounts[i].OnTheWay + _accounts[i].Requested > 0 && !MayWait(i / (2 * Vectors), (i / Vectors % 2) + 1))
            {
                lost.Add($"vCPU {i / (2 * Vectors)}'s L{(i / Vectors % 2) + 1} never got {i % Vectors:x2}, sent at {_accounts[i].Born}");
            }

            if (_accounts[i].Unhandled)
            {
                lost.Add($"vCPU {i / (2 * Vectors)}'s L{(i / Vectors % 2) + 1} accepted {i % Vectors:x2}, and its handler never ran");
            }
        }

        return lost;
    }

    private IEnumerable<string> Recent() => Enumerable.Range(Math.Max(0, _recentCount - StoryLines), Math.Min(_recentCount, StoryLines)).Select(i => _recent[i % StoryLines]);

    private void Find(string kind, long now, FormattableString line)
    {
        Remember(now, line);
        (long count, IReadOnlyList<string> story) = _findings.GetValueOrDefault(kind, (0, []));
        _findings[kind] = (count + 1, count == 0 ? [.. Recent()] : story);
    }

    private ref Account AccountOf(int vcpu, int level, int vector) => ref _accounts[(((vcpu * 2) + level - 1) * Vectors) + vector];

    private struct Account
    {
        /// <summary>Sent, and not yet in PIR or IRR.</summary>
        public long OnTheWay;

        /// <summary>In PIR or IRR, and not yet accepted.</summary>
        public long Requested;

        /// <summary>When the first of those was sent.</summary>
        public long Born;

        /// <summary>When the last one was sent.</summary>
        public long Latest;

        /// <summary>When the accepted one was sent; -1 if it never was.</summary>
        public long Accepted;

        /// <summary>Accepted, and its handler has not begun.</summary>
        public bool Unhandled;
    }
}
