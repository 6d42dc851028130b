using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>A way in which policies go wrong that is known, and the scenario that shows it.</summary>
/// <param name="Id">Short name, as in docs/safety.md: H1 to H14, and words for what has no number.</param>
/// <param name="Meaning">What goes wrong, in one sentence without a full stop.</param>
/// <param name="Scenario">Name of the file in traces/scenarios, without its ending; exactly <paramref name="Policies"/> are unsafe there. Empty for a mutant that no single file stands for.</param>
/// <param name="Policies">Names of the policies that have it.</param>
public sealed record KnownHole(string Id, string Meaning, string Scenario, IReadOnlyList<string> Policies)
{
    /// <summary>Whose hardware it is about.</summary>
    public Vendor Vendor { get; init; } = Vendor.Intel;

    /// <summary>Names of rules for APICv controls (<see cref="Interrupts.IApicvUpdateRule"/>) that have it, whatever the flush policy.</summary>
    public IReadOnlyList<string> ApicvUpdates { get; init; } = [];

    /// <summary>It shows only where L0 runs without EPT.</summary>
    public bool WithoutEpt { get; init; }

    /// <summary>
    /// It needs an event that a trace of a workload does not have: an entry that fails, leaving L2 by force, a CPU that comes online, a vCPU that moves between a nested entry and its real one. Whoever has such holes
    /// only can be recommended all the same: every shipped nSVM has one.
    /// </summary>
    public bool NeedsRareEvent { get; init; }

    /// <summary>A policy, or a kernel by version, has it.</summary>
    public bool IsOf(string policy) =>
        Policies.Contains(policy)
        || (NamedKernel.TryParse(policy, out Vendor vendor, out KernelVersion version) && vendor == Vendor && KernelTable.Shipped.Holes.FirstOrDefault(hole => hole.Id == Id) is { IsHidden: false } known && known.In(version).IsPresent());

    /// <summary>Every hole that some policy has (docs/safety.md). A policy that has none is safe in every scenario that comes with the program.</summary>
    public static IReadOnlyList<KnownHole> All { get; } =
    [
        new("H1", "a new vpid12 walks a shadow entry that nothing synced", "hole-h1-new-vpid12", ["always-all", "always-current", "kvm-5.14", "kvm-5.8", "never"]) { WithoutEpt = true },
        new("H2", "an L2 without VPID uses linear translations of L1", "hole-h2-no-vpid12", ["kvm-5.14", "kvm-5.16", "kvm-6.2", "never"]) { WithoutEpt = true },
        new("H3", "VMXON hands out another vCPU's vpid02, and the first entry does not flush it", "hole-h3-vmxoff-vmxon", ["kvm-4.20", "kvm-4.4"]) { WithoutEpt = true },
        new("H4", "a cached root with unsync pages is used again", "hole-h4-no-vpid12", ["always-all", "always-current", "kvm-5.8", "never"]) { WithoutEpt = true },
        new("H5", "a guest flush hits the level that a nested transition goes to, not the one that asked", "hole-h5-guest-flush-switch", ["kvm-5.14", "kvm-5.8"]),
        new("H8", "a guest flush for L2 hits vpid01 while L2 runs under vpid02", "hole-h8-guest-flush", ["kvm-5.14", "kvm-5.8"]),
        new("H14", "a TLB_FLUSH hits vpid01 while L2 runs under vpid02", "hole-h14-host-unmap-no-ept", ["kvm-4.20", "kvm-4.4"]) { WithoutEpt = true },
        new("H16", "a nested entry that fails late has taken note of the new vpid12, and its flush hits L1", "hole-h16-late-failure", ["kvm-5.16", "kvm-6.12", "kvm-6.2", "never", "vpid02-first-use"]) { NeedsRareEvent = true },
        new("H18", "vmcb02 goes back to a CPU with an ASID that another CPU gave out", "hole-h18-asid-of-another-cpu", ["nsvm-5.8", "nsvm-6.1", "nsvm-6.14", "nsvm-7.2"]) { Vendor = Vendor.Amd, NeedsRareEvent = true },
        new("H19", "ASIDs ran out, the VMRUN that was to flush them fails, and the flush is lost", "hole-h19-failed-vmrun", ["nsvm-5.10", "nsvm-5.8", "nsvm-6.1", "nsvm-6.14"]) { Vendor = Vendor.Amd, NeedsRareEvent = true },
        new("H20", "a CPU comes online, its ASID generations start again, and a vCPU that slept matches", "hole-h20-cpu-online", ["nsvm-5.10", "nsvm-5.8", "nsvm-6.1", "nsvm-6.14"]) { Vendor = Vendor.Amd, NeedsRareEvent = true },
        new("H21", "L1 runs on with L2's translations after L2 was left by force", "hole-h21-forced-leave", ["nsvm-5.10", "nsvm-5.8", "nsvm-6.1", "nsvm-6.14", "nsvm-7.2"]) { Vendor = Vendor.Amd, NeedsRareEvent = true },
        new("no-flush", "a new vpid12 finds the translations of the one before", "seed1-ept-ept12-vpid-new", ["never"]),
        new("no-sync", "a new ASID walks a shadow of NPT12 that nothing synced", "nsvm-new-asid", ["always-all", "always-current", "never"]) { Vendor = Vendor.Amd },
        new("apicv-vmcs01", "vmcs01 never hears of APICv controls that change while L2 runs, and L1's interrupts are lost", "seed2-uninhibited", []) { ApicvUpdates = ["deferred-by-request", "immediate"] },
        new("pcide-roots", "a root cached without PCIDs is used unsynced with them", "rule-pcide-roots", ["kvm-5.8"]) { WithoutEpt = true },
    ];

    /// <summary>
    /// The holes of a policy on a machine, without those that need a rare event; those that need L0 without EPT come last where L0 has it. A mutant's own bugs come before the holes of its policy. Those of a kernel
    /// by version are what <see cref="KernelTable"/> says.
    /// </summary>
    /// <param name="policy">Name of a policy, or of a mutant of one.</param>
    /// <param name="machine">What it runs on.</param>
    /// <param name="apicvUpdate">Name of the rule for APICv controls, whose holes come first; null without interrupts.</param>
    public static IReadOnlyList<KnownHole> Of(string policy, MachineSpec machine, string? apicvUpdate = null)
    {
        string[] words = policy.Split(MutatedPolicy.Separator);
        return
        [
            .. All.Where(hole => apicvUpdate is not null && hole.ApicvUpdates.Contains(apicvUpdate)),
            .. words[1..].Where(word => !NamedKernel.IsChange(word)).Select(KernelMutants.Named).Select(mutant => new KnownHole(mutant.Name, $"a deliberate bug: {mutant.Summary}", All.FirstOrDefault(hole => hole.Id == mutant.Breaks)?.Scenario ?? "", [policy])),
            .. All.Where(hole => hole.Vendor == machine.Profile.Vendor && !hole.NeedsRareEvent && hole.IsOf(words[0])).OrderBy(hole => hole.WithoutEpt && machine.L0Ept),
        ];
    }
}
