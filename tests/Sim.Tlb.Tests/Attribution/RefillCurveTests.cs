using Sim.Core.Traces;
using Sim.Tlb.Tests.Levels;

namespace Sim.Tlb.Tests.Attribution;

/// <summary>Misses by the accesses since a flush, by sequences made by hand. First level of two entries, second of eight, both LRU.</summary>
public sealed class RefillCurveTests
{
    private const ulong A = 0x1000;
    private const ulong B = 0x2000;
    private const ulong C = 0x3000;

    [Test]
    public void Misses_and_accesses_fall_into_power_of_two_buckets_of_the_accesses_since_the_flush([Values] bool oneBlock)
    {
        OneLane lane = Lane();
        lane.Access(A);
        lane.Access(B);
        lane.Apply(new InvvpidSingle(1));

        // A at 0 to 4 (walk), B at 5 (walk), A at 6, C at 7 (walk, takes B's place in the first level), B at 8 (second level).
        Play(lane, oneBlock, (A, 5), (B, 1), (A, 1), (C, 1), (B, 1));

        Assert.That(Points(lane, "accesses"), Is.EqualTo("0:1 1:1 2:2 4:4 8:1"));
        Assert.That(Points(lane, "l1_misses"), Is.EqualTo("0:1 4:2 8:1"));
        Assert.That(Points(lane, "walks"), Is.EqualTo("0:1 4:2"));
    }

    [Test]
    public void What_was_never_flushed_has_no_curve()
    {
        OneLane lane = Lane();
        lane.Access(A);
        lane.Apply(new InvvpidSingle(2));
        lane.Access(B);

        Assert.That(lane.Sheet().Series, Is.Empty);
    }

    [Test]
    public void Only_a_flush_of_the_same_context_begins_the_curve_anew()
    {
        OneLane lane = Lane();
        lane.Apply(new InvvpidSingle(1));
        Play(lane, true, (A, 1), (B, 1), (C, 1));
        lane.Apply(new InvvpidAddress(1, C));
        lane.Apply(new InvvpidSingle(2));
        lane.Access(C);
        Assert.That(Points(lane, "walks"), Is.EqualTo("0:1 1:1 2:2"), "the walk of the fourth access, at 3, is in the bucket of 2");

        lane.Apply(new InvvpidSingle(1));
        lane.Access(C);
        Assert.That(Points(lane, "walks"), Is.EqualTo("0:2 1:1 2:2"));
        Assert.That(Points(lane, "accesses"), Is.EqualTo("0:2 1:1 2:2"));
    }

    [Test]
    public void Each_kind_of_flush_and_each_level_has_its_own_curve()
    {
        OneLane lane = new(LaneProfile.FullyAssociative(2, 8), new MmuOptions(RefillCurve: true));
        TranslationContext host = OneLane.Process(0);
        TranslationContext guest = OneLane.Guest(1, 0, 0x9000);
        lane.Access(guest, A);
        lane.Access(host, A);
        lane.Apply(new InvvpidAll());
        lane.Access(guest, A);
        lane.Access(host, B);
        lane.Apply(new InvvpidSingle(1));
        lane.Access(guest, A);

        Assert.That(Points(lane, "walks", "level=1,invalidation=invvpid_all"), Is.EqualTo("0:1"));
        Assert.That(Points(lane, "walks", "level=1,invalidation=invvpid_single"), Is.EqualTo("0:1"));
        Assert.That(lane.Sheet().Series.Where(series => series.Label.StartsWith("level=0", StringComparison.Ordinal)), Is.Empty, "INVVPID does not reach VPID 0");
    }

    [Test]
    public void Statistics_are_the_same_with_and_without_it()
    {
        string[][] lines = [.. new[] { false, true }.Select(wanted =>
        {
            OneLane lane = Lane(wanted);
            Play(lane, true, (A, 5), (B, 1), (A, 1), (C, 1), (B, 1));
            lane.Apply(new InvvpidSingle(1));
            Play(lane, true, (B, 2), (A, 5), (C, 1));
            return lane.Lines();
        })];

        Assert.That(lines[1], Is.EqualTo(lines[0]));
    }

    private static OneLane Lane(bool curve = true)
    {
        OneLane lane = new(LaneProfile.FullyAssociative(2, 8), new MmuOptions(RefillCurve: curve));
        lane.SwitchTo(OneLane.Process(0, vpid: 1));
        return lane;
    }

    private static void Play(OneLane lane, bool oneBlock, params (ulong Address, uint Repeat)[] accesses)
    {
        if (!oneBlock)
        {
            foreach ((ulong address, uint repeat) in accesses)
            {
                lane.Access(address, AccessType.Read, repeat);
            }

            return;
        }

        // One access of another stretch stands before: a curve must not count it.
        TraceBlock block = new();
        block.AddAccess(0, A, AccessFlags.Pack(AccessType.Read), 1000);
        foreach ((ulong address, uint repeat) in accesses)
        {
            block.AddAccess(0, address, AccessFlags.Pack(AccessType.Read), repeat);
        }

        lane.Mmu.Translate(block, 1, block.AccessCount);
    }

    private static string Points(OneLane lane, string metric, string label = "level=0,invalidation=invvpid_single") =>
        string.Join(' ', lane.Sheet().Series.Single(series => series.Key == $"lane[0].refill.{metric}{{{label}}}").Points.Select(point => $"{point.X}:{point.Y}"));
}
