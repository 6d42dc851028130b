using System.Diagnostics;
using System.Globalization;
using System.Text;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;

namespace Sim.Cli.Tests;

/// <summary>
/// Damaged copies of every kind of file that the command reads. Each is answered: with a result, or with a sentence and exit code 1, 2 or 3; never with a bug report, never not at all, and what is framed or
/// checksummed never with another meaning.
/// </summary>
[TestFixture]
[NonParallelizable]
public sealed class FuzzTests
{
    private const int Mutants = 100;
    private const long MostBytes = 1L << 30;
    private static readonly TimeSpan MostTime = TimeSpan.FromSeconds(20);

    private static readonly string[] Inputs =
    [
        "native", "native-gz", "text", "lackey", "kernel-vmx", "kernel-svm", "perf", "hardware-log", "page-sizes", "configuration", "interrupts", "sweep", "profile", "footprints", "results", "baseline", "scenario", "exits-csv",
    ];

    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestCaseSource(nameof(Inputs))]
    public void A_damaged_file_is_answered_and_is_no_bug(string input)
    {
        ulong seed = FuzzSeed.Fresh();
        int count = FuzzSeed.Count(Mutants);
        (string name, byte[] good, string[][] commands) = Input(input);
        string path = At(name);
        File.WriteAllBytes(path, good);
        foreach (string[] command in commands)
        {
            (int code, string said) = Run(command);
            Assert.That(code, Is.LessThan(2), $"the undamaged file, {string.Join(' ', command)}: {said}");
        }

        string? meaning = input.StartsWith("native", StringComparison.Ordinal) ? Meaning(path) : null;
        SortedDictionary<int, int> codes = [];
        Rng rng = new(seed);
        for (int mutant = 0; mutant < count; mutant++)
        {
            byte[] bad = Damaged(good, ref rng);
            File.WriteAllBytes(path, bad);
            foreach (string[] command in commands)
            {
                long started = Stopwatch.GetTimestamp();
                long allocated = GC.GetTotalAllocatedBytes();
                (int code, string said) = Run(command);
                codes[code] = codes.GetValueOrDefault(code) + 1;
                string place = $"mutant {mutant} of seed {seed}, {string.Join(' ', command)}: {said}";
                if (code is not (0 or 1 or 2 or 3) || Stopwatch.GetElapsedTime(started) > MostTime || GC.GetTotalAllocatedBytes() - allocated > MostBytes)
                {
                    string kept = Path.Combine(Path.GetTempPath(), $"nestsim-fuzz-{input}-{seed}-{mutant}-{name}");
                    File.WriteAllBytes(kept, bad);
                    Assert.Fail($"exit code {code}, {Stopwatch.GetElapsedTime(started)}, {GC.GetTotalAllocatedBytes() - allocated:#,##0} bytes; kept as {kept}; {place}");
                }
            }

            if (meaning is not null && Read(path) is { } other)
            {
                Assert.That(other, Is.EqualTo(meaning), $"mutant {mutant} of seed {seed} is accepted with another meaning");
            }
            else if (input == "text" && Read(path) is { } records)
            {
                int lines = Encoding.Latin1.GetString(bad).Split('\n').Count(line => line.Length > 0 && char.IsAsciiDigit(line[0]));
                Assert.That(records.Split('\n'), Has.Length.EqualTo(lines), $"mutant {mutant} of seed {seed} loses records");
            }
        }

        TestContext.Out.WriteLine($"{input}: {count} mutants, exit codes {string.Join(", ", codes.Select(pair => $"{pair.Key}: {pair.Value}"))}");
    }

    private (string Name, byte[] Good, string[][] Commands) Input(string input)
    {
        string trace = At("good.nst");
        Good(["trace", "generate", "nested-ping-pong", trace, "accesses=2000", "seed=7"]);
        Good(["trace", "generate", "zipf-pages", At("bare.nst"), "accesses=500", "pages=50", "seed=7"]);
        switch (input)
        {
            case "native":
                return ("t.nst", File.ReadAllBytes(trace), [["run", At("t.nst"), "-p", "kvm-6.12"], ["trace", "info", At("t.nst")]]);
            case "native-gz":
                Good(["trace", "convert", trace, At("good.nst.gz")]);
                return ("t.nst.gz", File.ReadAllBytes(At("good.nst.gz")), [["trace", "verify", At("t.nst.gz")]]);
            case "text":
                Good(["trace", "generate", "nested-ping-pong", At("short.txt"), "accesses=60", "every=20", "seed=7"], "trace generate");
                return ("t.txt", File.ReadAllBytes(At("short.txt")), [["run", At("t.txt"), "-p", "kvm-6.12", "--unverified"], ["run", At("t.txt"), "-p", "kvm-6.12", "--irq-path", "posted"], ["trace", "convert", At("t.txt"), At("o.nst")]]);
            case "lackey":
                return ("t.lackey", Encoding.ASCII.GetBytes("==500== Lackey, an example Valgrind tool\n" + string.Concat(Enumerable.Range(0, 60).Select(i => FormattableString.Invariant($"I  {0x401000 + (i * 3):x},3\n L {0x1ffeff0000 + (i * 4096):x},8\n M {0x4c2a000 + i:x},4\n")))),
                    [["run", At("t.lackey"), "-p", "kvm-6.12"], ["trace", "verify", At("t.lackey")]]);
            case "kernel-vmx":
                return ("k.txt", Encoding.ASCII.GetBytes(KernelText(amd: false, perf: false)), [["trace", "events", At("k.txt")], ["trace", "lift", At("k.txt"), "-o", At("o.nst")], ["advise", At("k.txt"), "--programs", At("bare.nst")]]);
            case "kernel-svm":
                return ("k.txt", Encoding.ASCII.GetBytes(KernelText(amd: true, perf: false)), [["trace", "events", At("k.txt")], ["trace", "lift", At("k.txt"), "-o", At("o.nst")], ["validate", "interrupts", At("k.txt")]]);
            case "perf":
                return ("k.txt", Encoding.ASCII.GetBytes(KernelText(amd: false, perf: true)), [["trace", "events", At("k.txt")], ["trace", "lift", At("k.txt"), "-o", At("o.nst")]]);
            case "hardware-log":
                return ("h.txt", Encoding.ASCII.GetBytes(TraceRecordingTests.Hardware), [["trace", "events", At("h.txt")], ["trace", "lift", At("h.txt"), "-o", At("o.nst")], ["validate", "flushes", At("h.txt")], ["validate", "interrupts", At("h.txt")]]);
            case "page-sizes":
                // A list beside a memory window is read with it, by its name.
                File.WriteAllText(At("w.pages.txt"), TraceRecordingTests.Hardware);
                return ("w.pagesizes.txt", "0 R 0 0 3000 1000 1000 1000 0 sr-\n1 R 0 0 3000 2000 200000 1000 0 sr-\n2 G 5000 0 3000 400000 200000 200000 0 sr-\n"u8.ToArray(), [["trace", "lift", At("w.pages.txt"), "-o", At("o.nst")]]);
            case "configuration":
                return ("c.json", """{"profile": "skylake-sp", "policies": ["kvm-6.12", "never"], "reference": "never", "machine": {"l1_pages": "4K", "seed": 7}, "windows": {"warm_up": "10%", "measure": "50"}, "costs.invvpid_single": {"value": 600, "source": "mine"}}"""u8.ToArray(),
                    [["config", "check", At("c.json")], ["run", trace, "-c", At("c.json")]]);
            case "interrupts":
                return ("c.json", """{"interrupts": {"paths": ["none", "posted"], "apicv_updates": ["deferred"], "sources": [{"kind": "device", "period_cycles": 100000, "vector": 64}], "ipis": {"pattern": "ping-pong", "work_cycles": 2000}, "peers": 1, "inhibits": [{"time_cycles": 1000, "reason": "irq-window", "set": true}]}}"""u8.ToArray(),
                    [["config", "check", At("c.json")]]);
            case "sweep":
                return ("c.json", """{"over": ["second_level[0].sets=64,128", "machine.l1_pages=4K,2M"], "policies": ["kvm-6.12"], "seeds": 2}"""u8.ToArray(), [["config", "check", At("c.json")]]);
            case "profile":
                return ("p.json", File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "profiles", "skylake-sp.json")), [["run", trace, "-p", "kvm-6.12", "--profile", At("p.json"), "--measure", "50"]]);
            case "footprints":
                return ("f.json", File.ReadAllBytes(Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "profiles", "footprints"), "*.json").Order(StringComparer.Ordinal).First()), [["trace", "weave", At("bare.nst"), At("o.nst"), "--events", trace, "--footprints", At("f.json"), "--l2-limit", "10"]]);
            case "results":
                Good(["compare", trace, "-p", "kvm-6.12,never", "--interval", "500", "--json", At("good.json")]);
                return ("r.json", File.ReadAllBytes(At("good.json")), [["report", At("r.json"), "-o", At("o.html")], ["explain", At("r.json"), "kvm-6.12", "never"]]);
            case "baseline":
                Good(["compare", trace, "-p", "kvm-6.12,never", "--json", At("good.json")]);
                Good(["gate", At("good.json"), "-b", At("b.json"), "--update"]);
                return ("b.json", File.ReadAllBytes(At("b.json")), [["gate", At("good.json"), "-b", At("b.json"), "--github"]]);
            case "scenario":
                return ("s.scenario", File.ReadAllBytes(Directory.GetFiles(RepositoryFolder.Of("traces", "scenarios"), "*.scenario").Order(StringComparer.Ordinal).First()), [["validate", "scenarios", At("s.scenario")], ["run", At("s.scenario"), "-p", "kvm-6.12"]]);
            case "exits-csv":
                return ("x.csv", "accesses,reason,handled_by\n20,48,l0\n70,10,l1\n120,30,l0\n"u8.ToArray(), [["trace", "weave", At("bare.nst"), At("o.nst"), "schedule=recorded", $"exits-file={At("x.csv")}"]]);
            default:
                throw new UnreachableException(input);
        }
    }

    /// <summary>A few bits, a cut, a repeated or missing stretch, another number, another stretch of the same file: one to four of them.</summary>
    private static byte[] Damaged(byte[] good, ref Rng rng)
    {
        List<byte> bytes = [.. good];
        for (ulong damages = 1 + rng.Below(4); damages > 0 && bytes.Count > 0; damages--)
        {
            int at = (int)rng.Below((ulong)bytes.Count);
            int length = (int)Math.Min(rng.Below(64), (ulong)(bytes.Count - at));
            switch (rng.Below(9))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << (int)rng.Below(8));
                    break;
                case 1:
                    bytes[at] = (byte)rng.Next();
                    break;
                case 2:
                    bytes.RemoveRange(at, rng.Below(4) == 0 ? bytes.Count - at : length);
                    break;
                case 3:
                    bytes.InsertRange(at, bytes.GetRange(at, length));
                    break;
                case 4:
                    int from = (int)rng.Below((ulong)bytes.Count);
                    bytes.InsertRange(at, bytes.GetRange(from, Math.Min(length, bytes.Count - from)));
                    break;
                case 5:
                case 6:
                    OtherNumber(bytes, at, ref rng);
                    break;
                case 7:
                    bytes.InsertRange(at, Words[(int)rng.Below((ulong)Words.Length)]);
                    break;
                default:
                    int eol = bytes.IndexOf((byte)'\n', at);
                    int next = eol < 0 ? -1 : bytes.IndexOf((byte)'\n', eol + 1);
                    if (next > 0)
                    {
                        bytes.RemoveRange(eol, next - eol);
                    }

                    break;
            }
        }

        return [.. bytes];
    }

    private static readonly byte[][] Words = [.. new[] { "-1", "\u001b[2J", "\u202e", "::error::x\n", "{", "}", "[", "]", "\"", ",", "null", "\\ud800", "18446744073709551615", "4294967296", "1e308", "\0", "é" }.Select(Encoding.UTF8.GetBytes)];

    private static void OtherNumber(List<byte> bytes, int at, ref Rng rng)
    {
        int first = bytes.FindIndex(at, b => char.IsAsciiDigit((char)b));
        if (first < 0)
        {
            return;
        }

        int end = first;
        while (end < bytes.Count && char.IsAsciiDigit((char)bytes[end]))
        {
            end++;
        }

        ulong[] numbers = [0, 1, 2, 3, 255, 256, 4095, 65535, 65536, 1 << 20, int.MaxValue, uint.MaxValue, 1UL << 32, 1UL << 53, 1UL << 62, long.MaxValue, ulong.MaxValue, rng.Next()];
        bytes.RemoveRange(first, end - first);
        bytes.InsertRange(first, Encoding.ASCII.GetBytes(numbers[(int)rng.Below((ulong)numbers.Length)].ToString(CultureInfo.InvariantCulture)));
    }

    private static string KernelText(bool amd, bool perf)
    {
        StringBuilder text = new(perf ? "" : "# tracer: nop\n");
        int time = 1_000_000;
        void Line(string name, string rest)
        {
            time += 1_300;
            string at = FormattableString.Invariant($"{time / 1_000_000}.{time % 1_000_000:000000}");
            text.Append(CultureInfo.InvariantCulture, $"{(perf ? $"CPU 0/KVM  4242 [000] {at}: kvm:{name}" : $"       CPU 0/KVM-4242    [000] ..... {at}: {name}")}: {rest}\n");
        }

        for (int round = 0; round < 6; round++)
        {
            if (amd)
            {
                Line("kvm_entry", "vcpu 0, rip 0xffffffff81000000");
                Line("kvm_exit", "vcpu 0 reason vmrun rip 0xffffffff81000010 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000");
                Line("kvm_nested_vmenter", "rip: 0xffffffff81000010 vmcb: 0x0000000012345000 nested_rip: 0x0000000000401000 int_ctl: 0x00000000 event_inj: 0x00000000 nested_npt=y nested_cr3: 0x0000000000003000");
                Line("kvm_entry", "vcpu 0, rip 0x401000");
                Line("kvm_exit", "vcpu 0 reason cpuid rip 0x401002 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000");
                Line("kvm_nested_vmexit", "vcpu 0 reason cpuid rip 0x401002 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000");
                Line("kvm_nested_vmexit_inject", "reason: cpuid ext_inf1: 0x0000000000000000 ext_inf2: 0x0000000000000000 ext_int: 0x00000000 ext_int_err: 0x00000000");
            }
            else
            {
                Line("kvm_entry", "vcpu 0, rip 0xffffffff81000000");
                Line("kvm_exit", "vcpu 0 reason VMRESUME rip 0xffffffff81000010 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000");
                Line("kvm_nested_vmenter", "rip: 0xffffffff81000010 vmcs: 0x0000000012345000 nested_rip: 0x0000000000401000 int_ctl: 0x00000000 event_inj: 0x00000000 nested_ept=y nested_eptp: 0x000000000300005e");
                Line("kvm_entry", "vcpu 0, rip 0x401000");
                Line("kvm_exit", "vcpu 0 reason CPUID rip 0x401002 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000");
                Line("kvm_nested_vmexit", "vcpu 0 reason CPUID rip 0x401002 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000");
                Line("kvm_nested_vmexit_inject", "reason: CPUID ext_inf1: 0x0000000000000000 ext_inf2: 0x0000000000000000 ext_int: 0x00000000 ext_int_err: 0x00000000");
            }
        }

        Line("kvm_entry", "vcpu 0, rip 0xffffffff81000014");
        return text.ToString();
    }

    private static string Meaning(string path) => Read(path) ?? throw new InvalidOperationException("the undamaged trace cannot be read");

    /// <summary>Header and records as text; null if the file is refused.</summary>
    private static string? Read(string path)
    {
        try
        {
            using TraceFile trace = TraceFile.Open(path);
            TraceBlock block = new();
            List<string> lines = [];
            while (trace.Read(block))
            {
                int e = 0;
                for (int record = 0; record < block.RecordCount; record++)
                {
                    bool isEvent = e < block.EventCount && block.EventPosition[e] + e == record;
                    lines.Add(isEvent ? $"{block.Lane} {block.Events[e].Time} {block.Events[e]}" : $"{block.Lane} {block.Time[record - e]} {block.Address[record - e]} {block.Flags[record - e]} {block.Repeat[record - e]}");
                    e += isEvent ? 1 : 0;
                }
            }

            return string.Join('\n', lines);
        }
        catch (NestsimException)
        {
            return null;
        }
    }

    private static (int Code, string Said) Run(string[] args)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = CliApplication.Run(args, output, error);
        return (code, error.ToString());
    }

    private static void Good(string[] args, string what = "")
    {
        (int code, string said) = Run(args);
        Assert.That(code, Is.Zero, what + said);
    }

    private string At(string name) => Path.Combine(_folder, name);
}
