using System.Text;
using System.Text.RegularExpressions;

namespace Sim.Cli.Tests;

/// <summary>Text of strangers (marks, properties, names of files, names in results, arguments) through every verb and every format: nothing of it acts on a terminal, in a log of CI, or in a page.</summary>
public sealed partial class HostileTextTests
{
    private const string Evil = "\u001b[2J\u001b]0;pwn\u0007\u202egpj.exe\u2066\u200b\u0085\u009b31m\n::error title=x::pwn\n##[error]pwn\n##vso[task.setvariable]x\r\u007f<script>alert(1)</script>";

    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    private static readonly string[] Commands =
        [
            "run {t} -v", "compare {t} -p kvm-6.12,never -v", "sweep {t} --over second_level[0].sets=64,128 -p kvm-6.12", "explain {t} kvm-6.12 never", "advise {t}", "trace info {t}", "trace head {t}",
            "trace verify {t}", "trace convert {t} {o}/x.txt", "trace cut {t} {o}/x.nst --from-record 2", "trace merge {o}/x.nst {t} {t}", "trace weave {t} {o}/x.nst", "trace events {t}",
            "trace lift {t} -o {o}/x.nst", "trace footprint {t} -o {o}/f.json", "validate flushes {t}", "validate interrupts {t}", "validate scenarios {t}", "validate footprints {t}", "report {t}", "gate {t} -b {t}",
            "run {t} --timeline {o}/t.json --json {o}/r.json --csv {o}/r.csv -o {o}/all", "run {t} --warm-up until:{e}", "run {t} -p {e}", "run {t} --set {e}=1", "run {t} --profile {e}", "run {t} -c {e}", "run {t} --{e}",
            "run {t} --irq-path {e}", "run {e}", "{e}", "trace {e}", "trace info {e}", "trace generate {e} {o}/x.nst", "trace generate zipf-pages {o}/x.nst {e}=1", "trace generate zipf-pages {o}/x.nst pages={e}",
            "report {e}", "gate {e} -b {e}", "list {e}", "config check {e}", "config show --set {e}=1", "interrupts --irq-paths {e}", "validate scenarios {e}", "trace weave {t} {o}/x.nst {e}=1", "report {r} --only {e} --charts svg",
            "report {r} -o {o}/p.html", "report {r} --charts svg,json -o {o}/charts", "explain {r} a{e} b", "gate {r} -b {b} --github --junit {o}/j.xml --markdown {o}/m.md", "gate {r} -b {b} --update", "report {bad}", "run {t} -c {bad}",
        ];

    [TestCaseSource(nameof(Commands))]
    public void Nothing_of_it_acts(string line)
    {
        string trace = At("evil" + Evil.Replace("/", "", StringComparison.Ordinal) + ".nst");
        string text = At("t.txt");
        File.WriteAllText(text, Trace());
        Assert.That(Run(["trace", "convert", text, trace, "--format", "native"]).Code, Is.Zero);
        string outputs = At("out");
        Directory.CreateDirectory(outputs);
        string result = At("r.json");
        string baseline = At("b.json");
        if (line.Contains("{r}", StringComparison.Ordinal))
        {
            Assert.That(Run(["compare", text, "-p", "kvm-6.12,never", "--json", result]).Code, Is.Zero);
            Assert.That(Run(["gate", result, "-b", baseline, "--update"]).Code, Is.Zero);
            string json = System.Text.Json.JsonEncodedText.Encode(Evil).ToString();
            File.WriteAllText(result, File.ReadAllText(result).Replace("\"never\"", $"\"never{json}\"", StringComparison.Ordinal).Replace("skylake-sp", $"skylake{json}", StringComparison.Ordinal));
        }

        File.WriteAllText(At("bad.json"), $"{{\"{System.Text.Json.JsonEncodedText.Encode(Evil)}\": 1}}");
        string[] args =
        [
            .. line.Split(' ').Select(word => word.Replace("{t}", trace, StringComparison.Ordinal).Replace("{o}", outputs, StringComparison.Ordinal).Replace("{r}", result, StringComparison.Ordinal)
                .Replace("{b}", baseline, StringComparison.Ordinal).Replace("{bad}", At("bad.json"), StringComparison.Ordinal).Replace("{e}", Evil, StringComparison.Ordinal)),
        ];
        (int code, string said) = Run(args);

        Assert.That(code, Is.InRange(0, 3), said);
        CheckInert("the terminal", said, annotations: line.Contains("--github", StringComparison.Ordinal));
        foreach (string file in Directory.EnumerateFiles(outputs, "*", SearchOption.AllDirectories).Where(file => Path.GetExtension(file) is not (".nst" or ".csv")))
        {
            string content = File.ReadAllText(file);
            Assert.That(content.Any(c => c is '\u001b' or '\u009b' or '\u0007' or '\u202e'), Is.False, $"{file}: {content}");
            Assert.That(file.EndsWith(".html", StringComparison.Ordinal) || file.EndsWith(".svg", StringComparison.Ordinal) || file.EndsWith(".xml", StringComparison.Ordinal) ? content : "", Does.Not.Contain("<script>alert"));
        }
    }

