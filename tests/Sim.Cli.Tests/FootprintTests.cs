using System.Globalization;
using System.Text;

namespace Sim.Cli.Tests;

/// <summary><c>trace footprint</c>, <c>trace weave --events</c> and <c>validate footprints</c> on traces written by hand.</summary>
public sealed class FootprintTests
{
    private const string Header = """
        nestsim-trace text 1.0
        header {"lanes":1,"folded":false,"cyclesPerRecordTick":"1/1","addresses":"linear","properties":{"source":"test"}}

        """;

    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void A_recording_with_accesses_teaches_what_a_recording_without_lacks()
    {
        string model = Path.Combine(_folder, "mine.json");
        (int learned, _, string told) = Run("trace", "footprint", Nested("real.txt", 3, withAccesses: true), "-o", model, "--kernel", "6.12");
        Assert.That((learned, told), Is.EqualTo((0, $"{model}: 3 kinds of stay from 10 stays, 3 known pages of L0 and 1 of L1\n")));

        string woven = Path.Combine(_folder, "woven.txt");
        (int code, _, string error) = Run("trace", "weave", Program(), woven, "--events", Nested("events.txt", 5, withAccesses: false), "--footprints", model, "fold=off");
        Assert.That((code, error), Is.EqualTo((0, $"{woven}: 76 records, 20 accesses of L2, 5 of L1, 17 of L0, 16 stays of L0 and L1, 11 nested transitions, program begun 1 times\n"
            + "warning: 1 stays have no accesses, because the exit that began them was not recorded\n")));
        string[] accesses = [.. File.ReadLines(woven).Where(line => line.Contains(" R 0x", StringComparison.Ordinal) || line.Contains(" X 0x", StringComparison.Ordinal)).Select(line => line.Split(' ')[3])];
        Assert.That(accesses.Count(address => address == "0x1000"), Is.EqualTo(5), "L0 reflects");
        Assert.That(accesses.Count(address => address == "0x5000"), Is.EqualTo(5), "L1 handles");
        Assert.That(accesses.Count(address => address == "0x3000"), Is.EqualTo(6), "L0 enters L2");
        Assert.That(Run("trace", "verify", woven).Output, Does.Contain("0 errors, 0 warnings"));
    }

    [Test]
    public void A_tick_of_two_and_a_half_cycles_lengthens_the_trace()
    {
        string events = Nested("events.txt", 5, withAccesses: false);
        string woven = Path.Combine(_folder, "woven.nst");
        Assert.That(Run("trace", "weave", Program(), woven, "--events", events, "--cycles-per-tick", "2.5", "-q").Code, Is.Zero);
        Assert.That(Run("trace", "info", woven).Output, Does.Match(@"time +0 to 1,575 reference cycles"), "630 ticks");
        Assert.That(Run("trace", "info", woven).Output, Does.Contain("footprints = kvm-6.12-vmx").And.Contain("l2 source = test"));
    }

    [Test]
    public void An_exit_that_the_footprints_lack_is_warned_about()
    {
        string model = Path.Combine(_folder, "mine.json");
        Run("trace", "footprint", Nested("real.txt", 3, withAccesses: true), "-o", model);
        string events = Nested("events.txt", 4, withAccesses: false, reason: 30);
        string error = Run("trace", "weave", Program(), Path.Combine(_folder, "w.nst"), "--events", events, "--footprints", model).Error;
        Assert.That(error, Does.Contain(
            "warning: 8 stays follow an exit whose family the footprints do not have; the nearest were taken:\n"
            + "  L0 after IO_INSTRUCTION of L2, nested exit, to L1: that of L0 after CPUID of L2, nested exit, to L1, 4 times\n"
            + "  L1 after IO_INSTRUCTION of L2 until VMRESUME, for IO_INSTRUCTION: that of L1 after CPUID of L2 until VMRESUME, for CPUID, 4 times\n"));
        string foreign = Run("trace", "weave", Program(), Path.Combine(_folder, "w.nst"), "--events", Nested("svm.txt", 4, withAccesses: false, reason: 0x72), "--footprints", model).Error;
        Assert.That(foreign, Does.Contain("warning: 8 stays follow exits of the other vendor's virtualization").And.Contain("of the same family were taken"));
    }

    [TestCase("--cycles-per-tick 0", "above 0, at most 1000")]
    [TestCase("--cycles-per-tick 1.2345", "at most three decimals")]
    [TestCase("--l2-limit 0", "--l2-limit: expected a number of accesses above 0")]
    [TestCase("--footprints kvm-6.13-vmx", "Unknown footprints 'kvm-6.13-vmx'. Did you mean kvm-6.12-vmx?")]
    [TestCase("--footprints nowhere.json", "There is no footprint file 'nowhere.json'")]
    [TestCase("every=1000", "only the keys seed and fold are used")]
    [TestCase("--handlers x.nst", "Give one of them")]
    public void Options_that_make_no_sense_with_events_are_refused(string options, string said)
    {
        string woven = Path.Combine(_folder, "w.nst");
        (int code, _, string error) = Run(["trace", "weave", Program(), woven, "--events", Nested("e.txt", 2, withAccesses: false), .. options.Split(' ')]);
        Assert.That(error, Does.Contain(said));
        Assert.That((code, File.Exists(woven)), Is.EqualTo((2, false)));
    }

