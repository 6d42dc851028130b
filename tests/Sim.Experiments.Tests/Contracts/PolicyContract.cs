using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Kvm;
using Sim.Workloads.Generators;

namespace Sim.Experiments.Tests.Contracts;

/// <summary>A flush policy decides from the facts alone, says why, and its machine keeps the laws.</summary>
internal static class PolicyContract
{
    public static IEnumerable<string> Of(string name, IFlushPolicy policy)
    {
        Vendor[] vendors = [.. Enum.GetValues<Vendor>().Where(policy.Supports)];
        if (vendors.Length == 0)
        {
            yield return $"{name} runs on no vendor's hardware.";
        }

        foreach (Vendor vendor in vendors)
        {
            if (policy.L2Tags(8) < 0 || policy.L2Tags(8) > 8)
            {
                yield return $"{name} gives L2 {policy.L2Tags(8)} tags of a pool of 8.";
            }

            foreach (NestedTransition facts in Facts())
            {
                FlushDecision first = new();
                FlushDecision second = new();
                policy.OnTransition(facts, first);
                policy.OnTransition(facts, second);
                if (!first.Steps.SequenceEqual(second.Steps) || first.Vpid12Remembered != second.Vpid12Remembered)
                {
                    yield return $"{name} decides the same transition in two ways: it keeps a state, which no policy may.";
                    yield break;
                }

                if (first.Steps.Any(step => string.IsNullOrWhiteSpace(step.Rule)))
                {
                    yield return $"{name} flushes without a rule's name, so no miss can be attributed to it.";
                    yield break;
                }
            }

            string? failure = Replay(policy, vendor);
            if (failure is not null)
            {
                yield return $"{name} on {vendor.Name()}: {failure}";
            }
        }
    }

    private static IEnumerable<NestedTransition> Facts() =>
        from bits in Enumerable.Range(0, 128)
        select new NestedTransition((bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0, (bits & 16) != 0, (bits & 32) != 0, (bits & 64) != 0);

    private static string? Replay(IFlushPolicy policy, Vendor vendor)
    {
        GeneratorSpec spec = GeneratorCatalogue.Parse("nested-ping-pong", ["accesses=2000"]);
        MemoryTrace trace = new(GeneratorCatalogue.Header(spec));
        GeneratorCatalogue.Generate(spec, trace);
        try
        {
            Machine machine = new(RunConfiguration.Load(null, [new Assignment("profile", ProfileLibrary.DefaultFor(vendor), "contract")]).Machine, policy, ReplayKind.ByPolicy, 1);
            TraceBlock block = new();
            while (trace.Read(block))
            {
                machine.Replay(block, 0, block.RecordCount);
            }

            machine.CheckConservation();
            return null;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return $"a nested trace ends with {e.GetType().Name}, {e.Message}";
        }
    }
}
