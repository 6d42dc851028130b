using Sim.Core;
using Sim.Reports.Timelines;

namespace Sim.Reports.Tests.Timelines;

/// <summary>The bytes of the Trace Event Format. 3 GHz: 3000 cycles are a microsecond.</summary>
public sealed class ChromeTraceWriterTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Each_kind_of_event_has_the_members_that_the_format_asks_for()
    {
        string[] lines = Write(3_000_000, writer =>
        {
            writer.Thread(2, "lane 2");
            writer.Slice(2, "L2", "guest", 3_000, 4_500, ("vcpu", "0"));
            writer.Instant(2, "invept", "flush", 6_000);
            writer.Moment(2, "warm", "mark", 6_000);
            writer.Counter("entries", 9_000, ("L1", 7), ("L2", 0));
            writer.FlowBegins(2, "interrupt", 5, 9_000);
            writer.FlowEnds(3, "interrupt", 5, 12_000);
        }).Replace("},{\"ph\"", "}\n{\"ph\"", StringComparison.Ordinal).Split('\n');

        Assert.That(lines, Is.EqualTo(new[]
        {
            """{"displayTimeUnit":"ns","traceEvents":[{"ph":"M","pid":1,"tid":0,"name":"process_name","args":{"name":"title"}}""",
            """{"ph":"M","pid":1,"tid":2,"name":"thread_name","args":{"name":"lane 2"}}""",
            """{"ph":"X","pid":1,"tid":2,"ts":1,"name":"L2","cat":"guest","dur":0.5,"args":{"cycle":3000,"vcpu":"0"}}""",
            """{"ph":"i","pid":1,"tid":2,"ts":2,"name":"invept","cat":"flush","s":"t","args":{"cycle":6000}}""",
            """{"ph":"i","pid":1,"tid":2,"ts":2,"name":"warm","cat":"mark","s":"g","args":{"cycle":6000}}""",
            """{"ph":"C","pid":1,"tid":0,"ts":3,"name":"entries","cat":"counter","args":{"L1":7,"L2":0}}""",
            """{"ph":"s","pid":1,"tid":2,"ts":3,"name":"interrupt","cat":"flow","id":5}""",
            """{"ph":"f","pid":1,"tid":3,"ts":4,"name":"interrupt","cat":"flow","id":5,"bp":"e"}]}""",
            "",
        }));
    }

    [Test]
    public void Slices_that_follow_each_other_touch_although_their_times_are_rounded()
    {
        // A third of a nanosecond each: 7 and 11 cycles are 2.333333... and 3.666666... ns, that is 0.002333 and 0.003667 microseconds.
        string text = Write(3_000_000, writer =>
        {
            writer.Slice(0, "a", "x", 7, 11);
            writer.Slice(0, "b", "x", 11, 12);
        });

        Assert.That(text, Does.Contain("\"ts\":0.002333,\"name\":\"a\",\"cat\":\"x\",\"dur\":0.001334,").And.Contain("\"ts\":0.003667,\"name\":\"b\",\"cat\":\"x\",\"dur\":0.000333,"));
    }

    [Test]
    public void Labels_are_one_inert_line_and_never_markup() =>
        Assert.That(Write(1, writer => writer.Instant(0, "a\u202E\n</script>", "x", 0, ("k", "\"<"))), Does.Contain(@"a\\u202e\\u000a\u003C/script\u003E").And.Contain(@"""k"":""\u0022\u003C"""));

    [Test]
    public void A_file_that_is_not_completed_is_not_there()
    {
        using (ChromeTraceWriter writer = new(At("t.json"), "title", 1_000))
        {
            for (ulong at = 0; at < 10_000; at++)
            {
                writer.Instant(0, "many, so that some are on the disk already", "x", at);
            }
        }

        Assert.That(Directory.EnumerateFileSystemEntries(_folder), Is.Empty);
    }

    [Test]
    public void A_place_that_cannot_be_written_is_the_users_mistake() =>
        Assert.That(() => new ChromeTraceWriter(At("none", "t.json"), "title", 1_000), Throws.TypeOf<ConfigurationException>().With.Message.Contains("The timeline"));

    private string Write(long kilohertz, Action<ChromeTraceWriter> events)
    {
        using (ChromeTraceWriter writer = new(At("t.json"), "title", kilohertz))
        {
            events(writer);
            writer.Complete();
        }

        return File.ReadAllText(At("t.json"));
    }

    private string At(params string[] names) => Path.Combine([_folder, .. names]);
}
