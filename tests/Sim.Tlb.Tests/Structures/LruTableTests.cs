using Sim.Core;

namespace Sim.Tlb.Tests.Structures;

/// <summary>The O(1) table behaves as a list from the most to the least recent entry.</summary>
public sealed class LruTableTests
{
    [TestCase(1)]
    [TestCase(2)]
    [TestCase(5)]
    [TestCase(64)]
    public void It_agrees_with_a_list(int capacity)
    {
        LruTable table = new(capacity);
        List<(ulong Key, ulong Value)> list = [];
        Rng rng = new(1);
        long fills = 0;
        long evictions = 0;
        for (int step = 0; step < 30_000; step++)
        {
            ulong key = 1 + rng.Below((ulong)(2 * capacity));
            int at = list.FindIndex(entry => entry.Key == key);
            switch (rng.Below(4))
            {
                case 0:
                    int slot = table.Touch(key);
                    Assert.That(slot >= 0, Is.EqualTo(at >= 0), $"step {step}");
                    if (at >= 0)
                    {
                        Assert.That(table.Value(slot), Is.EqualTo(list[at].Value));
                        table.Remove(slot);
                        list.RemoveAt(at);
                    }

                    break;
                case 1:
                    Assert.That(table.Touch(key) >= 0, Is.EqualTo(at >= 0), $"step {step}");
                    if (at >= 0)
                    {
                        (ulong Key, ulong Value) entry = list[at];
                        list.RemoveAt(at);
                        list.Insert(0, entry);
                    }

                    break;
                default:
                    table.Insert(key, (ulong)step);
                    if (at >= 0)
                    {
                        list.RemoveAt(at);
                    }
                    else
                    {
                        fills++;
                    }

                    list.Insert(0, (key, (ulong)step));
                    if (list.Count > capacity)
                    {
                        list.RemoveAt(capacity);
                        evictions++;
                    }

                    break;
            }

            Assert.That(table.Live, Is.EqualTo(list.Count));
        }

        Assert.That((table.Fills, table.Evictions), Is.EqualTo((fills, evictions)));
        Assert.That(list.TrueForAll(entry => table.Contains(entry.Key)), Is.True);
    }

    [Test]
    public void A_capacity_of_0_holds_nothing()
    {
        LruTable table = new(0);
        table.Insert(1, 1);
        Assert.That(table.Contains(1), Is.False);
        Assert.That((table.Live, table.Fills, table.Evictions), Is.EqualTo((0, 0L, 0L)));
    }
}
