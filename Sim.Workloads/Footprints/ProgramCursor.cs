using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Footprints;

/// <summary>One access of the program, at a time of the woven trace.</summary>
internal readonly record struct ProgramAccess(ulong Time, ulong Address, byte Flags, uint Repeat);

/// <summary>A bare program that runs whenever its L2 vCPU does, from its start again at its end. Its events are not taken.</summary>
internal sealed class ProgramCursor(Func<ITraceSource> open, ulong limit) : IDisposable
{
    private readonly TraceBlock _block = new();
    private ITraceSource? _source;
    private int _next;

    // The program's own clock runs on over its ends: a record is due at _base plus its time (modulo 2^64).
    private ulong _base;
    private ulong _now;
    private ulong _lastDue;
    private ulong _enteredAt;
    private ulong _taken;
    private ProgramAccess? _lastFetch;
    private bool _fetchesAgain;

    /// <summary>How often the program was begun.</summary>
    public long Runs { get; private set; }

    /// <summary>L2 is entered.</summary>
    public void Enter(ulong time)
    {
        _enteredAt = time;
        _taken = 0;

        // The instruction at which a folded run was cut is fetched again.
        _fetchesAgain = _lastFetch is not null && _source!.Header.Folded;
    }

    /// <summary>L2 is left. A program that was held at its limit goes on from there.</summary>
    public void Leave(ulong time) => _now = _taken < limit ? _now + (time - _enteredAt) : _lastDue + 1;

    /// <summary>The program's next access, if it comes before <paramref name="time"/>.</summary>
    /// <exception cref="ConfigurationException">It has no accesses.</exception>
    public bool TryTake(ulong time, out ProgramAccess access)
    {
        access = default;
        if (time <= _enteredAt || _taken >= limit)
        {
            return false;
        }

        if (_fetchesAgain)
        {
            _fetchesAgain = false;
            access = _lastFetch!.Value with { Time = _enteredAt, Repeat = 1 };
            return true;
        }

        Fill();
        ulong due = _base + _block.Time[_next];
        if (due >= _now + (time - _enteredAt))
        {
            return false;
        }

        access = new ProgramAccess(_enteredAt + Math.Max(due, _now) - _now, _block.Address[_next], _block.Flags[_next], _block.Repeat[_next]);
        if (AccessFlags.Type(access.Flags) == AccessType.Execute)
        {
            _lastFetch = access;
        }

        _lastDue = due;
        _taken += access.Repeat;
        _next++;
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _source?.Dispose();

    private void Fill()
    {
        bool isFresh = false;
        while (_source is null || _next == _block.AccessCount)
        {
            if (_source is not null && _source.Read(_block))
            {
                _next = 0;
                if (isFresh && _block.AccessCount > 0)
                {
                    _base -= _block.Time[0];
                    isFresh = false;
                }

                continue;
            }

            if (isFresh)
            {
                throw new ConfigurationException("The program that runs as L2 has no accesses.");
            }

            Begin();
            isFresh = true;
        }
    }

    private void Begin()
    {
        _source?.Dispose();
        _source = open();
        if (_source.Header.Lanes != 1)
        {
            throw new ConfigurationException($"The program that runs as L2 has {_source.Header.Lanes} lanes; it must be one. Cut one lane out first.");
        }

        _block.Clear();
        _next = 0;
        _base = Runs == 0 ? 0 : _lastDue + 1;
        Runs++;
    }
}
