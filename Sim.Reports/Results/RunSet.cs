using Sim.Core;
using Sim.Core.Stats;
using Sim.Core.Traces;

namespace Sim.Reports.Results;

/// <summary>The results of several runs over one trace, and where they come from.</summary>
/// <param name="Partial">True if the user stopped the runs before their end.</param>
/// <param name="Provenance">What was run: tool, configuration, trace, windows.</param>
/// <param name="Runs">One result for each policy and way to deliver interrupts, in the order they were given.</param>
/// <param name="Session">Everything that may differ between two runs of the same experiment.</param>
public sealed record RunSet(bool Partial, Provenance Provenance, IReadOnlyList<RunResult> Runs, Session Session)
{
    /// <summary>The run that the others are compared with; the first one if the reference has none.</summary>
    public RunResult Reference => Runs.FirstOrDefault(run => run.Policy == Provenance.Reference) ?? Runs[0];

    /// <summary>The run with a name.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="file">Name of the set in errors.</param>
    /// <exception cref="ConfigurationException">There is none; the message lists the nearest names.</exception>
    public RunResult Run(string name, string file) =>
        Runs.FirstOrDefault(run => run.Run == name) ?? throw new ConfigurationException($"{file}: {NearestNames.Unknown("run", name, Runs.Select(run => run.Run))}");
}

/// <summary>What one policy did.</summary>
/// <param name="Run">Name of the run, unique in its set.</param>
/// <param name="Policy">Name of the flush policy.</param>
/// <param name="Statistics">Statistics of the measured window; empty if the run failed.</param>
/// <param name="FailedVmEntries">VM-entries of the measured window that failed their consistency checks, in order.</param>
/// <param name="Failure">Why the run has no statistics; null if it has.</param>
/// <param name="Safety">What the safety oracle says; null if it did not watch.</param>
public sealed record RunResult(string Run, string Policy, StatSheet Statistics, IReadOnlyList<FailedEntry> FailedVmEntries, RunFailure? Failure = null, SafetyVerdict? Safety = null)
{
    /// <summary>Name of the path by which interrupts were delivered; null if they were not delivered anew.</summary>
    public string? InterruptPath { get; init; }

    /// <summary>Name of the rule for APICv controls that change while L2 is active; null if the path does not use APICv.</summary>
    public string? ApicvUpdate { get; init; }

    /// <summary>What is compared: the policy and the way to deliver interrupts, without the parameters. For instance <c>kvm-6.12 posted/deferred</c>.</summary>
    public string Case => CaseOf(Policy, InterruptPath, ApicvUpdate);

    /// <summary>Configuration values that set this run apart from others of the same policy, by path (for instance machine.seed), in the order they were given; empty if there is one run for each policy.</summary>
    public IReadOnlyList<RunParameter> Parameters { get; init; } = [];

    /// <summary>The policy is there to compare others with, and nobody can choose it.</summary>
    public bool IsYardstick { get; init; }

    /// <summary>How the policy is known to go wrong, whatever happened in this run; what can show on this machine comes first.</summary>
    public IReadOnlyList<PolicyHole> Holes { get; init; } = [];

    /// <summary>See <see cref="Case"/>.</summary>
    public static string CaseOf(string policy, string? interruptPath, string? apicvUpdate) =>
        interruptPath is null ? policy : apicvUpdate is null ? $"{policy} {interruptPath}" : $"{policy} {interruptPath}/{apicvUpdate}";
}

/// <summary>A way in which a policy is known to go wrong.</summary>
/// <param name="Id">Short name, as in docs/safety.md.</param>
/// <param name="Meaning">What goes wrong, in one sentence without a full stop.</param>
/// <param name="Scenario">Name of the file in traces/scenarios that shows it, without its ending; empty if there is none of its own.</param>
/// <param name="WithoutEpt">It shows only where L0 runs without EPT.</param>
public sealed record PolicyHole(string Id, string Meaning, string Scenario, bool WithoutEpt);

/// <summary>A configuration value of one run.</summary>
/// <param name="Path">Path in the configuration.</param>
/// <param name="Value">As given.</param>
public sealed record RunParameter(string Path, string Value);

/// <summary>What the safety oracle saw in the measured window.</summary>
/// <param name="Findings">One for each kind of wrong outcome that happened; empty if none did.</param>
/// <param name="PermittedStaleUses">Memory references through an old translation that the architecture still allowed.</param>
public sealed record SafetyVerdict(IReadOnlyList<SafetyFinding> Findings, long PermittedStaleUses)
{
    /// <summary>True if nothing wrong happened.</summary>
    public bool IsSafe => Findings.Count == 0;

    /// <summary>Distinct pages that old translations were permitted for; a page counts once for each context.</summary>
    public int PermittedPages { get; init; }

    /// <summary>There was something that a hypervisor could have got wrong. If not, that nothing went wrong says nothing.</summary>
    public bool Exercised { get; init; } = true;
}

/// <summary>A kind of wrong outcome.</summary>
/// <param name="Kind">stale_use, failed_vm_entry, interrupt_lost, interrupt_duplicated, interrupt_misdelivered, ...</param>
/// <param name="Count">How often.</param>
/// <param name="Story">The first one, told in lines: who mapped, who changed, which flush was owed, which was done, which record used it.</param>
public sealed record SafetyFinding(string Kind, long Count, IReadOnlyList<string> Story)
{
    /// <summary>Where it happened, most uses first; not always all, see <see cref="PageCount"/>. Empty if the finding is not about pages, and in files before version 1.2.</summary>
    public IReadOnlyList<SafetyPage> Pages { get; init; } = [];

