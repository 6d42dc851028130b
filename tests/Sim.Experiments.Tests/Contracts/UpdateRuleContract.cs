using Sim.Kvm.Interrupts;

namespace Sim.Experiments.Tests.Contracts;

/// <summary>A rule for APICv controls may be a wrong one, as kernels had; it must end, tell the same every time, and lose nothing without a finding.</summary>
internal static class UpdateRuleContract
{
    public static IEnumerable<string> Of(string name, IApicvUpdateRule rule)
    {
        InterruptSpec spec = new() { Profile = RunConfiguration.Load(null, []).Machine.Profile };
        foreach ((string story, Func<ApicvUpdateScenario> run) in new (string, Func<ApicvUpdateScenario>)[]
        {
            ("APICv that is permitted while L2 runs", () => ApicvUpdateScenario.Uninhibited(spec, rule)),
            ("APICv that is inhibited while L2 runs", () => ApicvUpdateScenario.Inhibited(spec, rule)),
        })
        {
            string? broken = null;
            try
            {
                ApicvUpdateScenario first = run();
                ApicvUpdateScenario second = run();
                broken = !first.Moments.SequenceEqual(second.Moments) ? "two runs differ: it keeps a state, which no rule may"
                    : first.Handled != first.Sent && first.Findings.Count == 0 ? $"{first.Sent - first.Handled} of {first.Sent} interrupts are gone, and nothing says why"
                    : null;
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                broken = $"the run ends with {e.GetType().Name}, {e.Message}";
            }

            if (broken is not null)
            {
                yield return $"{name}: {story}: {broken}.";
            }
        }
    }
}
