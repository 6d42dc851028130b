using Sim.Core.Traces;

namespace Sim.Kvm.Tests.Machines;

/// <summary>L1's INVVPID and INVEPT as L0 emulates them (docs/rules.md#invvpid-and-invept), and paging instructions under shadow paging (docs/rules.md#guest-flushes).</summary>
[TestFixture]
public sealed class EmulationTests
{
    [TestCase("kvm-4.2", 1, "")]
    [TestCase("kvm-4.4", 0, "invept_single x1, invvpid_single x1")]
    [TestCase("kvm-4.4", 1, "invept_single x1, invvpid_single x1")]
    [TestCase("kvm-4.20", 0, "invvpid_address x1")]
    [TestCase("kvm-4.20", 1, "invvpid_single x1")]
    [TestCase("kvm-6.12", 0, "invvpid_address x1")]
    [TestCase("kvm-6.12", 1, "invvpid_single x1")]
    [TestCase("kvm-6.12", 2, "invvpid_single x1")]
    [TestCase("kvm-6.12", 3, "invvpid_single x1")]
    public void Invvpid_of_L1_acts_on_vpid02(string policy, int type, string expected)
    {
        Script script = new Script(policy).L1().RoundTrips(2);
        script.Issued();
        script.Event(TraceEvent.Invvpid(0, 1, (byte)type, 1, 0x1000));
        Assert.That(script.Issued(), Is.EqualTo(expected));
    }

    [Test]
    public void Invvpid_of_vpid12_zero_is_a_VMfail_and_flushes_nothing_but_all_contexts_needs_no_VPID()
    {
        Script script = new Script("kvm-6.12").L1().RoundTrips(2);
        script.Issued();
        script.Event(TraceEvent.Invvpid(0, 1, 1, 0));
        Assert.That((script.Issued(), script.Stats["vm.vmfails"]), Is.EqualTo(("", 1L)));
        script.Event(TraceEvent.Invvpid(0, 1, 2, 0));
        Assert.That((script.Issued(), script.Stats["vm.vmfails"]), Is.EqualTo(("invvpid_single x1", 1L)));
    }

    [Test]
    public void A_pool_of_VPIDs_flushes_only_the_one_that_L1_names()
    {
        Script script = new Script("vpid02-per-vpid12", pool: 2).L1().RoundTrips(1, 0x5000, 1, 0x70000).RoundTrips(1, 0x6000, 2, 0x80000);
        script.Issued();
        script.Event(TraceEvent.Invvpid(0, 1, 1, 3));
        Assert.That(script.Issued(), Is.Empty, "no real VPID stands for vpid12 3");
        script.Event(TraceEvent.Invvpid(0, 1, 1, 2));
        Assert.That(script.Issued(), Is.EqualTo("invvpid_single x1"));
        script.Event(TraceEvent.Invvpid(0, 1, 2, 0));
        Assert.That(script.Issued(), Is.EqualTo("invvpid_single x2"));
    }

    [TestCase("kvm-4.4", "invept_single x1, invvpid_single x1")]
    [TestCase("kvm-6.12", "")]
    public void Invept_of_L1_flushes_at_once_until_4_20_and_at_the_next_nested_entry_since_5_8(string policy, string atOnce)
    {
        Script script = new Script(policy).L1().RoundTrips(2);
        script.Issued();
        script.ExitAndReenter(TransitionKind.L1ToL0, s => s.Event(TraceEvent.Invept(0, 1, 1, 0x70000)));
        Assert.That(script.Issued(), Is.EqualTo(atOnce));
        if (policy == "kvm-6.12")
        {
            script.RoundTrips(1);
            Assert.That(script.Issued(), Is.EqualTo("invept_single x1"), "the root was dropped and is loaded, synced and flushed");
            script.RoundTrips(1);
            Assert.That(script.Issued(), Is.Empty);
        }
    }

    [Test]
    public void Invept_of_another_EPTP12_costs_this_one_nothing_and_type_2_costs_all()
    {
        Script script = new Script("kvm-6.12").L1().RoundTrips(2);
        script.Issued();
        script.Event(TraceEvent.Invept(0, 1, 1, 0x90000)).RoundTrips(1);
        Assert.That(script.Issued(), Is.Empty);
        script.Event(TraceEvent.Invept(0, 1, 2, 0)).RoundTrips(1);
        Assert.That(script.Issued(), Is.EqualTo("invept_single x1"));
    }

    [Test]
    public void A_fifth_EPTP12_costs_a_root_load_and_four_do_not()
    {
        Script script = new Script("kvm-6.12").L1();
        for (int pass = 0; pass < 2; pass++)
        {
            for (ulong vm = 1; vm <= 4; vm++)
            {
                script.RoundTrips(1, vm << 12, 1, vm << 20);
            }
        }

        long loads = script.Stats["mmu.root_loads"];
        script.RoundTrips(1, 1 << 12, 1, 1 << 20);
        Assert.That(script.Stats["mmu.root_loads"], Is.EqualTo(loads));
        script.RoundTrips(1, 5 << 12, 1, 5 << 20).RoundTrips(1, 2 << 12, 1, 2 << 20);
        Assert.That(script.Stats["mmu.root_loads"], Is.EqualTo(loads + 2), "the fifth, and the one that it replaced");
    }

    [TestCase("kvm-5.14", "invvpid_single x2")] // no root of PCID 0 stays cached: the load flushes too
    [TestCase("kvm-6.12", "invvpid_single x1")]
    public void Mov_to_CR3_of_a_shadow_paged_guest_exits_and_flushes_the_current_VPID(string policy, string expected)
    {
        Script script = new Script(policy, ept: false).L1().Event(TraceEvent.SetCr3(0, 1, 0x1000)).Event(TraceEvent.SetCr3(0, 1, 0x2000));
        script.Issued();
        script.Event(TraceEvent.SetCr3(0, 1, 0x1000));
        Assert.That(script.Issued(), Is.EqualTo(expected));
        Assert.That(script.Stats["vm.implied_exits"], Is.EqualTo(3));
    }

    [Test]
    public void Mov_to_CR3_under_EPT_runs_on_the_hardware_without_an_exit()
    {
        Script script = new Script("kvm-6.12").L1();
        script.Issued();
        script.Event(TraceEvent.SetCr3(0, 1, 0x2000));
        Assert.That(script.Issued(), Is.EqualTo("mov_to_cr3 x1"));
        Assert.That(script.Stats["vm.implied_exits"], Is.Zero);
    }

    [TestCase("kvm-5.14", "invvpid_address x1")]
    [TestCase("kvm-6.12", "invvpid_address x1")]
    public void Invlpg_of_a_shadow_paged_guest_becomes_INVVPID_of_the_address(string policy, string expected)
    {
        Script script = new Script(policy, ept: false).L1();
        script.Issued();
        script.Event(TraceEvent.Invlpg(0, 1, 0x1000));
        Assert.That(script.Issued(), Is.EqualTo(expected));
    }
}
