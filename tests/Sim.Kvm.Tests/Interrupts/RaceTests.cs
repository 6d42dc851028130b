using System.Diagnostics;
using Sim.Kvm.Interrupts;
using Sim.Kvm.Tests.Machines;

namespace Sim.Kvm.Tests.Interrupts;

[TestFixture]
internal sealed class RaceTests
{
    [Test]
    public void Print()
    {
        foreach ((string race, _) in RaceTable.Races)
        {
            foreach (string path in Bench.PathNames)
            {
                Stopwatch clock = Stopwatch.StartNew();
                foreach (RaceRow row in RaceTable.Rows(race, path, Bench.Path(path), Bench.VendorOf(path) == Sim.Core.Profiles.Vendor.Amd ? Profiles.TextbookAmd : Profiles.Textbook))
                {
                    ExploredSchedules e = row.Explored;
                    TestContext.Out.WriteLine($"{race,-22} {path,-14} {row.Sender,-9} {row.Rule,-26} {e.Schedules,9} {e.States,7} {e.Ends,5} {e.WrongEnds,5} {e.Endless,5} {e.Story.Count} {clock.ElapsedMilliseconds} ms");
                    if (row.IsCorrect && e.WrongEnds > 0) TestContext.Out.WriteLine("   " + string.Join("\n   ", e.Story));
                    clock.Restart();
                }
            }
        }
    }
}
