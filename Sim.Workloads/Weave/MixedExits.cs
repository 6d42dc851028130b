using System.Globalization;
using Sim.Core;
using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Workloads.Weave;

/// <summary>How many exits an L2 without a recording takes, and which.</summary>
public sealed record MixedExitOptions
{
    /// <summary>Most exits.</summary>
    public const int MostExits = 10_000_000;

    /// <summary>Whose virtualization.</summary>
    public required Vendor Vendor { get; init; }

    /// <summary>Ticks of the CPU's clock in a millisecond.</summary>
    public required long Kilohertz { get; init; }

    /// <summary>Exits in a second that L2 runs, on average.</summary>
    public required ulong Rate { get; init; }

    /// <summary>Which exits.</summary>
    public required ExitMix Mix { get; init; }

    /// <summary>How many.</summary>
    public int Exits { get; init; } = 1000;

    /// <summary>Seed of their places and their order.</summary>
    public ulong Seed { get; init; } = 1;
}

/// <summary>
/// The transitions of an L2 whose exits come at random (a Poisson process) in the shares of an <see cref="ExitMix"/>: what <c>trace lift</c> would make of a recording of it. L1 takes one exit of
/// its own, an MSR read, while it handles one of L2's. How long L0 and L1 take are the medians of a recorded KVM (<see cref="WeaveSpec"/>).
/// </summary>
public static class MixedExits
{
    private const ushort Vcpu = 0;
    private const ulong Vmcs12 = 0x1000;
    private const ulong Eptp12 = 0x200000 | 0x1E;
    private const uint Rdmsr = 31;
    private const uint SvmMsr = 0x7C;
    private const uint Vmlaunch = (uint)VmxExit.Vmlaunch;
    private const uint Vmresume = (uint)VmxExit.Vmresume;
    private const uint Vmrun = (uint)SvmExit.Vmrun;

    /// <summary>Makes the transitions, one lane.</summary>
    /// <exception cref="ConfigurationException">A number is out of range.</exception>
    public static MemoryTrace Make(MixedExitOptions options)
    {
        ulong perSecond = (ulong)options.Kilohertz * 1000;
        if (options.Rate == 0 || options.Rate > perSecond || options.Exits is < 1 or > MixedExitOptions.MostExits)
        {
            throw new ConfigurationException(string.Create(
                CultureInfo.InvariantCulture, $"Exits per second must be 1 to {perSecond}, the cycles of a second, and their number 1 to {MixedExitOptions.MostExits}; found {options.Rate} and {options.Exits}."));
        }

        MemoryTrace trace = new(Header(options));
        TraceAppender appender = new(trace, 1);
        NestedLane lane = new(appender);
        bool amd = options.Vendor == Vendor.Amd;
        WeaveSpec times = new();
        Rng rng = new(options.Seed);
        ulong mean = perSecond / options.Rate;
        ulong total = options.Mix.Shares.Aggregate(0UL, (sum, share) => sum + share.Weight);

        lane.Enter(TransitionKind.L0ToL1);
        lane.Advance(times.L1.Cycles / 2);
        EnterL2(lane, amd ? Vmrun : Vmlaunch, times);
        for (int exit = 0; exit < options.Exits; exit++)
        {
            lane.Advance(Math.Max(1, ExitSchedule.Exponential(ref rng, mean)));
            ExitShare share = Pick(options.Mix.Shares, rng.Below(total));
            uint reason = ExitMix.Reason(options.Vendor, share.Reason);
            lane.Exit(TransitionKind.L2ToL0, reason);
            if (share.By == ExitHandler.L0)
            {
                lane.Advance(times.L0Alone.Cycles);
                lane.Enter(TransitionKind.L0ToL2);
                continue;
            }

            lane.Advance(times.L0Exit.Cycles / 2);
            lane.Exit(TransitionKind.L2ToL1, reason);
            lane.Advance(times.L0Exit.Cycles / 2);
            lane.Enter(TransitionKind.L0ToL1);
            lane.Advance(times.L1.Cycles / 2);
            lane.Exit(TransitionKind.L1ToL0, amd ? SvmMsr : Rdmsr);
            lane.Advance(times.L0L1Exit.Cycles);
            lane.Enter(TransitionKind.L0ToL1);
            lane.Advance(times.L1.Cycles / 2);
            EnterL2(lane, amd ? Vmrun : Vmresume, times);
        }

        // What runs last must end too: nothing says what a stay touches that nothing ends.
        lane.Advance(mean);
        lane.Exit(TransitionKind.L2ToL0, ExitMix.Reason(options.Vendor, options.Mix.Shares[0].Reason));
        appender.Complete();
        return trace;
    }

    private static void EnterL2(NestedLane lane, uint reason, WeaveSpec times)
    {
        lane.Exit(TransitionKind.L1ToL0, reason);
        lane.Advance(times.L0Entry.Cycles / 2);
        lane.NestedEnter(Vmcs12, VmControls.EnableVpid | VmControls.EnableEpt, 1, Eptp12);
        lane.Advance(times.L0Entry.Cycles / 2);
        lane.Enter(TransitionKind.L0ToL2);
    }

    private static ExitShare Pick(IReadOnlyList<ExitShare> shares, ulong at)
    {
        int i = 0;
        for (; at >= shares[i].Weight; i++)
        {
            at -= shares[i].Weight;
        }

        return shares[i];
    }

    private static TraceHeader Header(MixedExitOptions options)
    {
        SortedDictionary<string, string> properties = new(StringComparer.Ordinal)
        {
            ["source"] = "exit mix",
            ["mix"] = options.Mix.Name,
            ["exits per second of L2"] = options.Rate.ToString(CultureInfo.InvariantCulture),
            ["exits"] = options.Exits.ToString(CultureInfo.InvariantCulture),
            ["seed"] = options.Seed.ToString(CultureInfo.InvariantCulture),
            [TraceHeader.VendorProperty] = TraceHeader.VendorWord(options.Vendor),
        };
        return new TraceHeader(1, Folded: false, "1/1", properties)
        {
            Doubts =
            [
                new Doubt(
                    DoubtKind.Reconstructed,
                    string.Create(CultureInfo.InvariantCulture, $"no exits of this program were recorded: {options.Rate:N0} a second of L2 in the shares of '{options.Mix.Name}'{(options.Mix.IsAssumed ? ", which are assumed," : "")} were put in")),
                new Doubt(DoubtKind.Clock, "how long L0 and L1 take are medians of one recorded KVM on an emulated machine, and no times of a real one"),
            ],
        };
    }
}
