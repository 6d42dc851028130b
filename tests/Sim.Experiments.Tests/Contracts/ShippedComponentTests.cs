using System.Reflection;
using Sim.Kvm;
using Sim.Reports.Charts;
using Sim.Tlb;
using Sim.Workloads.Formats;

namespace Sim.Experiments.Tests.Contracts;

/// <summary>Every component that ships keeps its contract. A new one is enrolled by being there.</summary>
[TestFixture]
public sealed class ShippedComponentTests
{
    private static readonly Assembly[] Libraries = [typeof(IFlushPolicy).Assembly, typeof(Invalidation).Assembly, typeof(ITraceFormat).Assembly, typeof(IChart).Assembly];

    private static IEnumerable<TestCaseData> Components() => Libraries.SelectMany(Contract.Components).Select(type => new TestCaseData(type).SetArgDisplayNames(type.Name));

    [TestCaseSource(nameof(Components))]
    public void It_keeps_the_contract_of_its_kind(Type component) => Assert.That(Contract.Of(component), Is.Empty);

    [Test]
    public void Names_of_invalidations_are_their_own() =>
        Assert.That(Contract.Components(typeof(Invalidation).Assembly).Where(type => type.IsSubclassOf(typeof(Invalidation))).Select(InvalidationContract.NameOf), Is.Unique);
}
