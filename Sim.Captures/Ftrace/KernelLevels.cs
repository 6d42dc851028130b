using Sim.Core.Architecture;

namespace Sim.Captures.Ftrace;

/// <summary>What a kernel event is to the level of the vCPU whose thread it comes from.</summary>
/// <param name="Change">The nested transition that it tells or shows; None for most events.</param>
/// <param name="Level">Level entered or left by kvm_entry or kvm_exit, level after a nested transition; 0 for an event that is none of these.</param>
/// <param name="IsWithoutEntry">A kvm_exit whose kvm_entry is not in the recording.</param>
internal readonly record struct KernelStep(LevelChange Change, int Level, bool IsWithoutEntry);

/// <summary>
/// Tells L1 from L2 in kernel events, vCPU thread by vCPU thread. A stay is what lies between a kvm_entry and its kvm_exit. Evidence, strongest first (KVM's nested.c of both vendors, 4.18 to 7.x):
/// <list type="number">
/// <item>kvm_nested_vmexit after the kvm_exit: the stay was in L2. It is traced for each exit of L2, before L0 decides who handles it, except for a preemption timer that runs out, which
/// may be handled before. So in a recording that has this event an exit without it is one of L1.</item>
/// <item>kvm_nested_vmenter, kvm_nested_vmrun (SVM up to 5.19): L2 from here on. kvm_nested_vmenter_failed: L1, with or without an entry before it. kvm_nested_vmexit_inject: L1.</item>
/// <item>In a recording without nested-entry events (VMX before 6.0), a kvm_entry after L1's VMLAUNCH or VMRESUME elsewhere than at the next instruction, or one without a RIP
/// (before 5.10).</item>
/// <item>Else the level is the one before; at the beginning that of the first evidence, L1 if there is none.</item>
/// </list>
/// The level of a stay is needed when it begins and told when it ends, so a first pass gathers it (<see cref="KernelSurvey"/>), and a second one knows it.
/// </summary>
internal sealed class KernelLevels(KernelSurvey? known = null)
{
    private const ulong LongestInstruction = 15;

    private readonly Dictionary<int, Thread> _threads = [];
    private bool _tracesNestedExits;

    /// <summary>What was counted so far.</summary>
    public TransitionCounts Counts { get; } = new();

    /// <summary>True if a nested-entry event came, or will come.</summary>
    public bool TracesNestedEntries { get; private set; } = known?.TracesNestedEntries ?? false;

    /// <summary>Level of a thread's vCPU by now: that which runs, or for which L0 works; 0 if it is no vCPU's thread.</summary>
    public int LevelOf(int pid) =>
        _threads.TryGetValue(pid, out Thread? thread) ? Math.Max(thread.State.Level, 1) : known?.StaysOf(pid) is { } stays ? Math.Max(stays.Began, 1) : 0;

    /// <summary>The level of every stay, by thread.</summary>
    public Dictionary<int, StayLevels> Stays => _threads.ToDictionary(thread => thread.Key, thread => thread.Value.Stays);

    /// <summary>Takes an event, in order of time.</summary>
    public KernelStep Observe(in KernelEvent e)
    {
        switch (e.Type)
        {
            case KernelEventType.KvmEntry:
                return Enter(Find(e.Pid), e);
            case KernelEventType.KvmExit:
                return Exit(Find(e.Pid), e);
            case KernelEventType.KvmNestedVmexit:
                _tracesNestedExits = true;
                Find(e.Pid).Tell(2);
                return default;
            case KernelEventType.KvmNestedVmenter or KernelEventType.KvmNestedVmrun:
                TracesNestedEntries = true;
                return new KernelStep(Find(e.Pid).EnterNested(), 2, false);
            case KernelEventType.KvmNestedVmenterFailed:
                return new KernelStep(Find(e.Pid).FailNested(), 1, false);
            case KernelEventType.KvmNestedVmexitInject:
                return new KernelStep(Find(e.Pid).ExitNested(), 1, false);
            default:
                return default;
        }
    }

    private KernelStep Enter(Thread thread, in KernelEvent e)
    {
        thread.Settle(_tracesNestedExits);
        int believed = Math.Max(thread.State.Level, 1);
        if (thread.AskedAt is { } asked && !TracesNestedEntries)
        {
            believed = !e.Has(KernelOperand.Rip) || e[KernelOperand.Rip] - asked > LongestInstruction ? 2 : 1;
        }

        int level = thread.BeginStay(believed);
        thread.IsInGuest = true;
        return new KernelStep(thread.State.Enter(level), level, false);
    }

