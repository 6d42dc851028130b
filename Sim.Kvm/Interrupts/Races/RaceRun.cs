using Sim.Apic;

namespace Sim.Kvm.Interrupts;

/// <summary>One schedule of a race as far as it was carried out: who may be next, and the state.</summary>
internal sealed class RaceRun : IConductor
{
    // A choice is one of these plus an index.
    private const int Devices = 100;
    private const int Happenings = 200;
    private const int Arrivals = 300;

    // In canonical order, so that the index of an arrival means the same in equal states. Equal messages are several: each arrives by itself.
    private readonly List<Message> _onTheirWay = [];
    private readonly Race _race;
    private readonly bool[] _happened;

    /// <summary>The race at its beginning. <paramref name="make"/> may already let the system run, as long as it sends no messages.</summary>
    public RaceRun(Func<IConductor, Race> make)
    {
        _race = make(this);
        _happened = new bool[_race.Happenings.Count];
    }

    public long Now => 0;

    /// <summary>What went wrong so far, with what still waits if nothing can happen any more.</summary>
    public IReadOnlyList<InterruptFinding> Findings(bool ended) => _race.System.Ledger.Findings(ended);

    public void Send(in Message message)
    {
        int at = _onTheirWay.BinarySearch(message, MessageOrder);
        _onTheirWay.Insert(at < 0 ? ~at : at, message);
    }

    public void Poke(PhysicalCpu cpu)
    {
    }

    /// <summary>All choices now. To ask changes the state (guests decide), so go on with another run that took the same choices.</summary>
    public List<int> Choices()
    {
        List<int> choices = [];
        foreach (PhysicalCpu cpu in _race.System.Cpus)
        {
            if (_race.System.Next(cpu) is not null || InterruptSystem.WorkOf(cpu) > 0)
            {
                choices.Add(cpu.Index);
            }
        }

        choices.AddRange(Enumerable.Range(0, _race.Devices.Count).Where(device => !_race.Devices[device].IsIdle).Select(device => Devices + device));
        choices.AddRange(Enumerable.Range(0, _happened.Length).Where(i => !_happened[i] && _race.Happenings[i].IsPossible()).Select(i => Happenings + i));
        choices.AddRange(Enumerable.Range(0, _onTheirWay.Count).Where(i => i == 0 || _onTheirWay[i] != _onTheirWay[i - 1]).Select(i => Arrivals + i));
        return choices;
    }

    /// <summary>Takes a choice. Returns what happened, in one line.</summary>
    public string Take(int choice)
    {
        switch (choice)
        {
            case >= Arrivals:
                Message message = _onTheirWay[choice - Arrivals];
                _onTheirWay.RemoveAt(choice - Arrivals);
                _race.System.Arrive(message);
                return $"{Name(message)} arrives at CPU {message.Cpu}";
            case >= Happenings:
                _happened[choice - Happenings] = true;
                _race.Happenings[choice - Happenings].Do();
                return _race.Happenings[choice - Happenings].Name;
            case >= Devices:
                return $"{(_race.Devices[choice - Devices].Delivery.Source == InterruptSource.Device ? "device" : "KVM")}: {Advance(_race.Devices[choice - Devices])}";
            default:
                PhysicalCpu cpu = _race.System.Cpus[choice];
                if (_race.System.Next(cpu) is { } activity)
                {
                    string who = activity.Vcpu is { } vcpu ? $"vCPU {vcpu.Id}{(cpu.InGuest ? $" in L{vcpu.Level}" : "")} on CPU {cpu.Index}" : $"CPU {cpu.Index}";
                    return $"{who}: {Advance(activity)}";
                }

                Vcpu working = cpu.Current!;
                working.Guest(working.Level).Work = 0;
                return $"vCPU {working.Id} in L{working.Level} on CPU {cpu.Index}: guest work";
        }
    }

    /// <summary>Everything that decides what can still happen and whether it is right.</summary>
    public string State(StateKey key)
    {
        key.Clear();
        key.Add(_race.System);
        for (int vcpu = 0; vcpu < _race.System.Vcpus.Length; vcpu++)
        {
            key.Add(_race.Guests.Left(vcpu));
        }

        foreach (Activity device in _race.Devices)
        {
            key.Add(device);
        }

        key.Add(_race.Extra?.Invoke() ?? 0);
        foreach (bool happened in _happened)
        {
            key.Add(happened);
        }

        foreach (Message message in _onTheirWay)
        {
            key.Add(message.Cpu);
            key.Add((long)message.Vector);
        }

        return key.ToString();
    }

    private static IComparer<Message> MessageOrder { get; } = Comparer<Message>.Create((a, b) => a.Cpu != b.Cpu ? a.Cpu.CompareTo(b.Cpu) : a.Vector.CompareTo(b.Vector));

    private static string Name(in Message message) => message.Vector switch
    {
        HostVectors.None => "doorbell",
        HostVectors.PostedInterrupt => "0xf2",
        HostVectors.Wakeup => "0xf1",
        HostVectors.NestedPostedInterrupt => "0xf0",
        HostVectors.Reschedule => "reschedule IPI",
        HostVectors.GuestApicLog => "GA log interrupt",
        _ => $"{message.Vector}",
    };

    private string Advance(Activity activity)
    {
        string name = activity.Current.Name;
        _race.System.Advance(activity);
        return name;
    }
}
