using System.Text;
using Sim.Captures.Ftrace;
using Sim.Captures.HwLog;
using Sim.Core;

namespace Sim.Captures.Tests.HwLog;

[TestFixture]
internal sealed class HwLogReaderTests
{
    private const string Head = "7146944598 2593314762 1 G ";

    // One line of every type, from SAMPLES.txt; MOV_CR0, MOV_CR4 and INVPCID (which no recording has) after the README.
    [TestCase(
        "VMENTRY vmcs=223e5000 vpid=2 eptp=184cc05e cr3=70000 rip=200000 pin=ff cpu=b5a06dfa cpu2=21017eb intr=0 rvi=0 svi=0 pinv=f2 pid=18826500",
        "Vmentry Vmcs=0x223e5000 Vpid=0x2 Eptp=0x184cc05e Cr3=0x70000 Rip=0x200000 PinControls=0xff CpuControls=0xb5a06dfa CpuControls2=0x21017eb IntrInfo=0x0 Rvi=0x0 Svi=0x0 NotificationVector=0xf2 PiDescriptor=0x18826500")]
    [TestCase(
        "VMENTRY vmcs=223e5000 vpid=65535 eptp=0 cr3=70000 rip=200000 pin=ff cpu=b5a06dfa cpu2=21017eb intr=800000ec",
        "Vmentry Vmcs=0x223e5000 Vpid=0xffff Eptp=0x0 Cr3=0x70000 Rip=0x200000 PinControls=0xff CpuControls=0xb5a06dfa CpuControls2=0x21017eb IntrInfo=0x800000ec")]
    [TestCase(
        "VMEXIT reason=48 qual=82 vmcs=223e5000 vpid=12 eptp=184cc05e cr3=70000 rip=200000 gpa=70000 gla=200000 idtv=800000ec",
        "Vmexit Vmcs=0x223e5000 Vpid=0xc Eptp=0x184cc05e Cr3=0x70000 Rip=0x200000 Reason=0x30 Qualification=0x82 GuestPhysical=0x70000 Linear=0x200000 IdtVectoring=0x800000ec")]
    [TestCase(
        "VMEXIT reason=10 qual=0 vmcs=223e5000 vpid=2 eptp=184cc05e cr3=70000 rip=2002b8 eax=0 ecx=2",
        "Vmexit Vmcs=0x223e5000 Vpid=0x2 Eptp=0x184cc05e Cr3=0x70000 Rip=0x2002b8 Reason=0xa Qualification=0x0 Rax=0x0 Rcx=0x2")]
    [TestCase(
        "VMEXIT reason=31 qual=0 vmcs=223e5000 vpid=2 eptp=184cc05e cr3=70000 rip=200239 ecx=1b eax=0 edx=49656e69",
        "Vmexit Vmcs=0x223e5000 Vpid=0x2 Eptp=0x184cc05e Cr3=0x70000 Rip=0x200239 Reason=0x1f Qualification=0x0 Rax=0x0 Rcx=0x1b Rdx=0x49656e69")]
    [TestCase(
        "VMEXIT reason=1 qual=0 vmcs=223e5000 vpid=2 eptp=184cc05e cr3=70000 rip=20078b info=800000ec",
        "Vmexit Vmcs=0x223e5000 Vpid=0x2 Eptp=0x184cc05e Cr3=0x70000 Rip=0x20078b IntrInfo=0x800000ec Reason=0x1 Qualification=0x0")]
    [TestCase(
        "VMEXIT reason=18 qual=0 vmcs=2146f000 vpid=1 eptp=483f05e cr3=4910005 rip=ffffffff8109a4ea rax=a",
        "Vmexit Vmcs=0x2146f000 Vpid=0x1 Eptp=0x483f05e Cr3=0x4910005 Rip=0xffffffff8109a4ea Reason=0x12 Qualification=0x0 Rax=0xa")]
    [TestCase("VMPTRLD 23f14000 0 0", "Vmptrld Vmcs=0x23f14000")]
    [TestCase("INVEPT type=1 d0=184cc05e d1=0", "Invept Eptp=0x184cc05e InvalidationType=0x1 DescriptorLow=0x184cc05e DescriptorHigh=0x0")]
    [TestCase("INVVPID type=0 d0=2 d1=7f0000001000", "Invvpid Vpid=0x2 Linear=0x7f0000001000 InvalidationType=0x0 DescriptorLow=0x2 DescriptorHigh=0x7f0000001000")]
    [TestCase("INVPCID type=1 d0=5 d1=0", "Invpcid Linear=0x0 InvalidationType=0x1 DescriptorLow=0x5 DescriptorHigh=0x0")]
    [TestCase("G_INVEPT type=2 d0=0 d1=0", "GuestInvept Eptp=0x0 InvalidationType=0x2 DescriptorLow=0x0 DescriptorHigh=0x0")]
    [TestCase("G_INVVPID type=1 d0=1 d1=0", "GuestInvvpid Vpid=0x1 Linear=0x0 InvalidationType=0x1 DescriptorLow=0x1 DescriptorHigh=0x0")]
    [TestCase("INVLPG 7ffc7ed33000", "Invlpg Linear=0x7ffc7ed33000")]
    [TestCase("MOV_CR3 8000000004910005", "MovCr3 Value=0x8000000004910005")]
    [TestCase("MOV_CR0 80050033", "MovCr0 Value=0x80050033")]
    [TestCase("MOV_CR4 3706f0", "MovCr4 Value=0x3706f0")]
    [TestCase("WRMSR c0000103 0", "Wrmsr Value=0x0 Msr=0xc0000103")]
    [TestCase("EXC e err=14 cr2=4610d3", "Exception Vector=0xe ErrorCode=0x14 Cr2=0x4610d3")]
    [TestCase("HWINT ec rip=ffffffff81c960e6", "Interrupt Rip=0xffffffff81c960e6 Vector=0xec")]
    [TestCase("HLT", "Hlt")]
    [TestCase("MWAIT", "Mwait")]
    [TestCase("IPI_SEND f2 1 f2", "IpiSend Vector=0xf2 Destination=0x1 IcrLow=0xf2")]
    [TestCase(
        "PI_PROCESS nv=f2 pid=18826500 pir=0000000000000001:0000000000000002:0000000000000004:0000000000000008",
        "PiProcess NotificationVector=0xf2 PiDescriptor=0x18826500 Pir3=0x1 Pir2=0x2 Pir1=0x4 Pir0=0x8")]
    [TestCase("VINTR_DELIVER 41 7 0", "VirtualInterruptDeliver Svi=0x7 Vector=0x41")]
    [TestCase("VEOI 41 5 6", "VirtualEoi Rvi=0x6 Svi=0x5 Vector=0x41")]
    [TestCase("VSELF_IPI 41 42 43", "VirtualSelfIpi Rvi=0x42 Svi=0x43 Vector=0x41")]
    [TestCase("MARK cmd=1 arg=21 cpl=3 icount=2591154719 vmexits=338 ev=18221", "Mark Command=0x1 Argument=0x15 Cpl=0x3 VmexitCount=0x152 EventCount=0x472d")]
    [TestCase("MEMWINDOW_START mode=2 naccess=64M", "MemwindowStart WindowMode=0x2 Accesses=0x3d09000")]
    public void Every_event_type_parses_to_its_exact_fields(string line, string expected)
    {
        (List<HwRecord> records, HwLogReader reader) = Parse(Head + line + "\n");
        Assert.That(records, Has.Count.EqualTo(1));
        Assert.Multiple(() =>
        {
            Assert.That(records[0].ToString(), Is.EqualTo(expected));
            Assert.That((records[0].Ticks, records[0].Icount, records[0].Cpu, records[0].NonRoot), Is.EqualTo((7146944598UL, 2593314762UL, 1, true)));
            Assert.That(reader.Findings.Count(HwLogReader.UnknownEvent) + reader.Findings.Count(HwLogReader.UnknownField), Is.Zero);
        });
    }

