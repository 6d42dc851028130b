using System.Globalization;
using Sim.Core;
using Sim.Core.Architecture;

namespace Sim.Workloads.Weave;

/// <summary>Whose virtualization instructions the woven trace uses.</summary>
public enum WeaveArchitecture : byte
{
    /// <summary>Intel VMX: VMLAUNCH, VMRESUME, INVVPID, INVEPT.</summary>
    Vmx,

    /// <summary>AMD SVM: VMRUN, INVLPGA. A vpid12 is an ASID12.</summary>
    Svm,
}

/// <summary>How exits of L2 are placed.</summary>
public enum WeaveSchedule : byte
{
    /// <summary>A constant distance apart.</summary>
    Fixed,

    /// <summary>Exponential distances (a Poisson process) around the same mean.</summary>
    Poisson,

    /// <summary>At the places of a recording.</summary>
    Recorded,
}

/// <summary>What distances and places of exits count.</summary>
public enum WeaveUnit : byte
{
    /// <summary>L2's accesses, folded ones each.</summary>
    Accesses,

    /// <summary>Reference cycles that L2 runs.</summary>
    Cycles,
}

/// <summary>Who handles an exit of L2.</summary>
public enum ExitHandler : byte
{
    /// <summary>L0 alone.</summary>
    L0,

    /// <summary>L1, to which L0 reflects it.</summary>
    L1,
}

/// <summary>Which vpid12 L1 uses at a nested VM-entry.</summary>
public enum Vpid12Kind : byte
{
    /// <summary>Vmcs12 does not enable VPID.</summary>
    Off,

    /// <summary>Always 1.</summary>
    Same,

    /// <summary>One never used before at each entry, from 1; after 65535 again from 1.</summary>
    New,

    /// <summary>1 to n in turn.</summary>
    Alternate,

    /// <summary>VPID enabled with value 0: every nested VM-entry must fail (SDM vol. 3, 27.2.1.1).</summary>
    Zero,
}

/// <summary>Which vpid12 L1 uses; <paramref name="Count"/> is n of <see cref="Vpid12Kind.Alternate"/>, else 1.</summary>
public readonly record struct Vpid12Pattern(Vpid12Kind Kind, int Count = 1)
{
    /// <summary>The vpid12 of the n-th nested VM-entry, from 0.</summary>
    public uint At(ulong entry) => Kind switch
    {
        Vpid12Kind.Same => 1,
        Vpid12Kind.New => 1 + (uint)(entry % ushort.MaxValue),
        Vpid12Kind.Alternate => 1 + (uint)(entry % (ulong)Count),
        _ => 0,
    };
}

/// <summary>One kind of exit in the mix: SDM basic exit reason (or APM exit code), who handles it, relative frequency.</summary>
public readonly record struct ExitShare(uint Reason, ExitHandler By, ulong Weight);

/// <summary>What a hypervisor touches in one stay: distinct 4K pages of code and of data, and how many cycles it takes.</summary>
public readonly record struct Footprint(int CodePages, int DataPages, ulong Cycles);

/// <summary>When measuring begins: after a share of L2's accesses, or after a number of them.</summary>
public readonly record struct WarmUp(ulong Amount, bool IsPercent);

/// <summary>
/// How a trace of a user program becomes L2 under L1 under L0. Every option has a key (<see cref="WeaveOptions"/>); the defaults for the footprints and the
/// cycles of L0 and L1 are medians of a real nested KVM (Linux 6.12 at every level, traced on an emulated Skylake; traces/capture/measure-footprints.py).
/// </summary>
public sealed record WeaveSpec
{
    /// <summary>Whose virtualization.</summary>
    public WeaveArchitecture Architecture { get; init; } = WeaveArchitecture.Vmx;

    /// <summary>How exits are placed.</summary>
    public WeaveSchedule Schedule { get; init; } = WeaveSchedule.Fixed;

