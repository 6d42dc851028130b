namespace Sim.Kvm.Interrupts;

/// <summary>Every vCPU lives at one level and always does one thing: spins, or halts.</summary>
public sealed class SteadyBehaviour : IGuestBehaviour
{
    private readonly int _level;
    private readonly GuestAction _action;

    /// <summary>vCPUs at a level, 1 or 2, that halt, or else spin.</summary>
    public SteadyBehaviour(int level, bool halts)
    {
        _level = level;
        _action = new GuestAction(halts ? GuestActionKind.Halt : GuestActionKind.Spin);
    }

    /// <inheritdoc/>
    public int HomeLevel(int vcpu) => _level;

    /// <inheritdoc/>
    public GuestAction Next(int vcpu) => _action;

    /// <inheritdoc/>
    public int Handled(int vcpu, int level, byte vector) => -1;
}

/// <summary>Each vCPU has a list of actions; behind its end it spins.</summary>
public sealed class ScriptedBehaviour : IGuestBehaviour
{
    private readonly int[] _levels;
    private readonly Queue<GuestAction>[] _actions;

    /// <summary>Home level and actions of each vCPU.</summary>
    public ScriptedBehaviour(params IReadOnlyList<(int Level, IReadOnlyList<GuestAction> Actions)> vcpus)
    {
        _levels = [.. vcpus.Select(vcpu => vcpu.Level)];
        _actions = [.. vcpus.Select(vcpu => new Queue<GuestAction>(vcpu.Actions))];
    }

    /// <inheritdoc/>
    public int HomeLevel(int vcpu) => _levels[vcpu];

    /// <inheritdoc/>
    public GuestAction Next(int vcpu) => _actions[vcpu].TryDequeue(out GuestAction action) ? action : default;

    /// <inheritdoc/>
    public int Handled(int vcpu, int level, byte vector) => -1;
}

/// <summary>How vCPUs send each other IPIs.</summary>
public enum IpiPattern
{
    /// <summary>vCPU 2k sends to 2k+1, which answers.</summary>
    PingPong,

    /// <summary>vCPU 0 sends to all others, works, and sends again.</summary>
    Broadcast,

    /// <summary>vCPU 0 sends to all others and waits until all handlers ran, as for a TLB shootdown.</summary>
    Shootdown,
}

/// <summary>A guest whose vCPUs send each other a number of IPIs, with some work in between.</summary>
public sealed class IpiBehaviour : IGuestBehaviour
{
    /// <summary>Vector of the IPIs.</summary>
    public const byte Vector = 0x41;

    private readonly IpiPattern _pattern;
    private readonly int _vcpus;
    private readonly int _level;
    private readonly bool _halts;
    private readonly long _work;
    private readonly long[] _left;
    private readonly bool[] _mayGo;
    private readonly bool[] _worked;
    private int _next = 1;
    private int _acknowledged;

    /// <summary>A pattern over <paramref name="vcpus"/> vCPUs at a level.</summary>
    /// <param name="pattern">Who sends to whom.</param>
    /// <param name="vcpus">vCPUs: 2 or more.</param>
    /// <param name="level">Home level, and the APIC the IPIs go to.</param>
    /// <param name="rounds">Pings of each pair, or broadcasts.</param>
    /// <param name="work">Cycles of work before each round.</param>
    /// <param name="halts">Waiting vCPUs halt; else they spin.</param>
    public IpiBehaviour(IpiPattern pattern, int vcpus, int level, long rounds, long work, bool halts)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vcpus, 2);
        _pattern = pattern;
        _vcpus = vcpus;
        _level = level;
        _halts = halts;
        _work = work;
        _left = new long[vcpus];
        _mayGo = new bool[vcpus];
        _worked = new bool[vcpus];
        for (int vcpu = 0; vcpu < vcpus; vcpu++)
        {
            bool leads = pattern == IpiPattern.PingPong ? vcpu % 2 == 0 && vcpu + 1 < vcpus : vcpu == 0;
            _left[vcpu] = leads ? rounds : 0;
            _mayGo[vcpu] = leads;
        }
    }

    /// <inheritdoc/>
    public int HomeLevel(int vcpu) => _level;

    /// <inheritdoc/>
    public GuestAction Next(int vcpu)
    {
        if (!_mayGo[vcpu] || (_left[vcpu] == 0 && Leads(vcpu)))
        {
            bool waitsForMemory = _pattern == IpiPattern.Shootdown && vcpu == 0;
            return new GuestAction(_halts && !waitsForMemory ? GuestActionKind.Halt : GuestActionKind.Spin);
        }

        if (!_worked[vcpu] && _work > 0)
        {
            _worked[vcpu] = true;
            return new GuestAction(GuestActionKind.Work, _work);
        }

        int target = _pattern == IpiPattern.PingPong ? vcpu ^ 1 : _next;
        if (_pattern == IpiPattern.PingPong || ++_next == _vcpus)
        {
            _next = 1;
            _worked[vcpu] = false;
            _left[vcpu] -= Leads(vcpu) ? 1 : 0;
            _mayGo[vcpu] = _pattern == IpiPattern.Broadcast;
        }

        return new GuestAction(GuestActionKind.SendIpi, 0, target, (byte)_level, Vector);
    }

    /// <inheritdoc/>
    public int Handled(int vcpu, int level, byte vector)
    {
        switch (_pattern)
        {
            case IpiPattern.PingPong:
                _mayGo[vcpu] = true;
                return -1;
            case IpiPattern.Shootdown when ++_acknowledged == _vcpus - 1:
                _acknowledged = 0;
                _mayGo[0] = true;
                return 0;
            default:
                return -1;
        }
    }

    private bool Leads(int vcpu) => _pattern == IpiPattern.PingPong ? vcpu % 2 == 0 : vcpu == 0;
}
