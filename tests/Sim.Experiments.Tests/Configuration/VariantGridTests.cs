using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Experiments.Tests.Configuration;

public sealed class VariantGridTests
{
    [Test]
    public void One_point_without_parameters_is_the_default()
    {
        RunConfiguration configuration = Load();

        Assert.That(configuration.Variants.Single().Parameters, Is.Empty);
        Assert.That(configuration.Variants.Single().Machine, Is.SameAs(configuration.Machine));
        Assert.That(configuration.RunCount, Is.EqualTo(configuration.Policies.Count));
    }

    [Test]
    public void Axes_are_combined_and_the_last_one_runs_fastest()
    {
        RunConfiguration configuration = Load(("over", """["second_level[0].sets=64,128","machine.ept01_pages=4K,2M"]"""), ("seeds", "2"), ("machine.seed", "5"));

        Assert.That(configuration.Variants.Select(variant => string.Join(' ', variant.Parameters.Select(parameter => parameter.Value))), Is.EqualTo(new[]
        {
            "64 4K 5", "64 4K 6", "64 2M 5", "64 2M 6", "128 4K 5", "128 4K 6", "128 2M 5", "128 2M 6",
        }));
        Assert.That(configuration.Variants.Select(variant => (variant.Machine.Profile.SecondLevel[0].Sets, variant.Machine.Ept01Pages, variant.Machine.Seed)), Is.EqualTo(new[]
        {
            (64, PageSize.Size4K, 5UL), (64, PageSize.Size4K, 6UL), (64, PageSize.Size2M, 5UL), (64, PageSize.Size2M, 6UL),
            (128, PageSize.Size4K, 5UL), (128, PageSize.Size4K, 6UL), (128, PageSize.Size2M, 5UL), (128, PageSize.Size2M, 6UL),
        }));
    }

    [Test]
    public void A_bracket_of_page_sizes_is_an_axis_between_those_of_a_sweep_and_the_seeds()
    {
        RunConfiguration configuration = Load(("machine.page_sizes", "bracket"), ("over", """["second_level[0].sets=64,128"]"""), ("seeds", "2"));

        Assert.That(configuration.BracketsPageSizes);
        Assert.That(configuration.Variants.Select(variant => string.Join(' ', variant.Parameters.Select(parameter => parameter.Value))), Is.EqualTo(new[]
        {
            "64 4K 1", "64 4K 2", "64 2M 1", "64 2M 2", "128 4K 1", "128 4K 2", "128 2M 1", "128 2M 2",
        }));
        Assert.That(configuration.Variants.Select(variant => variant.Machine.L2Pages).Distinct(), Is.EqualTo(new[] { PageSize.Size4K, PageSize.Size2M }));
    }

    [Test]
    public void Whole_profiles_can_be_an_axis()
    {
        RunConfiguration configuration = Load(("over", """["profile=skylake-sp,ice-lake-sp"]"""), ("policies", """["never"]"""));

        Assert.That(configuration.Variants.Select(variant => variant.Machine.Profile.Name), Is.EqualTo(new[] { "skylake-sp", "ice-lake-sp" }));
    }

    [Test]
    public void The_hash_covers_what_is_swept_and_the_json_gives_the_same_points_again()
    {
        RunConfiguration swept = Load(("over", """["second_level[0].sets=64,128"]"""));
        string file = Path.GetTempFileName();
        File.WriteAllText(file, swept.Json);

        RunConfiguration again = RunConfiguration.Load(file, []);

        File.Delete(file);
        Assert.That(swept.Hash, Is.Not.EqualTo(Load().Hash));
        Assert.That(again.Hash, Is.EqualTo(swept.Hash));
        Assert.That(again.Variants.Select(variant => variant.Parameters[0].Value), Is.EqualTo(new[] { "64", "128" }));
    }

    [TestCase("second_level[0].sets", "1", "expected path=value,value,...")]
    [TestCase("=64", "1", "expected path=value,value,...")]
    [TestCase("machine.seed=1,,2", "1", "expected path=value,value,...")]
    [TestCase("second_level[0].sets=64,64", "1", "a value stands twice")]
    [TestCase("machine.seed=1,2", "2", "Two axes of the sweep vary 'machine.seed' (--seeds is one)")]
    [TestCase("second_level[0].sets=64,65", "1", "At second_level[0].sets=65 of the sweep: ")]
    [TestCase("second_level[0].setss=64", "1", "Did you mean sets")]
    [TestCase("windows.measure=100,200", "1", "only the machine, its profile and its interrupts can be varied")]
    [TestCase("reference=never", "1", "only the machine, its profile and its interrupts can be varied")]
    [TestCase("machine.page_sizes=4K,huge", "1", "expected one of recorded, assumed, 4K, 2M, bracket, found 'huge'")]
    [TestCase("machine.vpid02_pool=1,2", "200", "The sweep has 2400 runs")]
    public void What_cannot_be_swept_is_refused_with_the_reason(string over, string seeds, string message) => Assert.That(
        () => Load(("over", $"[\"{over}\"]"), ("seeds", seeds)), Throws.TypeOf<ConfigurationException>().With.Message.Contains(message));

    [TestCase("0")]
    [TestCase("1001")]
    [TestCase("two")]
    public void Seeds_are_a_number_from_1_to_1000(string seeds) => Assert.That(() => Load(("seeds", seeds)), Throws.TypeOf<ConfigurationException>().With.Message.Contains("seeds: expected "));

    private static RunConfiguration Load(params (string Path, string Value)[] values) => RunConfiguration.Load(null, [.. values.Select(value => new Assignment(value.Path, value.Value, "test"))]);
}