    /// <summary>What <see cref="Every"/> counts.</summary>
    public WeaveUnit Unit { get; init; } = WeaveUnit.Accesses;

    /// <summary>Distance between exits of L2, or its mean.</summary>
    public ulong Every { get; init; } = 20_000;

    /// <summary>The recording of <see cref="WeaveSchedule.Recorded"/>; it brings its own unit.</summary>
    public RecordedExits? Recorded { get; init; }

    /// <summary>Mix of exits for the two generated schedules; null is the architecture's default mix.</summary>
    public IReadOnlyList<ExitShare>? Exits { get; init; }

    /// <summary>Exits that L1 itself takes while it handles one of L2's, not counting VMRESUME; L0 handles them.</summary>
    public int L1Exits { get; init; } = 1;

    /// <summary>Reason of those exits; null is MSR_READ (31), or msr (0x7c) on SVM.</summary>
    public uint? L1ExitReason { get; init; }

    /// <summary>Which vpid12 L1 uses.</summary>
    public Vpid12Pattern Vpid12 { get; init; } = new(Vpid12Kind.Same);

    /// <summary>L1 uses EPT (or NPT) for L2.</summary>
    public bool Ept12 { get; init; } = true;

    /// <summary>L2 VMs on the one L1 vCPU: vmcs12 and EPTP12 change round-robin at each nested VM-entry, L2's accesses go on.</summary>
    public int L2Vms { get; init; } = 1;

    /// <summary>L1 executes INVVPID single-context (INVLPGA on SVM) before every n-th nested VM-entry; 0 is never.</summary>
    public ulong InvvpidEvery { get; init; }

    /// <summary>L1 executes INVEPT single-context before every n-th nested VM-entry; 0 is never.</summary>
    public ulong InveptEvery { get; init; }

    /// <summary>L2 moves to CR3 after every n of its accesses; 0 is never.</summary>
    public ulong L2Cr3Every { get; init; }

    /// <summary>Roots between which L2's CR3 moves go in turn.</summary>
    public int L2Processes { get; init; } = 2;

    /// <summary>L2 has CR4.PCIDE=1, a PCID for each process, and sets the no-flush bit.</summary>
    public bool L2Pcid { get; init; } = true;

    /// <summary>L0 from an exit of L2 until it enters L1.</summary>
    public Footprint L0Exit { get; init; } = new(84, 77, 19_576);

    /// <summary>L0 from L1's VMRESUME until it enters L2.</summary>
    public Footprint L0Entry { get; init; } = new(93, 84, 17_639);

    /// <summary>L0 handling an exit of L1.</summary>
    public Footprint L0L1Exit { get; init; } = new(46, 46, 4_167);

    /// <summary>L0 handling an exit of L2 alone.</summary>
    public Footprint L0Alone { get; init; } = new(76, 82, 13_324);

    /// <summary>L1 handling an exit of L2, all its stays together.</summary>
    public Footprint L1 { get; init; } = new(109, 94, 11_970);

    /// <summary>Synthetic accesses for each distinct page of a footprint.</summary>
    public int Reuse { get; init; } = 8;

    /// <summary>How many accesses of a bare L1 trace one handling takes.</summary>
    public ulong L1Accesses { get; init; } = 2_000;

    /// <summary>How many accesses of L2's trace are woven; 0 is all.</summary>
    public ulong L2Accesses { get; init; }

    /// <summary>Where "warm-up ends" is marked. A percentage needs <see cref="L2Accesses"/>.</summary>
    public WarmUp WarmUp { get; init; } = new(20, IsPercent: true);

    /// <summary>Runs on one page are folded (<see cref="Folding"/>).</summary>
    public bool Fold { get; init; } = true;

    /// <summary>Seed of everything random.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>The mix of exits in force.</summary>
    public IReadOnlyList<ExitShare> EffectiveExits => Exits ?? (Architecture == WeaveArchitecture.Vmx ? DefaultVmxExits : DefaultSvmExits);

