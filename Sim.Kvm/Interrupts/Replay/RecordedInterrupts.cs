using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>The interrupts of a trace, delivered anew by the path under test; and the recorded exits that only their recorded delivery had caused.</summary>
internal sealed class RecordedInterrupts
{
    /// <summary>An interrupt that a guest took at most so many cycles after a VM-entry was pending at that entry: L0 had posted it before.</summary>
    public const ulong PendingAtEntryCycles = 1_000;

    private const int MostPending = 16;

    private readonly TraceVcpus _vcpus;
    private readonly DeliveryExits _exits;
    private readonly int[] _sentAhead;
    private bool _any;

    /// <summary>Interrupts of a trace. If they are not <paramref name="delivered"/>, nothing is sent and nothing left out.</summary>
    public RecordedInterrupts(bool delivered, int lanes, TraceVcpus vcpus, DeliveryExits exits)
    {
        AreDelivered = delivered;
        _vcpus = vcpus;
        _exits = exits;
        _sentAhead = new int[lanes];
    }

    public bool AreDelivered { get; }

    /// <summary>Interrupts sent.</summary>
    public long Sent { get; private set; }

    /// <summary>Exits left out.</summary>
    public long Dropped { get; private set; }

    /// <summary>A record of an interrupt was replayed: it is sent, if somebody else's path delivers it and it was not sent ahead. L0's own interrupts (level 0) stay L0's.</summary>
    public void Told(InterruptSimulation simulation, TraceLane lane, in TraceEvent e)
    {
        _any |= AreDelivered;
        if (!AreDelivered || e.D == 0)
        {
            return;
        }

        if (_sentAhead[lane.Index] > 0)
        {
            _sentAhead[lane.Index]--;
        }
        else
        {
            simulation.RunElsewhere(Post(simulation, e, out Delivery delivery), delivery);
        }
    }

    /// <summary>Posts, before the VM-entry that is the next record, the interrupts that the guest takes right behind it. L0 does that on this CPU, in the trace's time.</summary>
    public void PostAhead(InterruptSimulation simulation, PhysicalCpu cpu, TraceLane lane)
    {
        if (!AreDelivered)
        {
            return;
        }

        ulong until = lane.Cursor + PendingAtEntryCycles;
        Activity poster = new(simulation.System, null, cpu);
        lane.Supply.Scan(
            e =>
            {
                if (e.Kind == RecordKind.Interrupt && e.D > 0 && e.Time <= until)
                {
                    _sentAhead[lane.Index]++;
                    Program program = Post(simulation, e, out Delivery delivery);
                    poster.Delivery = delivery;
                    poster.Begin(program);
                    while (!poster.IsIdle)
                    {
                        poster.Advance();
                    }
                }

                return e.Time <= until && e.Kind is RecordKind.VmEnter or RecordKind.Interrupt or RecordKind.Eoi;
            },
            MostPending);
    }

    /// <summary>Leaves out the exit that is the next record, with its stay and the entry that ends it, if only delivery had caused it. The interrupts of L1 in it are sent now.</summary>
    public ExitFate TryDrop(InterruptSimulation simulation, TraceLane lane, int vcpu)
    {
        if (!_any)
        {
            return ExitFate.Kept;
        }

        ExitFate fate = _exits.Judge(lane, _vcpus.NestedEntryOf(vcpu)?.C ?? 0, out int events);
        if (fate == ExitFate.Dropped)
        {
            Dropped++;
            while (events > 0)
            {
                lane.Cursor = Math.Max(lane.Cursor, lane.Supply.Time);
                if (!lane.Supply.IsEvent)
                {
                    lane.Supply.TakeAccesses(ulong.MaxValue);
                    continue;
                }

                TraceEvent e = lane.Supply.Event;
                lane.Supply.TakeEvent();
                events--;
                if (e.Kind == RecordKind.Interrupt && e.D > 0)
                {
                    simulation.RunElsewhere(Post(simulation, e, out Delivery delivery), delivery);
                }
            }
        }

        return fate;
    }

    /// <summary>A recorded interrupt is sent now. Returns the program of whoever posts it.</summary>
    private Program Post(InterruptSimulation simulation, in TraceEvent e, out Delivery delivery)
    {
        Sent++;
        delivery = new((byte)e.B, _vcpus.Of((ushort)e.C).Id, (byte)e.D, (InterruptSource)e.A);
        InterruptSystem system = simulation.System;
        if (system.Takes(delivery) && !Guest.IsL1Notification(delivery.Level, delivery.Vector))
        {
            system.Ledger.Posted(delivery, simulation.Now);
        }

        Program device = system.IsDeliveredByHardware(delivery) ? system.Path.HardwareDevice! : system.Path.Post;
        return delivery.Level == 2 ? L1Steps.DeliverFromElsewhere(system) : device;
    }
}
