using Sim.Core.Traces;
using Sim.Workloads;

namespace Sim.Validation;

/// <summary>Passes a nested trace on without the accesses of L0 and L1: what a recording of events alone would have shown, and L2's program.</summary>
internal sealed class WithoutHypervisors(ITraceSink sink, int lanes) : ITraceSink
{
    private readonly TraceAppender _appender = new(sink, lanes);
    private readonly bool[] _isInL2 = new bool[lanes];

    /// <inheritdoc/>
    public void Write(TraceBlock block)
    {
        int access = 0;
        for (int e = 0; e <= block.EventCount; e++)
        {
            int end = e < block.EventCount ? block.EventPosition[e] : block.AccessCount;
            for (; access < end; access++)
            {
                if (_isInL2[block.Lane])
                {
                    _appender.Access(block.Lane, block.Time[access], block.Address[access], block.Flags[access], block.Repeat[access]);
                }
            }

            if (e < block.EventCount)
            {
                TraceEvent next = block.Events[e];
                _isInL2[block.Lane] = next.Kind switch
                {
                    RecordKind.VmEnter when next.Transition is TransitionKind.L0ToL1 or TransitionKind.L0ToL2 => next.Transition == TransitionKind.L0ToL2,
                    RecordKind.VmExit when next.Transition is TransitionKind.L1ToL0 or TransitionKind.L2ToL0 => false,
                    _ => _isInL2[block.Lane],
                };
                _appender.Event(block.Lane, next);
            }
        }
    }

    /// <summary>Hands the last blocks to the sink. Call once, at the end.</summary>
    public void Complete() => _appender.Complete();
}