    /// <summary>The reason of L1's own exits in force.</summary>
    public uint EffectiveL1ExitReason => L1ExitReason ?? (Architecture == WeaveArchitecture.Vmx ? (uint)VmxExit.MsrRead : (uint)SvmExit.Msr);

    // EPT violations of both kinds, CPUID, port I/O, WRMSR, external interrupts: what the captures' memory and exit-heavy windows hold most of.
    private static IReadOnlyList<ExitShare> DefaultVmxExits { get; } =
        [new((uint)VmxExit.EptViolation, ExitHandler.L1, 2), new((uint)VmxExit.EptViolation, ExitHandler.L0, 2), new((uint)VmxExit.Cpuid, ExitHandler.L1, 1), new((uint)VmxExit.Io, ExitHandler.L1, 1), new((uint)VmxExit.MsrWrite, ExitHandler.L1, 1), new((uint)VmxExit.ExternalInterrupt, ExitHandler.L0, 1)];

    private static IReadOnlyList<ExitShare> DefaultSvmExits { get; } =
        [new((uint)SvmExit.NestedPageFault, ExitHandler.L1, 2), new((uint)SvmExit.NestedPageFault, ExitHandler.L0, 2), new((uint)SvmExit.Cpuid, ExitHandler.L1, 1), new((uint)SvmExit.Io, ExitHandler.L1, 1), new((uint)SvmExit.Msr, ExitHandler.L1, 1), new((uint)SvmExit.Interrupt, ExitHandler.L0, 1)];

    /// <summary>Reads "key=value" words; see <see cref="WeaveOptions.All"/>.</summary>
    /// <exception cref="ConfigurationException">Unknown or repeated key, value out of range, options that contradict each other.</exception>
    public static WeaveSpec Parse(IEnumerable<string> words)
    {
        WeaveSpec spec = new();
        HashSet<string> seen = new(StringComparer.Ordinal);
        foreach (string word in words)
        {
            int equals = word.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1)
            {
                throw new ConfigurationException($"'{word}' is not an option of weave. Write key=value, for instance every=20000.");
            }

            string key = word[..equals];
            WeaveOption option = WeaveOptions.All.FirstOrDefault(option => option.Key == key)
                ?? throw new ConfigurationException(NearestNames.Unknown("weave option", key, WeaveOptions.All.Select(option => option.Key)));
            if (!seen.Add(key))
            {
                throw new ConfigurationException($"The weave option '{key}' is given twice.");
            }

            spec = option.Set(spec, word[(equals + 1)..]);
        }

        spec.Check();
        return spec;
    }

    /// <summary>Every option that differs from its default, as "key=value" words in the order of <see cref="WeaveOptions.All"/>; <see cref="Parse"/> reads them back.</summary>
    public override string ToString()
    {
        WeaveSpec defaults = new();
        return string.Join(' ', WeaveOptions.All.Where(option => option.Get(this) != option.Get(defaults)).Select(option => $"{option.Key}={option.Get(this)}"));
    }

    /// <summary>Fails if options contradict each other.</summary>
    /// <exception cref="ConfigurationException">The message names the options.</exception>
    public void Check()
    {
        if (Schedule == WeaveSchedule.Recorded && Recorded is null)
        {
            throw new ConfigurationException("schedule=recorded needs a recording: give exits-file=PATH.");
        }

        if (Schedule != WeaveSchedule.Recorded && Recorded is not null)
        {
            throw new ConfigurationException("exits-file is only used with schedule=recorded.");
        }

        if (WarmUp.IsPercent && WarmUp.Amount > 0 && L2Accesses == 0)
        {
            throw new ConfigurationException("warm-up in percent needs to know how many accesses are woven: give l2-accesses=N, or warm-up=N in accesses.");
        }

        if (InvvpidEvery > 0 && Vpid12.Kind is Vpid12Kind.Off or Vpid12Kind.Zero)
        {
            throw new ConfigurationException("invvpid-every needs a vpid12 to invalidate: use vpid12=same, new or alternate:N.");
        }

        if (InveptEvery > 0 && !Ept12)
        {
            throw new ConfigurationException("invept-every needs ept12=on.");
        }

        if (Architecture == WeaveArchitecture.Svm && InveptEvery > 0)
        {
            throw new ConfigurationException("SVM has no INVEPT: drop invept-every, or use arch=vmx.");
        }
    }
}

