using Sim.Core.Profiles;
using Sim.Kvm.Interrupts;

namespace Sim.Experiments.Tests.Contracts;

/// <summary>A path delivers every interrupt, whoever sends it and whatever the target does.</summary>
internal static class PathContract
{
    public static IEnumerable<string> Of(string name, IInterruptPath path)
    {
        Vendor[] vendors = [.. Enum.GetValues<Vendor>().Where(path.Supports)];
        if (vendors.Length == 0)
        {
            yield return $"{name} exists on no vendor's hardware.";
        }

        if (path.UsesApicv && path.UsesAvic)
        {
            yield return $"{name} uses APICv and AVIC, which no processor has both.";
        }

        foreach (string profile in vendors.SelectMany(vendor => vendor == Vendor.Amd ? new[] { "zen-3", "zen-4" } : ["sapphire-rapids"]))
        {
            InterruptSpec spec = new() { Profile = RunConfiguration.Load(null, [new Assignment("profile", profile, "contract")]).Machine.Profile };
            foreach (bool x2Apic in new[] { true, false })
            {
                InterruptSpec mode = spec with { X2Apic = x2Apic };
                string? failure = Try(() => InterruptTable.Rows(mode, name, path, new DeferredUpdate()).Where(row => row.Outcome != "delivered")
                    .Select(row => $"{(row.Source == InterruptSource.Ipi ? "an IPI" : "a device's interrupt")} for L{row.Level} of a vCPU that is {State(row.State)}: {row.Outcome}"))
                    ?? Try(() => BroadcastTable.Rows(mode, name, path).Where(row => row.Outcome != "delivered").Select(row => $"an IPI to several vCPUs: {row.Outcome}"));
                if (failure is not null)
                {
                    yield return $"{name} on {profile} in {(x2Apic ? "x2APIC" : "xAPIC")} mode loses interrupts: {failure}. What hardware posts by itself needs the programs of a vCPU that sleeps or waits "
                        + "for its CPU to allow for it.";
                    yield break;
                }
            }
        }
    }

    private static string State(TargetState state) => state switch
    {
        TargetState.RunningL1 => "running L1",
        TargetState.RunningL2 => "running L2",
        TargetState.Preempted => "preempted",
        _ => "halted",
    };

    private static string? Try(Func<IEnumerable<string>> failures)
    {
        try
        {
            return failures().FirstOrDefault();
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return $"the run ends with {e.GetType().Name}, {e.Message}";
        }
    }
}
