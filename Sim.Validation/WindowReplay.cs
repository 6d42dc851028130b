using Sim.Kvm.Interrupts;

namespace Sim.Validation;

/// <summary>Replays one window of a capture through a path and notes what the machine predicts, with its place.</summary>
internal sealed class WindowReplay
{
    private readonly CapturedWindow _window;
    private readonly int[] _entries;
    private readonly SortedDictionary<ulong, (RecordedSchedule Machine, int Vcpu)> _vcpus = [];
    private readonly SortedDictionary<ulong, ulong> _runsL2 = [];
    private readonly List<PlacedInterrupt> _predicted = [];
    private readonly SortedSet<ulong> _notified = [];
    private ulong _now;

    private WindowReplay(CapturedWindow window, InterruptSpec spec, IInterruptPath path)
    {
        _window = window;
        int lanes = window.Moments.Max(moment => moment.Lane) + 1;
        _entries = new int[lanes];
        foreach (ulong[] machine in window.Machines)
        {
            InterruptSpec own = spec with { Lanes = lanes, VcpusPerLane = (machine.Length + lanes - 1) / lanes };
            RecordedSchedule schedule = new(own, path, Predict);
            for (int vcpu = 0; vcpu < machine.Length; vcpu++)
            {
                _vcpus.Add(machine[vcpu], (schedule, vcpu));
            }
        }
    }

    /// <summary>Interrupts whose target the capture does not tell.</summary>
    public long Untold { get; private set; }

    /// <summary>What the machine predicts for a window.</summary>
    public static IReadOnlyList<PlacedInterrupt> Of(CapturedWindow window, InterruptSpec spec, IInterruptPath path, out long untold)
    {
        WindowReplay replay = new(window, spec, path);
        foreach (InterruptMoment moment in window.Moments)
        {
            replay._now = moment.Time;
            (RecordedSchedule machine, int vcpu) = replay._vcpus[moment.Vmcs01];
            replay.Take(moment, machine, vcpu);
        }

        untold = replay.Untold;
        return replay._predicted;
    }

    private void Take(InterruptMoment moment, RecordedSchedule machine, int vcpu)
    {
        // Virtual-interrupt delivery comes before physical interrupts (SDM vol. 3, 31.2.2 and 27.2).
        bool meets = _notified.Remove(moment.Vmcs01);
        if (meets && moment.Kind != MomentKind.Deliver)
        {
            machine.TakeNotifications(vcpu);
        }

        switch (moment.Kind)
        {
            case MomentKind.Exit:
                machine.Exit(vcpu, moment.Flag ? RecordedExit.Halt : RecordedExit.Other, moment.Vector);
                break;
            case MomentKind.NestedEntry:
                machine.EnterL2(vcpu, moment.Rvi, moment.Svi);
                break;
            case MomentKind.NestedExit:
                machine.ReflectExit(vcpu, moment.Flag);
                break;
            case MomentKind.Send:
                Send(moment, machine, vcpu);
                break;
            case MomentKind.PostToL2:
                foreach ((RecordedSchedule target, int number) in TargetsInL2(moment))
                {
                    target.PostToL2(number, (byte)moment.Vector);
                }

                break;
            case MomentKind.GuestMode:
                machine.Place(vcpu, moment.Lane);
                machine.EnterGuestMode(vcpu);
                break;
            case MomentKind.Entry:
                Enter(moment, machine, vcpu);
                break;
            case MomentKind.Deliver:
                if (machine.Deliver(vcpu) != moment.Vector)
                {
                    machine.SetDelivered(vcpu, (byte)moment.Vector);
                }

                if (meets)
                {
                    machine.TakeNotifications(vcpu);
                }

                break;
            case MomentKind.Eoi:
                machine.EndInterrupt(vcpu);
                break;
            default:
                machine.SelfIpi(vcpu, (byte)moment.Vector);
                break;
        }
    }

    private void Enter(InterruptMoment moment, RecordedSchedule machine, int vcpu)
    {
        EnteredStatus recorded = new(moment.Level, moment.Rvi, moment.Svi);
        machine.Place(vcpu, moment.Lane);
        if (moment.Level == 2)
        {
            _runsL2[moment.Descriptor] = moment.Vmcs01;
        }

        if (moment.Flag)
        {
            _entries[moment.Lane]++;
            machine.SetStatus(vcpu, recorded);
            return;
        }

        EnteredStatus predicted = machine.Enter(vcpu, out bool hasNotifications);
        if (predicted.Rvi != 0 && !moment.IsFromVmcs12)
        {
            Predict(new InterruptEvent(InterruptEventKind.RequestedAtEntry, moment.Lane, vcpu, predicted.Level, predicted.Rvi));
        }

        _entries[moment.Lane]++;
        if (predicted != recorded)
        {
            machine.SetStatus(vcpu, recorded);
        }

        if (hasNotifications)
        {
            _notified.Add(moment.Vmcs01);
        }
    }

    private void Send(InterruptMoment moment, RecordedSchedule machine, int sender)
    {
        if (moment.Destination == Destination.RunsL2)
        {
            (RecordedSchedule Machine, int Vcpu)[] targets = [.. TargetsInL2(moment)];
            Untold += targets.Length == 0 ? 1 : 0;
            foreach ((RecordedSchedule target, int number) in targets)
            {
                target.Send(sender, new Delivery((byte)moment.Vector, number, 1, moment.Source));
            }

            return;
        }

        ulong[] vcpus = _window.Machines.First(vcpus => vcpus.Contains(moment.Vmcs01));
        for (int target = 0; target < vcpus.Length; target++)
        {
            bool meant = moment.Destination switch
            {
                Destination.Id => (ulong)target == moment.DestinationId,
                Destination.Self => target == sender,
                Destination.All => true,
                _ => target != sender,
            };
            if (meant)
            {
                machine.Send(sender, new Delivery((byte)moment.Vector, target, 1, moment.Source));
            }
        }
    }

    /// <summary>The vCPUs that run, or ran last, the L2 vCPU with that APIC ID.</summary>
    private IEnumerable<(RecordedSchedule Machine, int Vcpu)> TargetsInL2(InterruptMoment moment) =>
        _window.L2Ids.Where(id => id.Value == moment.DestinationId && _runsL2.ContainsKey(id.Key)).Select(id => _vcpus[_runsL2[id.Key]]);

    private void Predict(InterruptEvent e) => _predicted.Add(new PlacedInterrupt(e with { Vcpu = -1 }, _entries[e.Lane], _now));
}
