using Sim.Core.Profiles;

namespace Sim.Kvm.Interrupts;

/// <summary>Sets a race up: vCPUs that run and wait, then who does what at once.</summary>
internal sealed class RaceStage
{
    /// <summary>Vector of interrupts for L1; that of a second one is the next.</summary>
    public const byte Vector = 0x51;

    private readonly List<Activity> _devices = [];
    private readonly List<Happening> _happenings = [];
    private readonly InterruptSource _sender;

    /// <summary>vCPUs one to a CPU, each at its home level and spinning there.</summary>
    public RaceStage(RaceSetting setting, IConductor conductor, int[] levels, Func<InterruptSpec, InterruptSpec>? change = null)
    {
        // Hardware that sends IPIs is what races are about: without x2AVIC it does so in xAPIC mode.
        InterruptSpec spec = new() { Profile = setting.Profile, Lanes = levels.Length, X2Apic = setting.Profile.Vendor == Vendor.Intel || setting.Profile.X2Avic };
        _sender = setting.Sender;
        Guests = new CommandedBehaviour([.. levels.Select(level => (level, GuestActionKind.Spin))]);
        System = new InterruptSystem(change?.Invoke(spec) ?? spec, setting.Path, new DeferredUpdate(), Guests, conductor) { Rule = setting.Rule };
    }

    public InterruptSystem System { get; }

    public CommandedBehaviour Guests { get; }

    /// <summary>
    /// Whether a sender exists on a path and is not the same as on a simpler one: KVM posts alike with and without IPI virtualization, VT-d and the IOMMU alike whoever
    /// sends IPIs, and AVIC sends IPIs alike with and without IOMMU, unless enable_ipiv is off.
    /// </summary>
    public static bool Exists(IInterruptPath path, InterruptSource sender) => sender switch
    {
        InterruptSource.Software => path.HardwareDevice is null || path.HardwareIpi is null,
        InterruptSource.Device => path.HardwareDevice is not null && path.EnableIpiv == path.UsesAvic,
        InterruptSource.Ipi => path.HardwareIpi is not null && (path.HardwareDevice is null || path.EnableIpiv != path.UsesAvic),
        _ => false,
    };

    /// <summary>A vCPU waits for the CPU of another one, and its own idles.</summary>
    public RaceStage Queue(int vcpu, int behind)
    {
        System.Migrate(System.Vcpus[vcpu], System.Cpus[behind]);
        return this;
    }

    /// <summary>Lets all CPUs go on until none has anything to do.</summary>
    public RaceStage Settle()
    {
        foreach (PhysicalCpu cpu in System.Cpus)
        {
            while (System.Next(cpu) is { } activity)
            {
                System.Advance(activity);
            }
        }

        return this;
    }

    /// <summary>From now on a vCPU has an action to do.</summary>
    public RaceStage Do(int vcpu, GuestAction action)
    {
        Guests.Command(vcpu, action);
        System.Vcpus[vcpu].Guest(1).Spins = false;
        System.Vcpus[vcpu].Guest(2).Spins = false;
        return this;
    }

    /// <summary>The setting's sender is about to send to L1 of vCPU 0: an IPI is vCPU 1's, which runs L1.</summary>
    public RaceStage Send(byte vector = Vector)
    {
        if (_sender == InterruptSource.Ipi)
        {
            return Do(1, new GuestAction(GuestActionKind.SendIpi, 0, 0, 1, vector));
        }

        Activity device = new(System, null, null) { Delivery = new Delivery(vector, 0, 1, _sender) };
        System.Ledger.Posted(device.Delivery, 0);
        device.Begin(_sender == InterruptSource.Device ? System.Path.HardwareDevice! : System.Path.Post);
        return With(device);
    }

    /// <summary>One who carries out a program.</summary>
    public RaceStage With(Activity device)
    {
        _devices.Add(device);
        return this;
    }

    /// <summary>Something the host does once.</summary>
    public RaceStage With(Happening happening)
    {
        _happenings.Add(happening);
        return this;
    }

    /// <summary>The race. <paramref name="extra"/>: state beyond that of the system, if there is any.</summary>
    public Race Build(Func<long>? extra = null) => new(System, Guests, _devices, _happenings, extra);
}
