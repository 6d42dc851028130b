using System.Globalization;
using System.Text.Json;
using Sim.Core;
using Sim.Core.Configuration;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Kvm;
using Sim.Kvm.Interrupts;

namespace Sim.Experiments;

/// <summary>How the interrupts of one run are delivered.</summary>
/// <param name="Path">Name of an interrupt path.</param>
/// <param name="ApicvUpdate">Name of an APICv update rule; null if the path does not use APICv.</param>
public sealed record InterruptDelivery(string Path, string? ApicvUpdate);

/// <summary>The section <c>interrupts</c> of a configuration: ways of delivery that are compared, where interrupts come from, and what else decides what delivery costs.</summary>
/// <param name="Paths">Interrupt paths; empty if interrupts are not delivered anew.</param>
/// <param name="ApicvUpdates">APICv update rules; empty on AMD.</param>
/// <param name="Deliveries">The ways that every policy is run with: each path, with each rule if it uses APICv; empty if interrupts are not delivered anew.</param>
/// <param name="Spec">Guests and host; lanes and vCPUs are the trace's.</param>
/// <param name="Load">Where interrupts come from.</param>
public sealed record InterruptSettings(
    IReadOnlyList<string> Paths, IReadOnlyList<string> ApicvUpdates, IReadOnlyList<InterruptDelivery> Deliveries, InterruptSpec Spec, InterruptLoad Load)
{
    private const int LowestVector = 32;
    private const int MostLanes = 4096;
    private const long MostCycles = 1_000_000_000_000;

    private static readonly string[] DefaultUpdates = ["deferred"];

    /// <summary>Empty: <see cref="Complete(SettingsNode)"/> gives it its members.</summary>
    private static readonly object[] OneDefaultSource = [new()];

    private static readonly (string, InterruptSource)[] SourceKinds = [("device", InterruptSource.Device), ("timer", InterruptSource.Timer)];
    private static readonly (string, ArrivalPattern)[] Arrivals = [("fixed", ArrivalPattern.Fixed), ("poisson", ArrivalPattern.Poisson)];
    private static readonly (string, IpiPattern)[] Patterns = [("ping-pong", IpiPattern.PingPong), ("broadcast", IpiPattern.Broadcast), ("shootdown", IpiPattern.Shootdown)];
    private static readonly (string Word, ApicvInhibit Reason)[] Reasons = [.. Enum.GetValues<ApicvInhibit>().Select(reason => (JsonNamingPolicy.KebabCaseLower.ConvertName($"{reason}"), reason))];

    private static readonly (string Word, VmControls Control)[] Vmcs12Controls =
    [
        ("external-interrupt-exiting", VmControls.ExternalInterruptExiting),
        ("ack-interrupt-on-exit", VmControls.AckInterruptOnExit),
        ("tpr-shadow", VmControls.TprShadow),
        ("virtual-interrupt-delivery", VmControls.VirtualInterruptDelivery),
        ("posted-interrupts", VmControls.PostedInterrupts),
        ("apic-register-virtualization", VmControls.ApicRegisterVirtualization),
        ("virtualize-x2apic-mode", VmControls.VirtualizeX2ApicMode),
        ("virtualize-apic-accesses", VmControls.VirtualizeApicAccesses),
    ];

    /// <summary>Sets the defaults below <c>interrupts</c>.</summary>
    /// <param name="set">Sets a value at a path below it.</param>
    /// <param name="vendor">Of the profile.</param>
    internal static void SetDefaults(Action<string, object?> set, Vendor vendor)
    {
        InterruptSpec spec = new() { Profile = null! };
        set("paths", null);
        set("apicv_updates", vendor == Vendor.Amd ? null : DefaultUpdates);
        set("recorded", true);
        set("sources", OneDefaultSource);
        set("ipis", null);
        set("inhibits", null);
        set("peers", 1);
        set("halt_every_cycles", 0);
        set("x2apic", spec.X2Apic);
        set("hybrid_avic", spec.HybridAvic);
        set("halt_poll_cycles", spec.HaltPollCycles);
        set("slice_cycles", spec.SliceCycles);
        set("handler_cycles", spec.HandlerCycles);
        set("vmcs12", Vmcs12Controls.Where(control => spec.Controls12.HasFlag(control.Control)).Select(control => control.Word).ToArray());
        set("l1_intercepts_hlt", spec.L1InterceptsHlt);
        set("nested_early_check", spec.NestedEarlyCheck);
        set("consumes_nested_notification", spec.ConsumesNestedNotification);
    }

    /// <summary>Gives every source, and the IPIs, the members that were left out.</summary>
    internal static void Complete(SettingsNode root)
    {
        SettingsNode? section = root["interrupts"];
        if (section?["sources"] is { Kind: SettingsKind.Array } sources)
        {
            for (int i = 0; i < sources.Items.Count; i++)
            {
                Complete(root, sources.Items[i], DefaultsOf(new SourceLoad()));
            }
        }

        if (section?["ipis"] is { } ipis)
        {
            Complete(root, ipis, DefaultsOf(new IpiLoad()));
        }
    }

    /// <summary>Reads the section.</summary>
    /// <param name="reader">At the section.</param>
    /// <param name="machine">The machine.</param>
    /// <param name="replay">What happens to recorded invalidations.</param>
    internal static InterruptSettings Bind(SettingsReader reader, MachineSpec machine, ReplayKind replay)
    {
        CpuProfile profile = machine.Profile;
        IReadOnlyList<string> paths = Names(reader, "paths", Components.InterruptPaths, "interrupt path");
        IReadOnlyList<string> updates = Names(reader, "apicv_updates", Components.ApicvUpdateRules, "APICv update rule");
        CheckPaths(reader, paths, updates, profile, replay);
        InterruptLoad load = BindLoad(reader, machine.Seed);
        InterruptSpec spec = BindSpec(reader, profile, load);
        reader.Close();
        return new InterruptSettings(paths, updates, [.. paths.SelectMany(path => DeliveriesOf(path, updates))], spec, load with { Inhibits = [.. load.Inhibits.Where(change => !IsFromTheStart(change))] });
    }

    private static IEnumerable<InterruptDelivery> DeliveriesOf(string path, IReadOnlyList<string> updates) =>
        Known(path) is { UsesApicv: true } ? updates.Select(update => new InterruptDelivery(path, update)) : [new InterruptDelivery(path, null)];

    private static IInterruptPath? Known(string path) => Components.InterruptPaths.Entries.Any(entry => entry.Name == path) ? Components.InterruptPaths.Create(path) : null;

    private static IReadOnlyList<string> Names<T>(SettingsReader reader, string member, Catalogue<T> catalogue, string kind)
        where T : class
    {
        IReadOnlyList<string> names = reader.OptionalTexts(member);
        string[] known = [.. catalogue.Entries.Select(entry => entry.Name)];
        foreach (string name in names.Where(name => !known.Contains(name)))
        {
            reader.Report(member, NearestNames.Unknown(kind, name, known));
        }

        foreach (string twice in names.GroupBy(name => name, StringComparer.Ordinal).Where(group => group.Count() > 1).Select(group => group.Key))
        {
            reader.Report(member, $"names '{twice}' twice");
        }

        return names;
    }

    private static void CheckPaths(SettingsReader reader, IReadOnlyList<string> paths, IReadOnlyList<string> updates, CpuProfile profile, ReplayKind replay)
    {
        foreach (string path in paths.Where(path => Known(path)?.Supports(profile.Vendor) == false))
        {
            reader.Report("paths", $"'{path}' does not exist on the hardware of profile '{profile.Name}', which has {string.Join(", ", InterruptComparison.PathsOf(profile.Vendor))}");
        }

        if (updates.Count > 0 && profile.Vendor == Vendor.Amd)
        {
            reader.Report("apicv_updates", $"must be null with '{profile.Name}': the rules are about vmcs01 and vmcs02, and AVIC writes VMCB01 explicitly");
        }

        if (profile.Vendor == Vendor.Intel && updates.Count == 0 && paths.Any(path => Known(path) is { UsesApicv: true }))
        {
            reader.Report("apicv_updates", $"expected at least one rule, found none; {string.Join(", ", paths.Where(path => Known(path) is { UsesApicv: true }))} need one");
        }

        if (updates.Count > 1 && !paths.Any(path => Known(path) is { UsesApicv: true }))
        {
            reader.Report("apicv_updates", $"names {updates.Count} rules, and no path among interrupts.paths uses APICv: the runs would be the same");
        }

        if (paths.Count > 0 && replay == ReplayKind.AsRecorded)
        {
            reader.Report("paths", "must be null if the replay is as-recorded: interrupts are delivered anew only where L0's flushes are decided anew");
        }
    }

    private static InterruptSpec BindSpec(SettingsReader reader, CpuProfile profile, InterruptLoad load) => new()
    {
        Profile = profile,
        X2Apic = reader.Flag("x2apic"),
        HybridAvic = reader.Flag("hybrid_avic"),
        HaltPollCycles = (int)reader.Integer("halt_poll_cycles", 0, int.MaxValue),
        SliceCycles = (int)reader.Integer("slice_cycles", 1, int.MaxValue),
        HandlerCycles = (int)reader.Integer("handler_cycles", 0, int.MaxValue),
        Controls12 = reader.Choices("vmcs12", Vmcs12Controls).Aggregate(default(VmControls), (all, control) => all | control),
        L1InterceptsHlt = reader.Flag("l1_intercepts_hlt"),
        NestedEarlyCheck = reader.Flag("nested_early_check"),
        ConsumesNestedNotification = reader.Flag("consumes_nested_notification"),
        Inhibits = load.Inhibits.Where(IsFromTheStart).Aggregate(0UL, (reasons, change) => reasons | (1UL << (int)change.Reason)),
        EoiExitVectors = [.. load.Sources.Where(source => source.LevelTriggered).Select(source => source.Vector).Distinct()],
    };

    private static bool IsFromTheStart(InhibitChange change) => change is { TimeCycles: 0, Set: true };

    private static InterruptLoad BindLoad(SettingsReader reader, ulong seed)
    {
        InterruptLoad load = new()
        {
            Recorded = reader.Flag("recorded"),
            Sources = reader.IsNull("sources") ? [] : [.. reader.Objects("sources").Select(BindSource)],
            Ipis = reader.IsNull("ipis") ? null : BindIpis(reader.Object("ipis")),
            Inhibits = reader.IsNull("inhibits") ? [] : [.. reader.Objects("inhibits").Select(BindInhibit)],
            Peers = (int)reader.Integer("peers", 0, MostLanes),
            HaltEveryCycles = reader.Integer("halt_every_cycles", 0, MostCycles),
            Seed = seed,
        };
        for (int i = 1; i < load.Inhibits.Count; i++)
        {
            if (load.Inhibits[i].TimeCycles < load.Inhibits[i - 1].TimeCycles)
            {
                reader.Report("inhibits", string.Create(CultureInfo.InvariantCulture, $"expected ascending times, found {load.Inhibits[i].TimeCycles} behind {load.Inhibits[i - 1].TimeCycles}"));
            }
        }

        if (load.HaltEveryCycles > 0 && !load.Sources.Any(source => source is { Target: null, Count: null }))
        {
            reader.Report("halt_every_cycles", "needs a source with target null and count null, which wakes every vCPU for as long as there is work; without one, the first HLT could be the last");
        }

        return load;
    }

    private static SourceLoad BindSource(SettingsReader reader)
    {
        SourceLoad source = new()
        {
            Kind = reader.Choice("kind", SourceKinds),
            Arrivals = reader.Choice("arrivals", Arrivals),
            PeriodCycles = reader.Integer("period_cycles", PoissonSource.Grain, MostCycles),
            FirstCycles = reader.Integer("first_cycles", 0, MostCycles),
            Count = reader.IsNull("count") ? null : reader.Integer("count", 1, long.MaxValue),
            Vector = (byte)reader.Integer("vector", LowestVector, byte.MaxValue),
            Target = reader.OptionalInteger("target", 0, MostLanes - 1),
            HostLane = reader.OptionalInteger("host_lane", 0, MostLanes - 1),
            LevelTriggered = reader.Flag("level_triggered"),
        };
        reader.Close();
        if (source.Vector is InterruptSpec.PostedIntrNv or InterruptSpec.L1Reschedule)
        {
            reader.Report("vector", string.Create(CultureInfo.InvariantCulture, $"{source.Vector} is one of the vectors by which L1's KVM notifies itself ({InterruptSpec.PostedIntrNv} and {InterruptSpec.L1Reschedule}); choose another"));
        }

        return source;
    }

    private static IpiLoad BindIpis(SettingsReader reader)
    {
        IpiLoad ipis = new()
        {
            Pattern = reader.Choice("pattern", Patterns),
            Level = (byte)reader.Integer("level", 1, 2),
            WorkCycles = reader.Integer("work_cycles", 0, MostCycles),
            Rounds = reader.IsNull("rounds") ? null : reader.Integer("rounds", 1, long.MaxValue),
            Halts = reader.Flag("halts"),
        };
        reader.Close();
        return ipis;
    }

    private static InhibitChange BindInhibit(SettingsReader reader)
    {
        InhibitChange change = new(reader.Integer("time_cycles", 0, MostCycles), reader.Choice("reason", Reasons), reader.Flag("set"));
        reader.Close();
        return change;
    }

    private static void Complete(SettingsNode root, SettingsNode node, IReadOnlyList<KeyValuePair<string, object?>> defaults)
    {
        foreach ((string name, object? value) in defaults.Where(pair => node.Kind == SettingsKind.Object && node[pair.Key] is null))
        {
            root.Set($"{node.Path}.{name}", JsonSerializer.Serialize(value), "default");
        }
    }

    private static IReadOnlyList<KeyValuePair<string, object?>> DefaultsOf(SourceLoad source) =>
    [
        new("kind", Word(SourceKinds, source.Kind)),
        new("arrivals", Word(Arrivals, source.Arrivals)),
        new("period_cycles", source.PeriodCycles),
        new("first_cycles", source.FirstCycles),
        new("count", source.Count),
        new("vector", source.Vector),
        new("target", source.Target),
        new("host_lane", source.HostLane),
        new("level_triggered", source.LevelTriggered),
    ];

    private static IReadOnlyList<KeyValuePair<string, object?>> DefaultsOf(IpiLoad ipis) =>
    [
        new("pattern", Word(Patterns, ipis.Pattern)),
        new("level", ipis.Level),
        new("work_cycles", ipis.WorkCycles),
        new("rounds", ipis.Rounds),
        new("halts", ipis.Halts),
    ];

    private static string Word<T>(IEnumerable<(string Word, T Value)> words, T value) => words.First(pair => Equals(pair.Value, value)).Word;
}
