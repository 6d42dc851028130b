namespace Sim.Kvm.Interrupts;

/// <summary>vCPUs that do what they are told, one action at a time, and idle in between in a way of their own.</summary>
internal sealed class CommandedBehaviour : IGuestBehaviour
{
    private readonly (int Level, GuestActionKind Idle)[] _vcpus;
    private readonly Queue<GuestAction>[] _commands;

    /// <summary>Home level and idle action of each vCPU.</summary>
    public CommandedBehaviour(params (int Level, GuestActionKind Idle)[] vcpus)
    {
        _vcpus = vcpus;
        _commands = [.. vcpus.Select(_ => new Queue<GuestAction>())];
    }

    /// <summary>Tells a vCPU what to do next.</summary>
    public void Command(int vcpu, GuestAction action) => _commands[vcpu].Enqueue(action);

    /// <summary>Commands that a vCPU has not yet taken.</summary>
    public int Left(int vcpu) => _commands[vcpu].Count;

    /// <summary>From now on a vCPU lives at another level: 1 if its L1 does not enter L2 again.</summary>
    public void Settle(int vcpu, int level) => _vcpus[vcpu].Level = level;

    /// <inheritdoc/>
    public int HomeLevel(int vcpu) => _vcpus[vcpu].Level;

    /// <inheritdoc/>
    public GuestAction Next(int vcpu) => _commands[vcpu].TryDequeue(out GuestAction action) ? action : new GuestAction(_vcpus[vcpu].Idle);

    /// <inheritdoc/>
    public int Handled(int vcpu, int level, byte vector) => -1;
}
