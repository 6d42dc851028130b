using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm.Tests.Policies;

/// <summary>The decision tables of docs/rules.md#transition-tables, row by row.</summary>
[TestFixture]
public sealed class TransitionTableTests
{
    private static readonly Catalogue<IFlushPolicy> Policies = new(typeof(IFlushPolicy).Assembly);

    // policy | direction | V0 E0 V12 E12 v02 | id12 new | what is decided
    [TestCase("kvm-4.2", "entry", "V0 E0 v02", "now active: every_transition")]
    [TestCase("kvm-4.2", "exit", "V0 E0 v02", "now active: every_transition")]
    [TestCase("kvm-4.2", "entry", "E0", "")]
    [TestCase("kvm-4.4", "entry", "V0 E0 V12 E12 v02 new", "now vpid02: new_vpid12; now active eptp: new_vpid12; remember")]
    [TestCase("kvm-4.4", "entry", "V0 E0 V12 E12 v02", "")]
    [TestCase("kvm-4.4", "entry", "V0 E0 v02", "now active: no_vpid12")]
    [TestCase("kvm-4.4", "entry", "V0 E0 V12 E12", "now active: no_vpid12")]
    [TestCase("kvm-4.4", "exit", "V0 E0 V12 E12 v02", "now active: every_exit")]
    [TestCase("kvm-4.4", "exit", "E0 V12 E12 v02", "")]
    [TestCase("kvm-4.20", "entry", "V0 E0 V12 E12 v02 new", "now vpid02: new_vpid12; remember")]
    [TestCase("kvm-4.20", "entry", "V0 E0 V12 E12 v02", "")]
    [TestCase("kvm-4.20", "entry", "V0 E0 E12 v02", "raise all: no_vpid12")]
    [TestCase("kvm-4.20", "exit", "V0 E0 E12 v02", "raise all: no_vpid12")]
    [TestCase("kvm-4.20", "entry", "V0 E0 V12", "raise all: no_guest_tag")]
    [TestCase("kvm-4.20", "exit", "V0 E0 V12 E12 v02", "")]
    [TestCase("kvm-4.20", "entry", "E0 E12", "")]
    [TestCase("kvm-5.8", "entry", "E0 V12 E12 v02 new", "")]
    [TestCase("kvm-5.8", "entry", "V0 E0 E12 v02", "raise all: no_vpid12")]
    [TestCase("kvm-5.8", "exit", "V0 E0 E12 v02", "raise all: no_vpid12")]
    [TestCase("kvm-5.8", "entry", "V0 V12", "raise current: no_guest_tag")]
    [TestCase("kvm-5.8", "exit", "V0 V12", "raise current: no_guest_tag")]
    [TestCase("kvm-5.8", "entry", "V0 V12 new", "raise current: no_guest_tag")]
    [TestCase("kvm-5.8", "entry", "V0 V12 v02 new", "now vpid02: new_vpid12; remember")]
    [TestCase("kvm-5.8", "entry", "V0 E0 V12 E12 v02 new", "now vpid02: new_vpid12; remember")]
    [TestCase("kvm-5.8", "exit", "V0 E0 V12 E12 v02", "")]
    [TestCase("kvm-5.14", "entry", "E0 E12", "raise guest: no_vpid12")]
    [TestCase("kvm-5.14", "exit", "V0 E0 E12 v02", "raise guest: no_vpid12")]
    [TestCase("kvm-5.14", "entry", "V0 V12 new", "raise current: no_guest_tag")]
    [TestCase("kvm-5.14", "entry", "V0 E0 V12 E12 v02 new", "now vpid02: new_vpid12; remember")]
    [TestCase("kvm-5.14", "entry", "V0 E0 V12 E12 v02", "")]
    [TestCase("kvm-5.16", "entry", "V0 E0 E12 v02", "raise guest: no_vpid12")]
    [TestCase("kvm-5.16", "exit", "V0 E0 E12 v02", "raise guest: no_vpid12")]
    [TestCase("kvm-5.16", "entry", "V0 E0 V12 E12 v02 new", "raise guest: new_vpid12; remember")]
    [TestCase("kvm-5.16", "entry", "V0 V12 new", "raise guest: new_vpid12; remember")]
    [TestCase("kvm-5.16", "entry", "V0 V12", "raise current: no_guest_tag")]
    [TestCase("kvm-5.16", "exit", "V0 V12", "raise current: no_guest_tag")]
    [TestCase("kvm-5.16", "exit", "V0 V12 v02", "")]
    [TestCase("kvm-6.2", "entry", "V0 E0 V12 E12 v02 new", "raise guest: new_vpid12; remember")]
    [TestCase("kvm-6.2", "exit", "V0 E0 E12 v02", "raise guest: no_vpid12")]
    [TestCase("kvm-6.12", "entry", "V0 E0 V12 E12 v02 new", "raise guest: new_vpid12; remember")]
    [TestCase("kvm-6.12", "entry", "V0 E0 V12 E12 v02", "")]
    [TestCase("kvm-6.12", "exit", "V0 E0 V12 E12 v02", "")]
    [TestCase("kvm-6.12", "entry", "E0", "raise guest: no_vpid12")]
    [TestCase("vpid02-first-use", "entry", "V0 E0 V12 E12 v02 new", "raise guest: new_vpid12; remember")]
    [TestCase("vpid02-first-use", "entry", "V0 E0 V12 E12 v02", "")]
    [TestCase("always-current", "exit", "V0 E0 V12 E12 v02", "raise current: every_transition")]
    [TestCase("always-guest", "entry", "V0 E0 V12 E12 v02", "raise guest: every_transition")]
    [TestCase("always-all", "exit", "V0 E0 V12 E12 v02", "raise all: every_transition")]
    [TestCase("never", "entry", "V0 E0 V12 E12 v02 new", "remember")]
    [TestCase("never", "exit", "V0 E0 v02", "")]
    [TestCase("vpid02-per-vpid12", "entry", "V0 E0 V12 E12 v02", "remember")]
    [TestCase("vpid02-per-vpid12", "entry", "V0 E0 V12 E12 v02 new", "raise guest: new_vpid12; remember")]
    [TestCase("nsvm-5.8", "entry", "V0 E0 E12", "raise mmusync: every_transition; raise current: every_transition")]
    [TestCase("nsvm-5.8", "exit", "V0 E0 E12", "raise mmusync: every_transition; raise current: every_transition")]
    [TestCase("nsvm-6.14", "entry", "V0 E0 E12", "raise mmusync: every_transition; raise current: every_transition")]
    [TestCase("nsvm-6.14", "exit", "V0 E0 E12", "raise mmusync: every_transition; raise current: every_transition")]
    [TestCase("nsvm-6.1", "entry", "V0 E0 E12", "raise mmusync: every_transition; raise current: every_transition")]
    [TestCase("nsvm-7.2", "exit", "V0 E0 E12", "raise mmusync: every_transition; raise current: every_transition")]
    [TestCase("nsvm-5.10", "entry", "V0 E0 E12", "")]
    [TestCase("nsvm-5.10", "exit", "V0 E0 E12", "")]
    [TestCase("nsvm-l2-asid", "entry", "V0 E0 E12 v02 new", "raise guest: new_asid12; remember")]
    [TestCase("nsvm-l2-asid", "exit", "V0 E0 E12 v02", "")]
    [TestCase("nsvm-l2-asid-per-vm", "entry", "V0 E0 E12 v02 new", "raise guest: new_asid12; remember")]
    [TestCase("nsvm-l2-asid-per-vm", "entry", "V0 E0 E12 v02", "")]
    [TestCase("nsvm-l2-asid-pool", "entry", "V0 E0 E12 v02", "remember")]
    [TestCase("nsvm-l2-asid-pool", "exit", "V0 E0 E12 v02", "")]
    public void A_transition_is_decided_as_the_kernel_decides_it(string policy, string direction, string facts, string expected)
    {
        string[] on = facts.Split(' ');
        NestedTransition transition = new(
            direction == "entry", on.Contains("V0"), on.Contains("E0"), on.Contains("V12"), on.Contains("E12"), on.Contains("v02"), on.Contains("new"));
        FlushDecision decision = new();
        Policies.Create(policy).OnTransition(transition, decision);
        Assert.That(Describe(decision), Is.EqualTo(expected));
    }

