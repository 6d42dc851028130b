using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Workloads.Footprints;
using Sim.Workloads.Formats;
using Sim.Workloads.Weave;

namespace Sim.Experiments;

/// <summary>
/// A program's trace as L2 of a nested KVM, although no exits were recorded with it: exits at a rate and of a named mix (<see cref="MixedExits"/>), L0 and L1 by shipped footprints. The
/// command's <c>trace weave --l2 FILE --rate N</c>.
/// </summary>
public sealed record ProgramAsL2
{
    /// <summary>Name of the mix that is taken if none is named.</summary>
    public const string DefaultMix = "web-server";

    /// <summary>The kernel that is taken if none is named.</summary>
    public const string DefaultKernel = "kvm-6.12";

    /// <summary>Accesses of the program in one run of L2, if nothing is said: the refill after a transition is over by then.</summary>
    public const ulong DefaultLimit = 20_000;

    /// <summary>The program's trace.</summary>
    public required string Program { get; init; }

    /// <summary>Exits in a second that L2 runs.</summary>
    public required ulong Rate { get; init; }

    /// <summary>Name of an <see cref="ExitMix"/>.</summary>
    public string Mix { get; init; } = DefaultMix;

    /// <summary>How many exits.</summary>
    public int Exits { get; init; } = 1000;

    /// <summary>The kernel of L0 and L1, as policies are called.</summary>
    public string Kernel { get; init; } = DefaultKernel;

    /// <summary>The CPU, a name or file of a profile: its clock and its vendor.</summary>
    public string Profile { get; init; } = RunConfiguration.DefaultProfile;

    /// <summary>What L0 and L1 touch: a name or file; null: the shipped footprints of the kernel, or those that are nearest.</summary>
    public string? Footprints { get; init; }

    /// <summary>Most accesses of the program in one run of L2.</summary>
    public ulong Limit { get; init; } = DefaultLimit;

    /// <summary>Seed of everything random.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Runs on one page are folded.</summary>
    public bool Fold { get; init; } = true;

    /// <summary>Weaves into a file.</summary>
    /// <exception cref="ConfigurationException">A name is unknown, a number out of range, the program's trace a pipe or of several lanes or without accesses.</exception>
    /// <exception cref="TraceFormatException">The program's trace is damaged.</exception>
    public FootprintWeaveSummary Weave(string target)
    {
        if (Program == "-")
        {
            throw new ConfigurationException("The program is read more than once, and a pipe can be read only once. Save it to a file and name that.");
        }

        CpuProfile cpu = RunConfiguration.Load(null, [new Assignment("profile", Profile, "--profile")]).Machine.Profile;
        Components.Policy(Kernel, cpu.Vendor);
        FootprintModel model = FootprintLibrary.Read(Footprints ?? NearestFootprints(cpu.Vendor));
        using MemoryTrace events = MixedExits.Make(new MixedExitOptions { Vendor = cpu.Vendor, Kilohertz = cpu.ReferenceKilohertz, Rate = Rate, Mix = ExitMix.Of(Mix), Exits = Exits, Seed = Seed });
        FootprintWeaveOptions options = new() { Seed = Seed, Fold = Fold, L2Limit = Limit };
        TraceHeader header;
        using (TraceFile program = TraceFile.Open(Program))
        {
            if (program.Header.Lanes > 1)
            {
                throw new ConfigurationException($"'{Program}' has {program.Header.Lanes} lanes, and L2 has one vCPU. Cut one out (nestsim trace cut), or interleave a drmemtrace folder on one lane.");
            }

            header = FootprintWeaver.Header(events.Header, model, program.Header, options);
        }

        using TraceFileWriter writer = TraceFile.CreateDraft(target, header);
        FootprintWeaveSummary summary = FootprintWeaver.Weave(() => Again(events), () => TraceFile.Open(Program), model, options, writer);
        writer.Complete([.. summary.Doubts, .. Substitution(model, cpu.Vendor)]);
        return summary;
    }

    private static MemoryTrace Again(MemoryTrace events)
    {
        events.Rewind();
        return events;
    }

    private static string Word(Vendor vendor) => vendor == Vendor.Amd ? "svm" : "vmx";

    /// <summary>Shipped footprints of the kernel and the vendor, of the kernel, or the first there are.</summary>
    private string NearestFootprints(Vendor vendor) =>
        FootprintLibrary.Names.FirstOrDefault(name => name == $"{Kernel}-{Word(vendor)}")
        ?? FootprintLibrary.Names.FirstOrDefault(name => name.StartsWith($"{Kernel}-", StringComparison.Ordinal))
        ?? FootprintLibrary.Names[0];

    private IEnumerable<Doubt> Substitution(FootprintModel model, Vendor vendor)
    {
        if (Footprints is null && model.Name != $"{Kernel}-{Word(vendor)}")
        {
            yield return new Doubt(DoubtKind.Handlers, $"there are no footprints of {Kernel} on {vendor.Name()}: L0 and L1 touch what {model.Name} did");
        }
    }
}