/// <summary>One option of <see cref="WeaveSpec"/>: its key, what it means, and how it is written and read.</summary>
public sealed record WeaveOption(string Key, string Help, Func<WeaveSpec, string> Get, Func<WeaveSpec, string, WeaveSpec> Set)
{
    /// <summary>The default, as it is written.</summary>
    public string Default => Get(new WeaveSpec());
}

/// <summary>The options of <see cref="WeaveSpec"/>.</summary>
public static class WeaveOptions
{
    private const ulong MaxDistance = 1_000_000_000_000;
    private const ulong MaxVms = 4096;
    private const ulong MaxPages = 4096;

    /// <summary>All options, in the order in which they are shown.</summary>
    public static IReadOnlyList<WeaveOption> All { get; } =
    [
        Words("arch", "Whose virtualization: vmx or svm.", s => s.Architecture, (s, v) => s with { Architecture = v }),
        Words("schedule", "How exits of L2 are placed: fixed, poisson, or recorded (with exits-file).", s => s.Schedule, (s, v) => s with { Schedule = v }),
        Words("unit", "What 'every' counts: accesses of L2 or cycles that L2 runs.", s => s.Unit, (s, v) => s with { Unit = v }),
        Number("every", "Distance between exits of L2, or its mean.", 1, MaxDistance, s => s.Every, (s, v) => s with { Every = v }),
        new("exits-file", "CSV of a recording: accesses,reason,handled_by or cycles,reason,handled_by.", s => s.Recorded?.Name ?? "", (s, v) => s with { Recorded = RecordedExits.ReadCsv(v) }),
        new("exits", "Mix of exits: reason:l0|l1[:weight], comma-separated; 10 CPUID, 30 I/O, 48 EPT violation... (SDM appendix C); on svm 0x72, 0x7b, 0x400.", WriteExits, ReadExits),
        Number("l1-exits", "Exits that L1 takes while it handles one of L2's, besides VMRESUME.", 0, 64, s => (ulong)s.L1Exits, (s, v) => s with { L1Exits = (int)v }),
        Number("l1-exit-reason", "Reason of those exits.", 0, uint.MaxValue, s => s.EffectiveL1ExitReason, (s, v) => s with { L1ExitReason = (uint)v }),
        new("vpid12", "VPID (ASID) of L2 as L1 sets it: off, same, new, alternate:N, or zero (which must fail).", WriteVpid12, ReadVpid12),
        Flag("ept12", "L1 uses EPT (NPT) for L2: on or off.", s => s.Ept12, (s, v) => s with { Ept12 = v }),
        Number("l2-vms", "L2 VMs that L1 runs in turn, each with its vmcs12 and EPTP12.", 1, MaxVms, s => (ulong)s.L2Vms, (s, v) => s with { L2Vms = (int)v }),
        Number("invvpid-every", "L1 executes INVVPID (INVLPGA) before every n-th nested entry; 0: never.", 0, MaxDistance, s => s.InvvpidEvery, (s, v) => s with { InvvpidEvery = v }),
        Number("invept-every", "L1 executes INVEPT before every n-th nested entry; 0: never.", 0, MaxDistance, s => s.InveptEvery, (s, v) => s with { InveptEvery = v }),
        Number("l2-cr3-every", "L2 moves to CR3 after every n of its accesses; 0: never.", 0, MaxDistance, s => s.L2Cr3Every, (s, v) => s with { L2Cr3Every = v }),
        Number("l2-processes", "Roots between which L2's CR3 moves go in turn.", 1, 4095, s => (ulong)s.L2Processes, (s, v) => s with { L2Processes = (int)v }),
        Flag("l2-pcid", "L2 uses PCIDs: on or off.", s => s.L2Pcid, (s, v) => s with { L2Pcid = v }),
        Pages("l0-exit", "L0 from an exit of L2 to its entry of L1: code+data@cycles.", s => s.L0Exit, (s, v) => s with { L0Exit = v }),
        Pages("l0-entry", "L0 from VMRESUME to its entry of L2.", s => s.L0Entry, (s, v) => s with { L0Entry = v }),
        Pages("l0-l1-exit", "L0 handling an exit of L1.", s => s.L0L1Exit, (s, v) => s with { L0L1Exit = v }),
        Pages("l0-alone", "L0 handling an exit of L2 alone.", s => s.L0Alone, (s, v) => s with { L0Alone = v }),
        Pages("l1", "L1 handling an exit of L2.", s => s.L1, (s, v) => s with { L1 = v }),
        Number("reuse", "Synthetic accesses for each page of a footprint.", 1, 1024, s => (ulong)s.Reuse, (s, v) => s with { Reuse = (int)v }),
        Number("l1-accesses", "Accesses of a bare L1 trace that one handling takes.", 1, MaxDistance, s => s.L1Accesses, (s, v) => s with { L1Accesses = v }),
        Number("l2-accesses", "Accesses of L2's trace to weave; 0: all.", 0, ulong.MaxValue, s => s.L2Accesses, (s, v) => s with { L2Accesses = v }),
        new("warm-up", "Where 'warm-up ends' is marked: a percentage (20%) of l2-accesses, or a number of L2's accesses.", WriteWarmUp, ReadWarmUp),
        Flag("fold", "Fold runs on one page: on or off.", s => s.Fold, (s, v) => s with { Fold = v }),
        Number("seed", "Seed of everything random.", 0, ulong.MaxValue, s => s.Seed, (s, v) => s with { Seed = v }),
    ];