    [Test]
    public void A_full_window_gives_addresses_under_the_last_context_and_time()
    {
        (List<HwRecord> records, _) = Parse(
            "100 90 1 G MEMWINDOW_START mode=1 naccess=6M\nC 1 G 3 vpid=2 eptp=b23805e cr3=800000 vmcs=b256000\nX 2004b2 ccb54b2\nF 1eff98 cca4f98 200000 swg\n" +
            "w 1eff98 cca4f98 8\nr 200908 ccb5908 4\nm 200908 ccb5908 2\n# MEMWINDOW_END seen=6000000 out=6516249\n# records in 6700591, kept 6519369\n");
        Assert.That(records.Select(r => r.ToString()).Skip(1), Is.EqualTo(new[]
        {
            "Context Vmcs=0xb256000 Vpid=0x2 Eptp=0xb23805e Cr3=0x800000 Cpl=0x3",
            "Fetch Linear=0x2004b2 Physical=0xccb54b2",
            "Walk Linear=0x1eff98 Physical=0xcca4f98 Size=0x200000 User=0x0 AccessType=0x1 Global=0x1",
            "Write Linear=0x1eff98 Physical=0xcca4f98 Size=0x8",
            "Read Linear=0x200908 Physical=0xccb5908 Size=0x4",
            "Modify Linear=0x200908 Physical=0xccb5908 Size=0x2",
            "MemwindowEnd Accesses=0x5b8d80 Records=0x636e19",
        }));
        Assert.That(records.All(r => r is { Ticks: 100, Icount: 90, Cpu: 1, NonRoot: true }), Is.True);
    }

