using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Workloads.Footprints;

namespace Sim.Workloads.Tests.Footprints;

/// <summary>Footprint files: what is written is read back, and what is wrong is said with its place.</summary>
[TestFixture]
internal sealed class FootprintFileTests
{
    private static readonly FootprintModel Model = new(
        "small",
        "two kinds of stay",
        Vendor.Intel,
        "6.12",
        [new FootprintSource("win1.pages.txt.xz", "ab12", 278, 1079)],
        new LevelPages([0x7f, 0xffff8880001ff], [], [0x12, 0x10]),
        new LevelPages([0x400], [0x401], []),
        [
            new StayFootprint(
                new StayKey(0, 2, 48, NestedStep.Exit, 1, null, false), 40, 512, [new PageTouch(1, AccessType.Execute, 40), new PageTouch(0, AccessType.Write, 3)], new([], 0), new([5, 1, 0, 2], 4)),
            new StayFootprint(new StayKey(1, 2, 48, NestedStep.None, uint.MaxValue, 48, true), 2, 0, [new PageTouch(0, AccessType.Read, 2)], new([1], 0), new([], 0)),
        ]);

    [Test]
    public void A_model_that_is_written_and_read_gives_the_same_bytes_again()
    {
        string text = FootprintFile.ToText(Model);
        FootprintModel read = Read(text);
        Assert.That(FootprintFile.ToText(read), Is.EqualTo(text));
        Assert.That(text, Does.Contain("\"pages\": \"X1 W0:3\"").And.Contain("\"depths\": \"5 1 0 2\"").And.Contain("\"known\": \"7f ffff8880001ff\""));
        Assert.That((read.Stays[1].Key, read.Stays[0].Data.Total), Is.EqualTo((Model.Stays[1].Key, 8)));
        Assert.That(read.L0.FreshData, Is.EqualTo(new ulong[] { 0x12, 0x10 }), "the order of first touches is kept");
    }

    [TestCase("\"schema\": 1", "\"schema\": 2", "from 1 to 1, found 2")]
    [TestCase("X1 W0:3", "X2 W0:3", "found 'X2'")]
    [TestCase("X1 W0:3", "X1 W0:41", "found 'W0:41'")]
    [TestCase("X1 W0:3", "X1 W0:0", "found 'W0:0'")]
    [TestCase("X1 W0:3", "X1 Q0:3", "found 'Q0:3'")]
    [TestCase("X1 W0:3", "X1 W", "found 'W'")]
    [TestCase("7f ffff8880001ff", "7f 10000000000000", "found '10000000000000'")]
    [TestCase("\"writes\": 4", "\"writes\": 9", "at most the 8 touches")]
    [TestCase("5 1 0 2", "5 -1 0 2", "found '5 -1 0 2'")]
    [TestCase("\"nested\": \"exit\"", "\"nested\": \"out\"", "one of none, entry, exit, found 'out'")]
    [TestCase("\"interrupted\": true", "\"interupted\": true", "'interrupted' is missing")]
    [TestCase("\"vendor\": \"intel\"", "\"vendor\": \"via\"", "found 'via'")]
    public void What_is_wrong_is_said_with_the_line(string good, string bad, string said)
    {
        string text = FootprintFile.ToText(Model).Replace(good, bad, StringComparison.Ordinal);
        int line = text[..text.IndexOf(bad, StringComparison.Ordinal)].Split('\n').Length;
        string message = Assert.Throws<ConfigurationException>(() => Read(text))!.Message;
        Assert.That(message, Does.Contain(said).And.Contain("small.json:"));
        Assert.That(message, Does.Contain($"small.json:{line}:").Or.Contain("is missing"));
    }

    [Test]
    public void A_kind_of_stay_that_comes_twice_is_an_error()
    {
        FootprintModel twice = Model with { Stays = [Model.Stays[0], Model.Stays[0]] };
        Assert.That(() => Read(FootprintFile.ToText(twice)), Throws.TypeOf<ConfigurationException>().With.Message.Contains("found one twice"));
    }

    private static FootprintModel Read(string text)
    {
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"footprints-{Guid.NewGuid():N}.json");
        try
        {
            File.WriteAllText(path, text);
            return FootprintFile.Read(path, "small.json");
        }
        finally
        {
            File.Delete(path);
        }
    }
}