    [Test]
    public void The_guard_does_not_touch_what_is_harmless_and_its_annotations_are_real()
    {
        using StringWriter output = new();
        using (Reports.Views.InertWriter inert = new(output))
        {
            inert.Write("a::b  :: c\n: :error\n 12 µs 😀 – ✓\n");
            inert.Write(":");
            inert.Write(":error::x\n\t  ::error\n##[x]##vso[y]#[z] ##\n");
        }

        Assert.That(output.ToString(), Is.EqualTo("a::b  :: c\n: :error\n 12 µs 😀 – ✓\n:\\u003aerror::x\n\\u0009  ::error\n##\\u005bx]##vso\\u005by]#[z] ##\n"));
    }

    private static void CheckInert(string where, string said, bool annotations)
    {
        foreach (string line in said.Split('\n'))
        {
            Assert.That(Acting().IsMatch(line), Is.False, $"{where}: {line}");
            Assert.That(!annotations && (line.TrimStart().StartsWith("::", StringComparison.Ordinal) || CiCommand().IsMatch(line)), Is.False, $"{where}: {line}");
            Assert.That(annotations && line.StartsWith("::", StringComparison.Ordinal) && !line.StartsWith("::error title=", StringComparison.Ordinal) && !line.StartsWith("::notice title=", StringComparison.Ordinal), Is.False, line);
        }
    }

    private static string Trace()
    {
        StringBuilder text = new("nestsim-trace text 1.0\nheader {\"lanes\":1,\"folded\":true,\"cyclesPerRecordTick\":\"1/1\",\"addresses\":\"linear\",\"properties\":{\"source\":\"" + System.Text.Json.JsonEncodedText.Encode(Evil) + "\"}}\n");
        int records = 0;
        void Add(string record)
        {
            text.Append(record).Append('\n');
            records++;
        }

        Add("0 @0 VmEnter level=0 kind=L0ToL1 vcpu=0 vmcs=0x1000 vpid=1 eptp=0x2000 controls=0x0");
        Add("0 @1 Mark level=1 " + string.Concat(Evil.Select(c => char.IsControl(c) ? FormattableString.Invariant($"\\u{(int)c:x4}") : c.ToString())));
        for (int i = 0; i < 30; i++)
        {
            Add(FormattableString.Invariant($"0 @{10 + i} R 0x{0x1000 * (i + 1):x} cpl=3 size=8"));
        }

        Add("0 @900 VmExit level=1 kind=L1ToL0 vcpu=0 reason=0x1 qualification=0x0");
        return text.Append(System.Globalization.CultureInfo.InvariantCulture, $"end {records}\n").ToString();
    }

    private static (int Code, string Said) Run(string[] args)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = CliApplication.Run(args, output, error);
        return (code, output + "\n" + error);
    }

    private string At(string name) => Path.Combine(_folder, name);

    [GeneratedRegex(@"[\p{Cc}\p{Cf}\u2028\u2029]")]
    private static partial Regex Acting();

    [GeneratedRegex(@"##([a-z]*)\[")]
    private static partial Regex CiCommand();
}