    [Test]
    public void A_pages_window_gives_page_addresses()
    {
        (List<HwRecord> records, HwLogReader reader) = Parse(
            "100 90 0 G MEMWINDOW_START mode=2 naccess=4M\nC 0 R 0 vpid=0 eptp=0 cr3=4bfa002 vmcs=0\nX ffffffffc0390 23cfd\nR 1ef 106bc\nW fffffffffffff 1\n");
        Assert.That(records.Select(r => r.ToString()).Skip(2), Is.EqualTo(new[]
        {
            "Fetch Linear=0xffffffffc0390000 Physical=0x23cfd000",
            "Read Linear=0x1ef000 Physical=0x106bc000",
            "Write Linear=0xfffffffffffff000 Physical=0x1000",
        }));
        Assert.That(reader.Findings.Count(HwLogReader.MissingTrailer), Is.EqualTo(1));
    }

    [TestCase("", "a record", Description = "empty line")]
    [TestCase("100 90", "the CPU as a decimal number")]
    [TestCase("100 90 0 X HLT", "mode R or G")]
    [TestCase("100 90 256 R HLT", "a CPU number below 256")]
    [TestCase("100 x 0 R HLT", "the instruction count as a decimal number")]
    [TestCase("99999999999999999999 90 0 R HLT", "the ticks as a decimal number")]
    [TestCase("100 90 0 R halt", "an event type in capitals")]
    [TestCase("100 90 0 R ", "an event type in capitals")]
    [TestCase("100 90 0 R INVEPT type=1 d0=184cc05e", "the field d1=")]
    [TestCase("100 90 0 R INVEPT type=1 d0=184cc05e d0=1 d1=0", "each field once")]
    [TestCase("100 90 0 R INVEPT type=1 d0=184cc05g d1=0", "a space after the number")]
    [TestCase("100 90 0 R INVEPT type=a d0=1 d1=0", "a decimal number")]
    [TestCase("100 90 0 R INVEPT type=1 d0=11112222333344445 d1=0", "a hexadecimal number")]
    [TestCase("100 90 0 R VMPTRLD 23f14000 0", "value 3")]
    [TestCase("100 90 0 R VMPTRLD 23f14000 0 0 0", "name=value")]
    [TestCase("100 90 0 R HLT now", "name=value")]
    [TestCase("100 90 0 G PI_PROCESS nv=f2 pid=1 pir=0:0:0", "four quadwords")]
    [TestCase("100 90 0 R MEMWINDOW_START mode=3 naccess=4M", "mode=1 or mode=2")]
    [TestCase("R 1ef 106bc", "MEMWINDOW_START before the first access")]
    [TestCase("X 1ef 106bc", "MEMWINDOW_START before the first access")]
    [TestCase("r 1ef 106bc 8", "MEMWINDOW_START before the first access")]
    [TestCase("100 90 0 G MEMWINDOW_START mode=1 naccess=1\nR 1ef 106bc", "accesses of a window with mode=1")]
    [TestCase("100 90 0 G MEMWINDOW_START mode=2 naccess=1\nr 1ef 106bc 8", "accesses of a window with mode=2")]
    [TestCase("100 90 0 G MEMWINDOW_START mode=2 naccess=1\nR 10000000000000 1", "page numbers of at most 52 bits")]
    [TestCase("100 90 0 G MEMWINDOW_START mode=2 naccess=1\nR 1ef", "a physical address")]
    [TestCase("100 90 0 G MEMWINDOW_START mode=2 naccess=1\nR 1ef 1 1", "the end of the line")]
    [TestCase("F 1eff98 cca4f98 200000 sw", "[us][rwx][g-]")]
    [TestCase("C 0 G 0 vpid=2 eptp=b23805e cr3=800000", "the field vmcs=")]
    [TestCase("Q 1 2", "an event (ticks first)")]
    [TestCase("RR 1 2", "an event (ticks first)")]
    [TestCase("# MEMWINDOW_END seen=1", "out=")]
    [TestCase("#00 1 0 R HLT", "an event (ticks first)")]
    public void A_malformed_line_is_an_error_that_names_line_and_expectation(string text, string expected)
    {
        TraceFormatException error = Assert.Throws<TraceFormatException>(() => Parse("1 1 0 R HLT\n" + text + "\n"))!;
        int line = text.Contains('\n', StringComparison.Ordinal) ? 3 : 2;
        Assert.That(error.Message, Does.StartWith($"test: line {line}: expected ").And.Contain(expected));
    }