    private static WeaveOption Number(string key, string help, ulong minimum, ulong maximum, Func<WeaveSpec, ulong> get, Func<WeaveSpec, ulong, WeaveSpec> set) =>
        new(key, help, spec => Text(get(spec)), (spec, text) => set(spec, ReadNumber(key, text, minimum, maximum)));

    private static WeaveOption Flag(string key, string help, Func<WeaveSpec, bool> get, Func<WeaveSpec, bool, WeaveSpec> set) =>
        new(key, help, spec => get(spec) ? "on" : "off", (spec, text) => set(spec, text switch { "on" => true, "off" => false, _ => throw Bad(key, text, "on or off") }));

    private static WeaveOption Words<T>(string key, string help, Func<WeaveSpec, T> get, Func<WeaveSpec, T, WeaveSpec> set)
        where T : struct, Enum
    {
        string[] names = Enum.GetNames<T>().Select(name => name.ToLowerInvariant()).ToArray();
        return new WeaveOption(key, help, spec => get(spec).ToString().ToLowerInvariant(), (spec, text) =>
        {
            int index = Array.IndexOf(names, text);
            return index >= 0 ? set(spec, Enum.GetValues<T>()[index]) : throw new ConfigurationException(NearestNames.Unknown($"value of {key}", text, names));
        });
    }

    private static WeaveOption Pages(string key, string help, Func<WeaveSpec, Footprint> get, Func<WeaveSpec, Footprint, WeaveSpec> set) =>
        new(key, help, spec => $"{get(spec).CodePages}+{get(spec).DataPages}@{Text(get(spec).Cycles)}", (spec, text) =>
        {
            string[] parts = text.Split('+', '@');
            if (parts.Length != 3 || text.IndexOf('+', StringComparison.Ordinal) > text.IndexOf('@', StringComparison.Ordinal))
            {
                throw Bad(key, text, "CODE+DATA@CYCLES, pages and cycles, for instance 84+77@19576");
            }

            return set(spec, new Footprint((int)ReadNumber(key, parts[0], 0, MaxPages), (int)ReadNumber(key, parts[1], 0, MaxPages), ReadNumber(key, parts[2], 0, MaxDistance)));
        });

