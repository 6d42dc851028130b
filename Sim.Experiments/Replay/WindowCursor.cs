using Sim.Core.Traces;

namespace Sim.Experiments;

/// <summary>What is done with a stretch of records.</summary>
internal enum WindowPhase
{
    Skip,
    WarmUp,
    Measure,
    Done,
}

/// <summary>Consecutive records of one block that belong to one window.</summary>
internal readonly record struct Segment(WindowPhase Phase, int First, int Count);

/// <summary>Walks the windows along a trace: cuts each block into segments at exact record boundaries.</summary>
internal sealed class WindowCursor
{
    private readonly WindowLength[] _lengths;
    private readonly ulong[] _seen = new ulong[3];
    private int _phase;

    /// <summary>A cursor at the first record. Shares must have been resolved.</summary>
    public WindowCursor(Windows windows)
    {
        _lengths = [windows.Skip, windows.WarmUp, windows.Measure];
        LeaveFullPhases();
    }

    /// <summary>True if no record of what follows is needed.</summary>
    public bool IsDone => _phase == (int)WindowPhase.Done;

    /// <summary>Replaces the list's content by the segments of the trace's next block. Records behind the measured window are in none.</summary>
    public void Cut(TraceBlock block, List<Segment> segments)
    {
        segments.Clear();
        int position = 0;
        while (position < block.RecordCount && !IsDone)
        {
            int length = Take(block, position, out bool ends);
            if (length > 0)
            {
                segments.Add(new Segment((WindowPhase)_phase, position, length));
                _seen[_phase] += (ulong)length;
                position += length;
            }

            if (ends)
            {
                _phase++;
                LeaveFullPhases();
            }
        }
    }

    /// <summary>Why the trace was too short for its windows, or null if it was not. Call at the end of the trace.</summary>
    public string? Shortage()
    {
        ulong total = _seen.Aggregate(0UL, (sum, seen) => sum + seen);
        for (int phase = _phase; phase < (int)WindowPhase.Done; phase++)
        {
            string option = (WindowPhase)phase switch { WindowPhase.Skip => "--skip", WindowPhase.WarmUp => "--warm-up", _ => "--measure" };
            switch (_lengths[phase])
            {
                case WindowLength.OfRecords { Count: var wanted } when _seen[phase] < wanted:
                    return $"the trace ended after {total} records: {option} wants {wanted} records and got {_seen[phase]}. Ask for fewer, or use a longer trace";
                case WindowLength.UntilMark { Text: var mark }:
                    return $"the trace ended after {total} records: {option} goes until the mark '{mark}', which did not come in {_seen[phase]} records. 'nestsim trace info' lists a trace's marks";
                case WindowLength.Rest when _seen[phase] == 0:
                    return $"the trace ended after {total} records: --skip and --warm-up took all of them and nothing is left to measure";
                default:
                    break;
            }
        }

        return null;
    }

    /// <summary>How many records from a position on belong to the current window, and whether it ends behind them.</summary>
    private int Take(TraceBlock block, int position, out bool ends)
    {
        int rest = block.RecordCount - position;
        switch (_lengths[_phase])
        {
            case WindowLength.OfRecords { Count: var wanted }:
                ulong missing = wanted - _seen[_phase];
                ends = missing <= (ulong)rest;
                return ends ? (int)missing : rest;
            case WindowLength.UntilMark { Text: var mark }:
                for (int e = 0; e < block.EventCount; e++)
                {
                    int record = block.EventPosition[e] + e;
                    if (record >= position && block.Events[e].Kind == RecordKind.Mark && block.Events[e].Text == mark)
                    {
                        ends = true;
                        return record + 1 - position;
                    }
                }

                ends = false;
                return rest;
            default:
                ends = false;
                return rest;
        }
    }

    private void LeaveFullPhases()
    {
        while (!IsDone && _lengths[_phase] is WindowLength.OfRecords { Count: var wanted } && _seen[_phase] >= wanted)
        {
            _phase++;
        }
    }
}
