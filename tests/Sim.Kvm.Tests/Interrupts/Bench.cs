using Sim.Core;
using Sim.Core.Profiles;
using Sim.Kvm.Interrupts;
using Sim.Kvm.Tests.Machines;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>One run of a path on a textbook CPU, with every step written down.</summary>
internal sealed class Bench
{
    private static readonly Catalogue<IInterruptPath> Paths = new(typeof(IInterruptPath).Assembly);
    private static readonly Catalogue<IApicvUpdateRule> Rules = new(typeof(IApicvUpdateRule).Assembly);

    private readonly List<IInterruptSource> _sources = [];

    public InterruptSpec Spec { get; set; } = new() { Profile = Profiles.Textbook };

    public IGuestBehaviour Behaviour { get; set; } = new SteadyBehaviour(1, halts: false);

    public string Rule { get; set; } = "deferred";

    public List<ExecutedStep> Steps { get; } = [];

    public InterruptSimulation Simulation { get; private set; } = null!;

    public InterruptLedger Ledger => Simulation.Ledger;

    public static IEnumerable<string> PathNames => Paths.Entries.Select(entry => entry.Name);

    public static Vendor VendorOf(string path) => Paths.Create(path).Supports(Vendor.Intel) ? Vendor.Intel : Vendor.Amd;

    public static IInterruptPath Path(string name) => Paths.Create(name);

    public static InterruptSpec SpecFor(string path) => new() { Profile = VendorOf(path) == Vendor.Amd ? Profiles.TextbookAmd : Profiles.Textbook };

    public Bench Send(long time, byte vector, int target, InterruptSource source = InterruptSource.Software, int hostLane = 0)
    {
        _sources.Add(new PeriodicSource(new Delivery(vector, target, 1, source), time, 1, 1, hostLane));
        return this;
    }

    public Bench Add(IInterruptSource source)
    {
        _sources.Add(source);
        return this;
    }

    public Bench Run(string path) => Run(Paths.Create(path));

    public Bench Run(IInterruptPath path, long until = 1_000_000_000)
    {
        Simulation = new InterruptSimulation(Spec, path, Rules.Create(Rule), Behaviour, _sources, Steps.Add);
        Simulation.Run(until: until);
        return this;
    }

    /// <summary>Steps at and behind a time, one in a line: for messages.</summary>
    public string Told(long from = 0) => string.Join('\n', Steps.Where(step => step.Time >= from).Select(step => $"{step.Time} lane {step.Lane} vcpu {step.Vcpu} L{step.Level}: {step.Name}"));
}
