using System.IO.Compression;
using System.Text;
using System.Text.RegularExpressions;
using Sim.Workloads.Tests.Importers;

namespace Sim.Cli.Tests;

/// <summary>The page "I have a memory trace": every command on it that is nestsim's runs, in order, on files of the kinds it names.</summary>
[TestFixture]
public sealed class MemoryTraceTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFiles()
    {
        _folder = Directory.CreateTempSubdirectory("nestsim-memory-").FullName;
        StringBuilder lackey = new("==1== Lackey, an example Valgrind tool\n");
        StringBuilder csv = new("time,type,address,size\n");
        DrMemtraceWriter dr = new DrMemtraceWriter().Begin();
        using MemoryStream champsim = new();
        for (int i = 0; i < 4000; i++)
        {
            ulong pc = 0x401000 + (ulong)(i % 900 * 4);
            ulong data = 0x10000000 + ((ulong)i * 7919 % 3000 * 4096);
            lackey.Append($"I  {pc:x8},4\n L {data:x},8\n");
            csv.Append($"{i},x,0x{pc:x},4\n{i},r,0x{data:x},8\n");
            dr.Fetch(pc).Load(data);
            champsim.Write(BitConverter.GetBytes(pc));
            champsim.Write(new byte[24]);
            champsim.Write(BitConverter.GetBytes(data));
            champsim.Write(new byte[24]);
        }

        Directory.CreateDirectory(Path.Combine(_folder, "drmemtrace.app.dir", "trace"));
        File.WriteAllText(Path.Combine(_folder, "program.lackey"), lackey.ToString());
        File.WriteAllText(Path.Combine(_folder, "accesses.csv"), csv.ToString());
        File.WriteAllBytes(Path.Combine(_folder, "program.champsim.gz"), Gzip(champsim.ToArray()));
        File.WriteAllBytes(Path.Combine(_folder, "drmemtrace.app.dir", "trace", "drmemtrace.app.1.0001.trace.gz"), Gzip(dr.End().Bytes));
    }

    [TearDown]
    public void RemoveFiles() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Every_command_of_the_page_runs()
    {
        string page = File.ReadAllText(RepositoryFolder.Of("docs", "memory-traces.md"));
        string[] commands = [.. Regex.Matches(page, @"<!-- run -->\n```\n(?<commands>(?:nestsim .*\n)+)```").SelectMany(match => match.Groups["commands"].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries))];
        Assert.That(commands, Has.Length.EqualTo(10));
        Assert.That(Regex.Count(page, "^nestsim ", RegexOptions.Multiline), Is.EqualTo(commands.Length), "a command outside a block that is run");
        foreach (string command in commands)
        {
            string[] words = [.. command.Split(' ').Skip(1).Select(InFolder)];
            if (words.Contains("weave"))
            {
                words = [.. words, "-o", Path.Combine(_folder, "program.nested.nst"), "--exits", "40"];
            }

            (int code, string _, string error) = Run(words);
            Assert.That(code, Is.Zero, $"{command}\n{error}");
        }

        Assert.That(Directory.GetFiles(Path.Combine(_folder, "plots"), "*.png"), Is.Not.Empty);
    }

    /// <summary>The files of this test hold the same accesses, each as its tracer would have written them.</summary>
    [Test]
    public void The_same_accesses_have_the_same_walks_and_cycles_whichever_format_holds_them()
    {
        string rows = Path.Combine(_folder, "rows.csv");
        string others = string.Join(',', new[] { "program.champsim.gz", "drmemtrace.app.dir", "accesses.csv" }.Select(name => Path.Combine(_folder, name)));
        (int code, string _, string error) = Run("sweep", Path.Combine(_folder, "program.lackey"), "--traces", others, "--over", "second_level[0].sets=32,128", "-p", "never", "--metric", "walks,translation,first-level-misses", "--rows", rows, "-q");
        Assert.That(code, Is.Zero, error);
        string[][] cells = [.. File.ReadAllLines(rows).Skip(1).Select(line => line.Split(','))];
        Assert.That(cells, Has.Length.EqualTo(4 * 2 * 3));
        foreach (IGrouping<string, string[]> same in cells.GroupBy(row => $"{row[2]} {row[3]}"))
        {
            Assert.That(same.Select(row => row[^1]).Distinct().Count(), Is.EqualTo(1), $"{same.Key}: {string.Join(", ", same.Select(row => $"{row[0]} {row[^1]}"))}");
        }

        Assert.That(cells.Where(row => row[3] == "walks").Select(row => double.Parse(row[^1], System.Globalization.CultureInfo.InvariantCulture)), Is.All.GreaterThan(1000.0));
    }

    /// <summary>A word that names a file of the page, in the test's folder.</summary>
    private string InFolder(string word) =>
        word is "results" or "plots" || Regex.IsMatch(word, @"^(?:program|accesses|app|results|drmemtrace)[./][\w./]+$") ? Path.Combine(_folder, word) : word;

    private static byte[] Gzip(byte[] content)
    {
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(content);
        }

        return packed.ToArray();
    }

    [Test]
    public void A_program_becomes_an_L2_in_one_line_and_the_trace_says_what_was_put_in()
    {
        string nested = Path.Combine(_folder, "n.nst");
        Assert.That(Run("trace", "weave", "--l2", Path.Combine(_folder, "program.lackey"), "--rate", "10000", "--exits", "30", "-o", nested).Code, Is.Zero);
        string info = Run("trace", "info", nested).Output;
        Assert.That(info, Does.Contain("  events mix = web-server\n").And.Contain("  footprints = kvm-6.12-vmx\n").And.Contain("  doubt: no exits of this program were recorded: 10,000 a second of L2 in the shares of 'web-server', which are assumed, were put in\n"));
        Assert.That(info, Does.Match("L2ToL0 reason 0x[0-9a-f]+"));
        Assert.That(Run("trace", "verify", nested).Code, Is.Zero);

        string again = Path.Combine(_folder, "again.nst");
        Assert.That(Run("trace", "weave", Path.Combine(_folder, "program.lackey"), again, "--rate", "10K", "--exits", "30", "seed=1").Code, Is.Zero);
        Assert.That(File.ReadAllBytes(again), Is.EqualTo(File.ReadAllBytes(nested)), "named by option or by place, it is the same trace");
    }

    [Test]
    public void Footprints_of_another_kernel_or_vendor_stand_in_and_are_named()
    {
        string nested = Path.Combine(_folder, "n.nst");
        Assert.That(Run("trace", "weave", "--l2", Path.Combine(_folder, "program.lackey"), "--rate", "10000", "--exits", "5", "--profile", "zen-3", "-o", nested).Code, Is.Zero);
        Assert.That(Run("trace", "info", nested).Output, Does.Contain("vendor = amd").And.Contain("  doubt: there are no footprints of kvm-6.12 on AMD: L0 and L1 touch what kvm-6.12-vmx did\n"));
    }

    [TestCase("9.9 is newer than", "--rate", "10000", "--kernel", "kvm-9.9")]
    [TestCase("Unknown exit mix 'databse'. Did you mean database", "--rate", "10000", "--mix", "databse")]
    [TestCase("Unknown profile 'sky'", "--rate", "10000", "--profile", "sky")]
    [TestCase("Exits per second must be 1 to 3000000000", "--rate", "0")]
    [TestCase("--mix needs --rate.", "--mix", "database")]
    [TestCase("--events is not used with --rate.", "--rate", "10000", "--events", "e.nst")]
    [TestCase("'every=5': with --rate, transitions are those of the mix; only the keys seed and fold are used.", "--rate", "10000", "every=5")]
    public void What_makes_no_sense_is_refused_before_anything_is_written(string message, params string[] words)
    {
        (int code, string _, string error) = Run(["trace", "weave", "--l2", Path.Combine(_folder, "program.lackey"), "-o", Path.Combine(_folder, "n.nst"), .. words]);
        Assert.That((code, error), Is.EqualTo((2, error)));
        Assert.That(error, Does.Contain(message));
        Assert.That(File.Exists(Path.Combine(_folder, "n.nst")), Is.False);
    }

    [TestCase("program.lackey", "lackey", "L0 assumed (docs/page-sizes.md)")]
    [TestCase("program.champsim.gz", "champsim", "L0 assumed (docs/page-sizes.md)")]
    [TestCase("accesses.csv", "csv", "L0 assumed (docs/page-sizes.md)")]
    [TestCase("drmemtrace.app.dir", "drmemtrace", "L0 assumed (docs/page-sizes.md)")]
    public void Info_tells_the_format_and_how_page_sizes_are_known(string name, string format, string pages)
    {
        string info = Run("trace", "info", Path.Combine(_folder, name)).Output;
        Assert.That(info, Does.Contain($"format      {format}\n").And.Contain($"page sizes  {pages}\n"));
    }

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = CliApplication.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }
}