    [Test]
    public void A_last_line_without_its_end_is_an_error()
    {
        TraceFormatException error = Assert.Throws<TraceFormatException>(() => Parse("1 1 0 R HLT\n2 2 0 R MWAIT"))!;
        Assert.That(error.Message, Does.Contain("line 2").And.Contain("cut short"));
    }

    [Test]
    public void Time_that_goes_back_is_an_error()
    {
        TraceFormatException error = Assert.Throws<TraceFormatException>(() => Parse("5 1 0 R HLT\n5 1 1 R HLT\n4 1 0 R HLT\n"))!;
        Assert.That(error.Message, Does.Contain("line 3: expected a time of at least 5, found 4").And.Contain("one behind the other"));
    }

    [Test]
    public void Unknown_types_and_fields_are_counted_and_skipped()
    {
        (List<HwRecord> records, HwLogReader reader) = Parse("1 1 0 R NEW_THING x=1\n2 2 0 R NEW_THING x=1\n3 3 0 R INVEPT type=2 d0=0 why=me d1=0\n");
        Assert.Multiple(() =>
        {
            Assert.That(records.Single().ToString(), Is.EqualTo("Invept Eptp=0x0 InvalidationType=0x2 DescriptorLow=0x0 DescriptorHigh=0x0"));
            Assert.That(reader.Findings.All, Is.EqualTo(new Finding[]
            {
                new(Severity.DataLoss, HwLogReader.UnknownEvent, "NEW_THING", 2, 1),
                new(Severity.Warning, HwLogReader.UnknownField, "why", 1, 3),
            }));
        });
    }

    internal static (List<HwRecord> Records, HwLogReader Reader) Parse(string text)
    {
        using HwLogReader reader = new(new MemoryStream(Encoding.UTF8.GetBytes(text)), "test");
        List<HwRecord> records = [];
        HwRecord record = default;
        while (reader.Read(ref record))
        {
            records.Add(record);
        }

        return (records, reader);
    }
}
