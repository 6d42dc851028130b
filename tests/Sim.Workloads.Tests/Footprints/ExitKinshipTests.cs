using Sim.Core.Profiles;
using Sim.Workloads.Footprints;

namespace Sim.Workloads.Tests.Footprints;

[TestFixture]
internal sealed class ExitKinshipTests
{
    [TestCase(Vendor.Intel, 10u, Vendor.Intel, 10u, 0, "itself")]
    [TestCase(Vendor.Intel, 32u, Vendor.Intel, 31u, 1, "WRMSR and RDMSR")]
    [TestCase(Vendor.Amd, 0x7Cu, Vendor.Intel, 32u, 1, "SVM's MSR exit")]
    [TestCase(Vendor.Amd, 0x72u, Vendor.Intel, 10u, 1, "SVM's CPUID")]
    [TestCase(Vendor.Amd, 0x4Eu, Vendor.Intel, 48u, 1, "SVM's #PF, which shadow paging takes, and an EPT violation")]
    [TestCase(Vendor.Amd, 0x10u, Vendor.Intel, 28u, 1, "SVM's write of CR0 and VMX's control-register access")]
    [TestCase(Vendor.Amd, 0x4Du, Vendor.Intel, 0u, 1, "SVM's #GP and VMX's exception")]
    [TestCase(Vendor.Intel, 32u, Vendor.Intel, 10u, 2, "an MSR write does to registers what CPUID does")]
    [TestCase(Vendor.Amd, 0x7Cu, Vendor.Intel, 10u, 2, "so does SVM's")]
    [TestCase(Vendor.Intel, 1u, Vendor.Intel, 52u, 2, "an interrupt and a timer")]
    [TestCase(Vendor.Intel, 30u, Vendor.Intel, 10u, 3, "a stranger, and a small emulation")]
    [TestCase(Vendor.Intel, 30u, Vendor.Intel, 48u, 4, "a stranger that walks tables")]
    [TestCase(Vendor.Intel, 32u, Vendor.Intel, 48u, 4, "the dearest kind is nobody's kin but table walks'")]
    [TestCase(Vendor.Intel, 16u, Vendor.Amd, 0x10u, 2, "the numbers are the vendor's: RDTSC and a write of CR0")]
    public void Exits_are_near_by_what_a_hypervisor_does_about_them(Vendor wanted, uint a, Vendor model, uint b, int distance, string why) =>
        Assert.That(ExitKinship.Distance(wanted, a, model, b), Is.EqualTo(distance), why);
}