    private static string WriteExits(WeaveSpec spec) =>
        string.Join(',', spec.EffectiveExits.Select(share => $"{Text(share.Reason)}:{(share.By == ExitHandler.L0 ? "l0" : "l1")}:{Text(share.Weight)}"));

    private static WeaveSpec ReadExits(WeaveSpec spec, string text)
    {
        List<ExitShare> shares = [];
        foreach (string word in text.Split(','))
        {
            string[] parts = word.Split(':');
            if (parts.Length is < 2 or > 3)
            {
                throw Bad("exits", text, "reason:l0|l1[:weight], comma-separated, for instance 10:l1:3,48:l0");
            }

            ulong weight = parts.Length == 3 ? ReadNumber("exits", parts[2], 1, 1_000_000) : 1;
            shares.Add(new ExitShare((uint)ReadNumber("exits", parts[0], 0, uint.MaxValue), ReadHandler("exits", parts[1]), weight));
        }

        return spec with { Exits = shares };
    }

    private static string WriteVpid12(WeaveSpec spec) =>
        spec.Vpid12.Kind == Vpid12Kind.Alternate ? $"alternate:{spec.Vpid12.Count}" : spec.Vpid12.Kind.ToString().ToLowerInvariant();

    private static WeaveSpec ReadVpid12(WeaveSpec spec, string text)
    {
        const string Alternate = "alternate:";
        if (text.StartsWith(Alternate, StringComparison.Ordinal))
        {
            return spec with { Vpid12 = new Vpid12Pattern(Vpid12Kind.Alternate, (int)ReadNumber("vpid12", text[Alternate.Length..], 1, ushort.MaxValue)) };
        }

        return spec with
        {
            Vpid12 = new Vpid12Pattern(text switch
            {
                "off" => Vpid12Kind.Off,
                "same" => Vpid12Kind.Same,
                "new" => Vpid12Kind.New,
                "zero" => Vpid12Kind.Zero,
                _ => throw new ConfigurationException(NearestNames.Unknown("value of vpid12", text, ["off", "same", "new", "alternate:N", "zero"])),
            }),
        };
    }

    private static string WriteWarmUp(WeaveSpec spec) => Text(spec.WarmUp.Amount) + (spec.WarmUp.IsPercent ? "%" : "");

    private static WeaveSpec ReadWarmUp(WeaveSpec spec, string text)
    {
        bool percent = text.EndsWith('%');
        return spec with { WarmUp = new WarmUp(ReadNumber("warm-up", percent ? text[..^1] : text, 0, percent ? 99 : ulong.MaxValue), percent) };
    }

    internal static ExitHandler ReadHandler(string key, string text) => text switch
    {
        "l0" or "L0" => ExitHandler.L0,
        "l1" or "L1" => ExitHandler.L1,
        _ => throw Bad(key, text, "l0 or l1"),
    };

    internal static bool TryNumber(string text, out ulong value) =>
        text.StartsWith("0x", StringComparison.Ordinal)
            ? ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value)
            : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    private static ulong ReadNumber(string key, string text, ulong minimum, ulong maximum) =>
        TryNumber(text, out ulong value) && value >= minimum && value <= maximum ? value : throw Bad(key, text, $"a number from {Text(minimum)} to {Text(maximum)}");

    private static string Text(ulong value) => value.ToString(CultureInfo.InvariantCulture);

    private static ConfigurationException Bad(string key, string found, string expected) => new($"The weave option {key} must be {expected}; found '{found}'.");
}