    [Test]
    public void Every_policy_states_its_vendor_and_decides_nothing_that_its_kernel_lacks()
    {
        foreach (Catalogue<IFlushPolicy>.Entry entry in Policies.Entries)
        {
            IFlushPolicy policy = Policies.Create(entry.Name);
            Vendor[] vendors = Enum.GetValues<Vendor>().Where(policy.Supports).ToArray();
            Assert.That(vendors, Is.Not.Empty, entry.Name);
            foreach (Vendor vendor in vendors)
            {
                KernelRules rules = policy.Rules(vendor);
                for (int facts = 0; facts < 128; facts++)
                {
                    NestedTransition t = new((facts & 1) != 0, (facts & 2) != 0, (facts & 4) != 0, (facts & 8) != 0, (facts & 16) != 0, (facts & 32) != 0, (facts & 64) != 0);
                    FlushDecision decision = new();
                    policy.OnTransition(t, decision);
                    foreach (FlushStep step in decision.Steps)
                    {
                        bool oldKernel = rules.Primitive is FlushPrimitive.Vpid01AndActiveEptp or FlushPrimitive.ActiveEptpElseVpid01;
                        Assert.That(oldKernel && step.Request is FlushRequest.Current or FlushRequest.Guest, Is.EqualTo(false), $"{entry.Name}: {step} needs 5.8");
                        Assert.That(step.Rule, Does.Match("^[a-z0-9_]+$"), entry.Name);
                    }
                }
            }
        }
    }

    private static string Describe(FlushDecision decision)
    {
        IEnumerable<string> steps = decision.Steps.Select(step => step.Immediate switch
        {
            ImmediateFlush.Active => $"now active: {step.Rule}",
            ImmediateFlush.Vpid02 => $"now vpid02: {step.Rule}",
            ImmediateFlush.ActiveEptp => $"now active eptp: {step.Rule}",
            _ => $"raise {step.Request.ToString()!.ToLowerInvariant()}: {step.Rule}",
        });
        return string.Join("; ", decision.Vpid12Remembered ? steps.Append("remember") : steps);
    }
}
