using Sim.Core.Traces;

namespace Sim.Workloads.Weave;

/// <summary>A bare access stream in memory, moved to a kernel's addresses and played as L1, piece by piece, round and round. Its events are not taken.</summary>
internal sealed class BareTrace
{
    // A user program's code and data become a kernel's text and direct map: the same pages apart, upper half, CPL 0.
    private const ulong UpperHalf = 1UL << 63;
    private const ulong CodeBase = 0xFFFFFFFF80000000;
    private const ulong CodeMask = 0x1FFFFFFF;
    private const ulong DataBase = 0xFFFF888000000000;
    private const ulong DataMask = (1UL << 46) - 1;
    private const byte CplMask = 3 << 2;

    private readonly List<ulong> _gap = [];
    private readonly List<ulong> _address = [];
    private readonly List<byte> _flags = [];
    private readonly List<uint> _repeat = [];
    private ulong _lastTime;
    private int _next;
    private uint _used;

    /// <summary>Records kept.</summary>
    public int Count => _address.Count;

    /// <summary>Keeps one access.</summary>
    public void Add(ulong time, ulong address, byte flags, uint repeat)
    {
        if (address < UpperHalf)
        {
            address = AccessFlags.Type(flags) == AccessType.Execute ? CodeBase | (address & CodeMask) : DataBase + (address & DataMask);
        }

        _gap.Add(Count == 0 ? 0 : time - _lastTime);
        _lastTime = time;
        _address.Add(address);
        _flags.Add((byte)(flags & ~CplMask));
        _repeat.Add(repeat);
    }

    /// <summary>Plays the next <paramref name="accesses"/> accesses as L1.</summary>
    public void Play(NestedLane lane, ulong accesses)
    {
        while (accesses > 0)
        {
            if (_used == 0)
            {
                lane.Advance(_gap[_next]);
            }

            uint take = (uint)Math.Min(accesses, _repeat[_next] - _used);
            lane.Access(1, _address[_next], _flags[_next], take);
            accesses -= take;
            _used += take;
            if (_used == _repeat[_next])
            {
                _used = 0;
                _next = _next + 1 == Count ? 0 : _next + 1;
            }
        }
    }
}
