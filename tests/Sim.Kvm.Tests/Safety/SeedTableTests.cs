using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Kvm.Tests.Machines;

namespace Sim.Kvm.Tests.Safety;

/// <summary>
/// The seed thread's patch as a table: what the entry with a given vpid12, and the exit after it, request and flush, how many shadow pages are synced, and how often an old translation is used. L1 has changed
/// one page of L2's table while L2 did not run, and executed no INVVPID.
/// </summary>
[TestFixture]
public sealed class SeedTableTests
{
    private const ulong P = 0x10000;

    // policy, L0 EPT, L1 EPT, vpid12: entry | exit as "flush requests; hardware invalidations; pages synced; wrong uses".
    [TestCase("kvm-5.8", true, true, "changed", "-; invvpid_single x1; 0; 0", "-; -; 0; 0")]
    [TestCase("kvm-5.14", true, true, "changed", "-; invvpid_single x1; 0; 0", "-; -; 0; 0")]
    [TestCase("kvm-5.16", true, true, "changed", "guest; invvpid_single x1; 0; 0", "-; -; 0; 0")]
    [TestCase("kvm-6.12", true, true, "changed", "guest; invvpid_single x1; 0; 0", "-; -; 0; 0")]
    [TestCase("kvm-6.12", true, true, "same", "-; -; 0; 0", "-; -; 0; 0")]
    [TestCase("kvm-6.12", true, true, "off", "guest; invvpid_single x1; 0; 0", "guest; invvpid_single x1; 0; 0")]
    [TestCase("never", true, true, "changed", "-; -; 0; 1", "-; -; 0; 0")]
    [TestCase("never", true, true, "off", "-; -; 0; 1", "-; -; 0; 0")]
    [TestCase("never", true, true, "same", "-; -; 0; 0", "-; -; 0; 0")]
    [TestCase("kvm-5.8", true, false, "changed", "-; invvpid_single x1; 0; 0", "-; -; 0; 0")]
    [TestCase("kvm-5.14", true, false, "changed", "-; invvpid_single x1; 0; 0", "-; -; 0; 0")]
    [TestCase("kvm-6.12", true, false, "changed", "guest; invvpid_single x1; 0; 0", "-; -; 0; 0")]
    [TestCase("always-current", true, false, "changed", "current; invept_single x1; 0; 0", "current; invept_single x1; 0; 0")]
    [TestCase("always-guest", true, false, "same", "guest; invvpid_single x1; 0; 0", "guest; invvpid_single x1; 0; 0")]
    [TestCase("kvm-5.8", false, false, "same", "-; -; 0; 0", "-; -; 0; 0")]
    [TestCase("kvm-5.8", false, false, "changed", "-; invvpid_single x1; 0; 1", "-; -; 0; 0")]
    [TestCase("kvm-5.14", false, false, "changed", "-; invvpid_single x1; 0; 1", "-; -; 0; 0")]
    [TestCase("kvm-5.14", false, false, "new-then-old", "-; invvpid_single x1; 0; 0", "-; -; 0; 0")]
    [TestCase("kvm-5.16", false, false, "changed", "all, guest; invvpid_all x1, invvpid_single x1; 1; 0", "-; -; 0; 0")]
    [TestCase("kvm-6.12", false, false, "changed", "all, guest; invvpid_all x1, invvpid_single x1; 1; 0", "-; -; 0; 0")]
    [TestCase("kvm-6.12", false, false, "same", "-; -; 0; 0", "-; -; 0; 0")]
    [TestCase("always-current", false, false, "changed", "current; invvpid_single x1; 0; 1", "current; invvpid_single x1; 0; 0")]
    [TestCase("always-guest", false, false, "changed", "all, guest; invvpid_all x1, invvpid_single x1; 1; 0", "guest; invvpid_single x1; 0; 0")]
    [TestCase("never", false, false, "changed", "-; -; 0; 1", "-; -; 0; 0")]
    public void Entry_and_exit_request_flush_sync_and_use_what_the_table_says(string policy, bool l0Ept, bool l1Ept, string vpid12, string entry, string exit)
    {
        ulong eptp12 = l1Ept ? 0x70000ul : 0;
        uint before = vpid12 == "off" ? Script.NoVpid : 1;
        Script script = new Script(policy, l0Ept).L1().RoundTrips(2, vpid12: before, eptp12: eptp12).NestedEnter(vpid12: before, eptp12: eptp12).Touch(P).NestedExit();
        if (vpid12 == "new-then-old")
        {
            script.RoundTrips(1, vpid12: 2, eptp12: eptp12);
        }

        script.Change(MapTable.L2, P);
        uint now = vpid12 switch { "changed" => 2, "off" => Script.NoVpid, _ => 1 };
        script.Machine.RestartSafety();
        Assert.That(Phase(script, s => s.NestedEnter(vpid12: now, eptp12: eptp12).Touch(P)), Is.EqualTo(entry));
        Assert.That(Phase(script, s => s.NestedExit()), Is.EqualTo(exit));
    }

    private static string Phase(Script script, Action<Script> run)
    {
        script.Issued();
        StatSheet before = script.Stats;
        long wrong = Wrong(script);
        run(script);
        StatSheet since = script.Stats.Since(before);
        string requests = string.Join(", ", since.Stats.Where(stat => stat.Path == "flush.requests" && stat.Value != 0)
            .Select(stat => stat.Label.Split(',')[0]["request=".Length..]).Distinct().Order(StringComparer.Ordinal));
        string issued = script.Issued();
        return $"{(requests.Length == 0 ? "-" : requests)}; {(issued.Length == 0 ? "-" : issued)}; {since["mmu.synced_pages"]}; {Wrong(script) - wrong}";
    }

    private static long Wrong(Script script) => script.Machine.Safety!.Incidents.Sum(incident => incident.Count);
}
