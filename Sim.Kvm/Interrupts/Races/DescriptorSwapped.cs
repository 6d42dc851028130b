using Sim.Apic;
using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>
/// The guest moves a device's interrupt to another vCPU, so KVM gives the remapping entry another descriptor and vector while the device fires. The entry has 128 bits and
/// must change at once (Linux: modify_irte exchanges a posted entry with cmpxchg16b).
/// </summary>
[Component("descriptor-swapped", Summary = "the remapping entry gets another vCPU's descriptor and another vector as the device fires")]
internal sealed class DescriptorSwapped : IInterruptRace
{
    private static readonly Program Fire = new("MSI", new Step("read the IRTE (IOMMU)", Costs.None, activity =>
    {
        EntryUser device = (EntryUser)activity;
        InterruptRemappingEntry read = device.Entry.Value;
        Vcpu target = Array.Find(device.System.Vcpus, vcpu => vcpu.Pid == read.Descriptor)!;
        device.Delivery = new Delivery(read.Vector, target.Id, 1, InterruptSource.Device);

        // A torn entry is neither: the device sent what it was told to before.
        device.System.Ledger.Posted(read == device.Entry.Next ? device.Delivery : device.Delivery with { Vector = RaceStage.Vector, Target = 0 }, 0);
        device.Jump(device.System.Path.HardwareDevice!);
        return Flow.Next;
    }));

    private static readonly Program Exchange = new("modify_irte", Write("exchange the IRTE", (_, next) => next));

    private static readonly Program ExchangeHalves = new(
        "modify_irte by halves",
        Write("write the descriptor into the IRTE", (entry, next) => entry with { Descriptor = next.Descriptor }),
        Write("write the vector into the IRTE", (entry, next) => entry with { Vector = next.Vector }));

    /// <inheritdoc/>
    public IReadOnlyList<WrongRule> WrongRules { get; } =
    [
        new("torn-entry", "the halves of the remapping entry are written one after the other", program => program == Exchange ? ExchangeHalves : program),
    ];

    /// <inheritdoc/>
    public bool IsAbout(IInterruptPath path, InterruptSource sender) => path.UsesApicv && sender == InterruptSource.Device && RaceStage.Exists(path, sender);

    /// <inheritdoc/>
    public Race Start(RaceSetting setting, IConductor conductor)
    {
        RaceStage stage = new RaceStage(setting, conductor, [1, 1]).Settle();
        Vcpu[] vcpus = stage.System.Vcpus;
        RemappingEntry entry = new(
            new InterruptRemappingEntry(vcpus[0].Pid, RaceStage.Vector), new InterruptRemappingEntry(vcpus[1].Pid, RaceStage.Vector + 1));
        EntryUser device = new(stage.System, entry) { Delivery = new Delivery(0, 0, 1, InterruptSource.Device) };
        EntryUser host = new(stage.System, entry) { Delivery = new Delivery(0, 0, 1, InterruptSource.Software) };
        device.Begin(Fire);
        host.Begin(Exchange);
        return stage.With(device).With(host).Build(() => entry.Value.Vector + (entry.Value.Descriptor == vcpus[0].Pid ? 0 : 256));
    }

    private static Step Write(string name, Func<InterruptRemappingEntry, InterruptRemappingEntry, InterruptRemappingEntry> write) => new(name, Costs.None, activity =>
    {
        RemappingEntry entry = ((EntryUser)activity).Entry;
        entry.Value = write(entry.Value, entry.Next);
        return Flow.Next;
    });

    private sealed class RemappingEntry(InterruptRemappingEntry value, InterruptRemappingEntry next)
    {
        public InterruptRemappingEntry Value { get; set; } = value;

        public InterruptRemappingEntry Next => next;
    }

    private sealed class EntryUser(InterruptSystem system, RemappingEntry entry) : Activity(system, null, null)
    {
        public RemappingEntry Entry => entry;
    }
}