    [TestCase("--footprints kvm-6.12-vmx")]
    [TestCase("--cycles-per-tick 2")]
    [TestCase("--l2-limit 20")]
    public void Options_of_events_need_them(string options) =>
        Assert.That(Run(["trace", "weave", Program(), Path.Combine(_folder, "w.nst"), .. options.Split(' ')]).Error, Does.Contain($"{options.Split(' ')[0]} needs --events"));

    [Test]
    public void Nothing_can_be_learned_from_events_alone_nor_validated_with_one_recording()
    {
        string events = Nested("e.txt", 2, withAccesses: false);
        string model = Path.Combine(_folder, "mine.json");
        Assert.That(Run("trace", "footprint", events, "-o", model).Error, Does.Contain("has no memory accesses of L0 or L1"));
        Assert.That(File.Exists(model), Is.False);
        Assert.That(Run("trace", "footprint", "-", "-o", model).Error, Does.Contain("a pipe can be read only once"));
        Assert.That(Run("validate", "footprints", Nested("r.txt", 2, withAccesses: true)).Error, Does.Contain("at least two recordings"));
    }

    [Test]
    public void Equal_recordings_predict_each_other_without_error_in_table_and_CSV()
    {
        string csv = Path.Combine(_folder, "v.csv");
        (int code, string output, _) = Run("validate", "footprints", Nested("a.txt", 20, true), Nested("b.txt", 10, true), "--policies", "always-guest", "--csv", csv);
        Assert.That(code, Is.Zero);

        // One page of L1 is flushed at each of 9 nested exits and cold before; L0's are never flushed.
        Assert.That(output, Does.Match(@"(?m)^always-guest +20 +\S+ +\S+ += +\S+ +\S+ += +0\.450 +0\.450 +=$").And.Match(@"(?m)^CPUID +10 .* +0\.900 +0\.900 +=$"));
        Assert.That(File.ReadLines(csv).Count(), Is.EqualTo(1 + 4));
        Assert.That(File.ReadLines(csv).Last(), Does.StartWith("b.txt,always-guest,10,10,20,").And.EndWith(",9,9"));
    }

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        StringWriter output = new();
        StringWriter error = new();
        int code = CliApplication.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }

    // 200 reads, 5 cycles apart.
    private string Program()
    {
        StringBuilder text = new(Header);
        for (int i = 0; i < 200; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"0 @{5 * i} R 0x{0x400000 + (i << 12):x}\n");
        }

        return Write("program.txt", text.Append("end 200\n").ToString());
    }

    // Round trips of 120 ticks: L2 runs 20 of them. L0 touches one page while it reflects and one while it resumes, L1 touches one.
    private string Nested(string name, int roundTrips, bool withAccesses, int reason = 10)
    {
        StringBuilder text = new(Header);
        int records = 0;
        int time = 0;
        Add("VmEnter level=0 kind=L0ToL1 vcpu=0", 0);
        Add("VmExit level=1 kind=L1ToL0 vcpu=0 reason=24", 10);
        Resume();
        for (int i = 0; i < roundTrips; i++)
        {
            Add($"VmExit level=2 kind=L2ToL0 vcpu=0 reason={reason}", 20);
            Touch("X 0x1000", 10);
            Add($"VmExit level=2 kind=L2ToL1 vcpu=0 reason={reason}", 10);
            Add("VmEnter level=0 kind=L0ToL1 vcpu=0", 10);
            Touch("R 0x5000", 30);
            Add("VmExit level=1 kind=L1ToL0 vcpu=0 reason=24", 20);
            Resume();
        }

        return Write(name, text.Append(CultureInfo.InvariantCulture, $"end {records}\n").ToString());

        void Resume()
        {
            Add("VmEnter level=1 kind=L1ToL2 vcpu=0 vmcs=0x5000 vpid=1 eptp=0x605e controls=3", 5);
            Touch("R 0x3000", 5);
            Touch("X 0x4000", 5);
            Add("VmEnter level=0 kind=L0ToL2 vcpu=0", 5);
        }

        void Add(string record, int ticks)
        {
            time += ticks;
            text.Append(CultureInfo.InvariantCulture, $"0 @{time} {record}\n");
            records++;
        }

        void Touch(string access, int ticks)
        {
            time += ticks;
            if (withAccesses)
            {
                text.Append(CultureInfo.InvariantCulture, $"0 @{time} {access}\n");
                records++;
            }
        }
    }

    private string Write(string name, string text)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }
}
