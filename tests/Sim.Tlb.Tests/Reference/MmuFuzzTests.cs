using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core.Traces;

namespace Sim.Tlb.Tests.Reference;

/// <summary>The library and the reference model do the same operations and must return the same and count the same.</summary>
internal sealed class MmuFuzzTests
{
    private const int Operations = 64_000;
    private const string Lane = "lane[0]";

    private static readonly FlushCause[] Causes =
        [new("a", "guest", "x"), new("b", "nested_entry", "y"), new("c", "nested_exit", "z"), new("d", "context_switch", "x"), new("e", "guest", "never_used")];

    private static IEnumerable<TestCaseData> Cases =>
        from profile in FuzzProfiles.Profiles
        from vendor in new[] { Vendor.Intel, Vendor.Amd }
        select new TestCaseData(profile with { Vendor = vendor }).SetArgDisplayNames(profile.Name, vendor.ToString());

    [TestCaseSource(nameof(Cases))]
    public void The_library_never_differs_from_the_reference(CpuProfile profile)
    {
        Assert.That(FuzzProfiles.Profiles.Count * 2 * Operations, Is.GreaterThanOrEqualTo(1_000_000), "operations over all cases");
        ulong fresh = FuzzSeed.Fresh();
        for (ulong seed = 0; seed < 2; seed++)
        {
            Run(profile, new MmuOptions(), seed ^ fresh, Operations / 2, []);
        }
    }

    [TestCase(false, true)]
    [TestCase(true, false)]
    [TestCase(false, false)]
    public void The_library_never_differs_from_the_reference_with_options_off(bool attribution, bool caches)
    {
        foreach (CpuProfile profile in FuzzProfiles.Profiles)
        {
            Run(profile, new MmuOptions(Attribution: attribution, PagingStructureCaches: caches), 7, 1000, []);
        }
    }

    [Test]
    public void The_fuzz_executes_every_invalidation_and_drops_entries_with_each_that_drops_any()
    {
        Dictionary<Type, long> dropped = [];
        foreach (Vendor vendor in new[] { Vendor.Intel, Vendor.Amd })
        {
            Run(FuzzProfiles.Profiles.Single(profile => profile.Name == "roomy") with { Vendor = vendor }, new MmuOptions(), 3, 40_000, dropped);
        }

        IEnumerable<Type> all = typeof(Invalidation).Assembly.GetTypes().Where(type => type.IsPublic && !type.IsAbstract && type.IsAssignableTo(typeof(Invalidation)));
        Assert.That(all.Where(type => dropped.GetValueOrDefault(type) == 0).Select(type => type.Name), Is.Empty);
    }

    private static void Run(CpuProfile profile, MmuOptions options, ulong seed, int operations, Dictionary<Type, long> dropped)
    {
        FuzzWorld world = new(profile.Vendor, Hash64.Of($"{profile.Name} {profile.Vendor} {seed}"));
        FlushCauses causes = new();
        foreach (FlushCause cause in Causes)
        {
            causes.Intern(cause);
        }

        Mmu library = Mmu.Create(profile, causes, options, Lane);
        NaiveMmu reference = new(profile, causes, options);
        TranslationContext context = world.OneOf(world.Contexts);
        library.SwitchTo(context, 0);
        reference.SwitchTo(context, 0);
        TraceBlock block = new();
        ulong hot = world.Address();
        for (int done = 0; done < operations;)
        {
            int cause = world.Below(Causes.Length - 1);
            int kind = world.Below(100);
            if (kind < 80)
            {
                block.Clear();
                ulong expected = 0;
                for (int left = world.OneOf(1, 1, 3, 12); left > 0; left--)
                {
                    hot = world.Below(3) == 0 ? world.Address() : hot ^ (ulong)(world.Below(8) << 12);
                    block.AddAccess(0, hot, AccessFlags.Pack((AccessType)world.Below(3), world.Below(4), world.Below(7)), (uint)world.OneOf(1, 1, 1, 2, 9));
                }

                ulong found = library.Translate(block, 0, block.AccessCount);
                for (int i = 0; i < block.AccessCount; i++)
                {
                    expected += reference.Access(block.Address[i], block.Flags[i] & AccessFlags.TypeMask, block.Repeat[i]);
                }

                Same(found, expected, $"stall cycles of {block.AccessCount} accesses up to {hot:x} in {context}", done);
                done += block.AccessCount;
            }
            else if (kind < 88)
            {
                context = world.OneOf(world.Contexts);
                library.SwitchTo(context, cause);
                reference.SwitchTo(context, cause);
                done++;
            }
            else if (kind < 97)
            {
                Invalidation invalidation = world.Invalidation();
                int found = library.Apply(invalidation, cause);
                Same((ulong)found, (ulong)reference.Apply(invalidation, cause), $"entries dropped by {invalidation} in {context}", done);
                dropped[invalidation.GetType()] = dropped.GetValueOrDefault(invalidation.GetType()) + found;
                done++;
            }
            else
            {
                world.ChangeMapping();
                done++;
            }

            if (done % 4096 == 0)
            {
                SameCounters(library, reference, done);
            }
        }

        SameCounters(library, reference, operations);
    }

    private static void Same(ulong found, ulong expected, string what, int done)
    {
        if (found != expected)
        {
            Assert.Fail($"Operation {done}: {what}: the library says {found}, the reference {expected}.");
        }
    }

    private static void SameCounters(Mmu library, NaiveMmu reference, int done)
    {
        library.CheckConservation();
        StatSheet sheet = new();
        library.Collect(sheet);
        SortedDictionary<string, long> found = new(sheet.Stats.Where(stat => stat.Value != 0).ToDictionary(stat => stat.Key[(Lane.Length + 1)..], stat => stat.Value), StringComparer.Ordinal);
        Assert.That(found, Is.EqualTo(reference.Collect()), $"counters after {done} operations");
    }
}