    /// <summary>How many pages there are in all; a page counts once for each context.</summary>
    public int PageCount { get; init; }

    /// <summary>It is about translations, and not about interrupts or VM-entries.</summary>
    public bool IsAboutTranslations => Kind is "stale_use" or "foreign_use";
}

/// <summary>A page that one context used wrongly.</summary>
/// <param name="Page">Linear address of the 4 KiB page.</param>
/// <param name="Vcpu">vCPU that used it.</param>
/// <param name="Level">Level it ran at.</param>
/// <param name="Tag">Virtual tag it ran under, in words.</param>
/// <param name="Root">Root of the page tables it ran with.</param>
/// <param name="Uses">Memory references.</param>
/// <param name="FirstTime">Time of the first of them in reference cycles; null in files before version 1.3.</param>
/// <param name="FirstLane">Physical CPU of the first of them.</param>
/// <param name="Change">For the first use: the record that changed the mapping, or the other page tables.</param>
/// <param name="Owed">For the first use: why the virtual CPU cannot hold the translation.</param>
public sealed record SafetyPage(ulong Page, int Vcpu, int Level, string Tag, ulong Root, long Uses, ulong? FirstTime, int FirstLane, string Change, string Owed);

/// <summary>Why a run has no result.</summary>
/// <param name="ExitCode">The process exit code of this kind of error (docs/compare.md#exit-codes).</param>
/// <param name="Message">One paragraph.</param>
public sealed record RunFailure(int ExitCode, string Message);

/// <summary>A VM-entry that hardware, or L0 on its behalf, refused.</summary>
/// <param name="Time">Trace time in reference cycles.</param>
/// <param name="Lane">Physical CPU.</param>
/// <param name="Vcpu">Virtual CPU.</param>
/// <param name="Vmcs12">The vmcs12 it was about.</param>
/// <param name="Check">The check that failed, with its values.</param>
public sealed record FailedEntry(ulong Time, int Lane, int Vcpu, ulong Vmcs12, string Check);

/// <summary>What was run. Two experiments with equal provenance have equal runs, byte for byte.</summary>
/// <param name="Tool">Version and commit of the simulator.</param>
/// <param name="Profile">Name of the CPU profile.</param>
/// <param name="Reference">Policy that the others are compared with.</param>
/// <param name="ConfigurationHash">SHA-256 of the resolved configuration's canonical JSON, lower-case hexadecimal.</param>
/// <param name="Configuration">The resolved configuration as canonical JSON.</param>
/// <param name="Origins">Who set each value that is not a default, by path.</param>
/// <param name="Trace">The trace.</param>
/// <param name="Windows">How much of it was skipped, warmed up with and measured.</param>
public sealed record Provenance(
    ToolVersion Tool,
    string Profile,
    string Reference,
    string ConfigurationHash,
    string Configuration,
    IReadOnlyDictionary<string, string> Origins,
    TraceIdentity Trace,
    WindowCounts Windows)
{
    /// <summary>What the results rest on that nobody has seen: the trace's doubts, then what was assumed about the machine. Empty in files before version 1.3.</summary>
    public IReadOnlyList<Doubt> Doubts { get; init; } = [];

    /// <summary>What cycles are worth; null in files before version 1.3.</summary>
    public PriceBase? Base { get; init; }
}

/// <summary>Which build of the simulator.</summary>
/// <param name="Version">For instance 0.1.0.</param>
/// <param name="Commit">Git commit it was built from, or "unknown".</param>
/// <param name="Dirty">True if the sources had changes that were not committed; null if unknown.</param>
public sealed record ToolVersion(string Version, string Commit, bool? Dirty)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Version} ({(Commit.Length > 12 ? Commit[..12] : Commit)}{(Dirty == true ? ", with local changes" : "")})";
}

/// <summary>Which trace.</summary>
/// <param name="Name">Its path as given, without folders, or stdin.</param>
/// <param name="Format">Name of its format.</param>
/// <param name="Sha256">SHA-256 of its bytes; null if it was not read to its end.</param>
/// <param name="Lanes">Physical CPUs in it.</param>
/// <param name="Folded">True if runs on one page are folded into one record.</param>
/// <param name="Properties">What it says about itself.</param>
public sealed record TraceIdentity(string Name, string Format, string? Sha256, int Lanes, bool Folded, IReadOnlyDictionary<string, string> Properties);

/// <summary>Records of the trace that each window held. Skipped records change the machine's state by their events only; their accesses are not simulated.</summary>
/// <param name="Skipped">Records skipped.</param>
/// <param name="WarmedUp">Records simulated before the measured window.</param>
/// <param name="Measured">Records of the measured window.</param>
public sealed record WindowCounts(ulong Skipped, ulong WarmedUp, ulong Measured);

/// <summary>Everything that may differ between two runs of the same experiment: the command, the host, the clock.</summary>
/// <param name="CommandLine">As typed.</param>
/// <param name="StartedUtc">ISO 8601.</param>
/// <param name="Runtime">.NET runtime.</param>
/// <param name="OperatingSystem">Name and version.</param>
/// <param name="Cpu">Model and vector width of the host.</param>
/// <param name="Jobs">Threads over policies.</param>
/// <param name="ElapsedSeconds">From the first block to the last.</param>
/// <param name="RecordsPerSecond">Trace records times policies, per second of elapsed time.</param>
/// <param name="PeakMemoryBytes">Largest resident memory of the process.</param>
public sealed record Session(
    string CommandLine, string StartedUtc, string Runtime, string OperatingSystem, string Cpu, int Jobs, double ElapsedSeconds, double RecordsPerSecond, long PeakMemoryBytes);