    private KernelStep Exit(Thread thread, in KernelEvent e)
    {
        bool isWithoutEntry = !thread.IsInGuest;
        if (isWithoutEntry)
        {
            thread.Settle(_tracesNestedExits);
            thread.BeginStay(Math.Max(thread.State.Level, 1));
        }

        uint reason = (uint)e[KernelOperand.Reason];
        bool isSvm = (KvmIsa)e[KernelOperand.Isa] == KvmIsa.Svm;
        bool asks = isSvm ? (SvmExit)reason == SvmExit.Vmrun : (VmxExit)reason is VmxExit.Vmlaunch or VmxExit.Vmresume;
        int level = thread.Level;
        LevelChange change = thread.State.Exit(level, asks);
        thread.IsInGuest = false;
        thread.IsUnsettled = isSvm || (VmxExit)reason != VmxExit.PreemptionTimer;
        thread.AskedAt = asks && level == 1 && !isSvm ? e[KernelOperand.Rip] : null;
        return new KernelStep(change, level, isWithoutEntry);
    }

    private Thread Find(int pid)
    {
        if (!_threads.TryGetValue(pid, out Thread? thread))
        {
            thread = new Thread(Counts, known?.StaysOf(pid));
            _threads.Add(pid, thread);
        }

        return thread;
    }

    private sealed class Thread
    {
        private readonly bool _isKnown;
        private bool _hasMoved;
        private bool _isTold;
        private int _stay = -1;

        public Thread(TransitionCounts counts, StayLevels? known)
        {
            _isKnown = known is not null;
            Stays = known ?? new StayLevels();
            State = new VcpuLevel(counts);
            State.Begin(Stays.Began);
        }

        public VcpuLevel State { get; }

        public StayLevels Stays { get; }

        /// <summary>Level of the stay that began last.</summary>
        public int Level => Stays[_stay];

        public bool IsInGuest { get; set; }

        /// <summary>Whose its last exit was is told by a kvm_nested_vmexit that comes now, or does not.</summary>
        public bool IsUnsettled { get; set; }

        /// <summary>RIP of L1's VMLAUNCH or VMRESUME that has exited last; null if it was something else.</summary>
        public ulong? AskedAt { get; set; }

        /// <summary>Begins a stay, at the level that is believed unless it is known. Returns the level.</summary>
        public int BeginStay(int believed)
        {
            _hasMoved |= State.Asks;
            AskedAt = null;
            _isTold = false;
            _stay++;
            if (!_isKnown)
            {
                Stays.Add(believed);
            }

            return Level;
        }

        /// <summary>A new stay begins, or the recording ends: an exit of L2 would have been told by now.</summary>
        public void Settle(bool tracesNestedExits)
        {
            if (IsUnsettled && tracesNestedExits)
            {
                Tell(1);
            }

            IsUnsettled = false;
        }

        /// <summary>The last stay is told to be one of this level; the first time, all before it too.</summary>
        public void Tell(int level)
        {
            IsUnsettled = false;
            if (_isKnown || _isTold)
            {
                return;
            }

            _isTold = true;
            if (Stays.Began == 0 && !_hasMoved)
            {
                Stays.Begin(level);
            }
            else if (_stay >= 0)
            {
                Stays[_stay] = level;
            }

            AskedAt = level == 2 ? null : AskedAt;
            if (State.Level != level)
            {
                State.Begin(level);
            }
        }

        public LevelChange EnterNested()
        {
            Tell(1);
            AskedAt = null;
            _hasMoved = true;
            return State.EnterNested();
        }

        public LevelChange FailNested()
        {
            Tell(1);
            AskedAt = null;
            return State.FailNested();
        }

        public LevelChange ExitNested()
        {
            // One that comes behind L1's request is of an entry that nothing told, and that came to an end before L2 ran.
            if (!State.Asks)
            {
                Tell(2);
            }

            _hasMoved = true;
            AskedAt = null;
            return State.ExitNested();
        }
    }
}

/// <summary>The levels of one vCPU thread's stays in guests, in order: one bit each.</summary>
internal sealed class StayLevels
{
    private const int BitsPerWord = 64;

    private readonly List<ulong> _words = [];
    private int _count;

    /// <summary>Level of the vCPU when the recording began; 0 if nothing told it.</summary>
    public int Began { get; private set; }

    /// <summary>Level of a stay: 1 or 2.</summary>
    public int this[int stay]
    {
        get => (_words[stay / BitsPerWord] >> (stay % BitsPerWord) & 1) == 0 ? 1 : 2;
        set
        {
            ulong bit = 1UL << (stay % BitsPerWord);
            _words[stay / BitsPerWord] = value == 1 ? _words[stay / BitsPerWord] & ~bit : _words[stay / BitsPerWord] | bit;
        }
    }

    /// <summary>One more stay.</summary>
    public void Add(int level)
    {
        if (_count % BitsPerWord == 0)
        {
            _words.Add(0);
        }

        this[_count++] = level;
    }

    /// <summary>The vCPU was at this level from the beginning to now.</summary>
    public void Begin(int level)
    {
        Began = level;
        for (int stay = 0; stay < _count; stay++)
        {
            this[stay] = level;
        }
    }
}
