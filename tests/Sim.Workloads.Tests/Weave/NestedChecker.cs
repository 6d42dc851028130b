using Sim.Core.Traces;

namespace Sim.Workloads.Tests.Weave;

/// <summary>Who runs when, per the rules of real and nested transitions; independent of the weaver and of <c>trace verify</c>.</summary>
internal sealed class NestedChecker
{
    private bool _l1Left;
    private bool _l2Left;
    private bool _nestedExitOpen;
    private bool _nestedEntryOpen;

    public int Running { get; private set; }

    public ulong[] Accesses { get; } = new ulong[3];

    public List<TraceEvent> Events { get; } = [];

    public List<(ulong Time, int Level, ulong Address, byte Flags, uint Repeat)> Records { get; } = [];

    /// <summary>Events and accesses in order, as text.</summary>
    public List<string> Lines { get; } = [];

    public static NestedChecker Check(MemoryTrace trace)
    {
        NestedChecker checker = new();
        TraceBlock block = new();
        ulong last = 0;
        trace.Rewind();
        while (trace.Read(block))
        {
            int e = 0;
            for (int i = 0; i <= block.AccessCount; i++)
            {
                for (; e < block.EventCount && block.EventPosition[e] == i; e++)
                {
                    Assert.That(block.Events[e].Time, Is.GreaterThanOrEqualTo(last));
                    last = block.Events[e].Time;
                    checker.Event(block.Events[e]);
                }

                if (i < block.AccessCount)
                {
                    Assert.That(block.Time[i], Is.GreaterThanOrEqualTo(last));
                    last = block.Time[i];
                    checker.Accesses[checker.Running] += block.Repeat[i];
                    checker.Records.Add((block.Time[i], checker.Running, block.Address[i], block.Flags[i], block.Repeat[i]));
                    checker.Lines.Add($"{block.Time[i]} L{checker.Running} {block.Address[i]:x} {block.Flags[i]:x} x{block.Repeat[i]}");
                }
            }
        }

        return checker;
    }

    private void Event(in TraceEvent e)
    {
        Events.Add(e);
        Lines.Add($"{e.Time} {e}");
        if (e.Kind is RecordKind.VmEnter or RecordKind.VmExit)
        {
            Transition(e);
            return;
        }

        bool emulated = e.Kind is RecordKind.Invvpid or RecordKind.Invept or RecordKind.Invlpga && e.Level == 1 && Running == 0 && _l1Left;
        Assert.That(e.Level == Running || emulated, $"{e} while L{Running} runs");
    }

    private void Transition(in TraceEvent e)
    {
        switch (e.Transition)
        {
            case TransitionKind.L0ToL1:
                Expect(e, Running == 0 && !_nestedEntryOpen && (!_l2Left || _nestedExitOpen));
                Enter(1);
                break;
            case TransitionKind.L0ToL2:
                Expect(e, Running == 0 && !_nestedExitOpen && (_l2Left || _nestedEntryOpen));
                Enter(2);
                break;
            case TransitionKind.L1ToL0:
                Expect(e, Running == 1);
                Running = 0;
                _l1Left = true;
                break;
            case TransitionKind.L2ToL0:
                Expect(e, Running == 2);
                Running = 0;
                _l2Left = true;
                break;
            case TransitionKind.L1ToL2:
                Expect(e, Running == 0 && _l1Left && !_nestedEntryOpen);
                _nestedEntryOpen = true;
                break;
            default:
                Expect(e, Running == 0 && _l2Left && !_nestedExitOpen);
                _nestedExitOpen = true;
                break;
        }
    }

    private void Enter(int level)
    {
        Running = level;
        _l1Left = _l2Left = _nestedEntryOpen = _nestedExitOpen = false;
    }

    private void Expect(in TraceEvent e, bool legal) => Assert.That(legal, $"{e} at {e.Time} while L{Running} runs");
}
