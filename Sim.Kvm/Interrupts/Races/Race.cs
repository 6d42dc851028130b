namespace Sim.Kvm.Interrupts;

/// <summary>A race at its beginning: vCPUs that run and have something to do, devices that are about to deliver, and things that the host does at some moment.</summary>
/// <param name="System">The vCPUs.</param>
/// <param name="Guests">What they do; has no state but commands that are left.</param>
/// <param name="Devices">Devices and host threads with their next step.</param>
/// <param name="Happenings">What the host does once each, at any moment that allows it.</param>
/// <param name="Extra">State beyond that of the system; null if there is none.</param>
internal sealed record Race(InterruptSystem System, CommandedBehaviour Guests, IReadOnlyList<Activity> Devices, IReadOnlyList<Happening> Happenings, Func<long>? Extra);

/// <summary>Something the host does at some moment: a tick, a migration.</summary>
/// <param name="Name">What.</param>
/// <param name="IsPossible">Whether it can happen now.</param>
/// <param name="Do">Its effect.</param>
internal sealed record Happening(string Name, Func<bool> IsPossible, Action Do);
