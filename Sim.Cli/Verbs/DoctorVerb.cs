using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Sim.Core.Architecture;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Experiments;
using Sim.Reports.Results;
using Sim.Reports.Views;
using Sim.Workloads;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim doctor</c>: is this installation sound?</summary>
internal static class DoctorVerb
{
    private const int RoundTrips = 50;
    private const int Pages = 8;

    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        VerbCommand command = new("doctor", "Print version, runtime and CPU features, and run a self-test with a known answer", "doctor");
        command.SetAction(_ => Examine(invocation.Terminal.Output));
        return command;
    }

    private static int Examine(TextWriter output)
    {
        output.Write($"nestsim   {ToolInfo.Version}\nruntime   {ToolInfo.Runtime}\nsystem    {ToolInfo.OperatingSystem}\ncpu       {ToolInfo.Cpu}\n");
        output.Write($"features  {string.Join(", ", ToolInfo.CpuFeatures.Select(feature => feature.Present ? feature.Name : $"no {feature.Name}"))}\n");
        output.Write($"profiles  {ProfileLibrary.Names.Count}: {string.Join(", ", ProfileLibrary.Names)}\n");
        output.Write($"policies  {Components.Policies.Entries.Count}\n");
        long start = Stopwatch.GetTimestamp();
        (bool good, string answer) = SelfTest();
        output.Write(string.Create(CultureInfo.InvariantCulture, $"self-test {(good ? "passed" : "FAILED")} in {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s: {answer}\n"));
        return good ? CliApplication.Success : CliApplication.OwnBug;
    }

    /// <summary>
    /// L2 touches eight pages between nested round trips. Under <c>never</c> each page is walked once, under <c>always-current</c> once for every nested
    /// entry, because the entry flushed what the round before had cached.
    /// </summary>
    private static (bool Good, string Answer) SelfTest()
    {
        MemoryTrace trace = new();
        WriteRoundTrips(new TraceAppender(trace, 1));
        RunConfiguration configuration = RunConfiguration.Load(
            null, [new Assignment("profile", "reference-64-1536", "doctor"), new Assignment("policies", """["never", "always-current"]""", "doctor"), new Assignment("machine.global_kernel_pages", "false", "doctor")]);
        RunSet set = new Experiment(configuration).Run(trace, "self-test");
        if (set.Runs.FirstOrDefault(run => run.Failure is not null) is { } failed)
        {
            return (false, failed.Failure!.Message);
        }

        double? never = Walks(set.Runs[0].Statistics);
        double? always = Walks(set.Runs[1].Statistics);
        return (never == Pages && always == Pages * RoundTrips, $"{never} walks under never (expected {Pages}), {always} under always-current (expected {Pages * RoundTrips})");
    }

    private static double? Walks(StatSheet sheet) => sheet.Total(StatNames.LaneStlbMisses, "level=2");

    private static void WriteRoundTrips(TraceAppender trace)
    {
        const ulong Vmcs12 = 0x1000;
        const ulong Eptp12 = 0x2000;
        const int Page = 4096;
        ulong time = 0;
        trace.Event(0, TraceEvent.SetCr3(time, 0, 0x10));
        trace.Event(0, TraceEvent.VmEnter(++time, TransitionKind.L0ToL1, 0));
        trace.Event(0, TraceEvent.SetCr3(++time, 1, 0x20));
        for (int trip = 0; trip < RoundTrips; trip++)
        {
            trace.Event(0, TraceEvent.VmExit(++time, TransitionKind.L1ToL0, 0, VmxExit.Vmlaunch));
            trace.Event(0, TraceEvent.NestedEnter(++time, 0, Vmcs12, VmControls.EnableVpid | VmControls.EnableEpt, 1, Eptp12));
            trace.Event(0, TraceEvent.VmEnter(++time, TransitionKind.L0ToL2, 0));
            for (int page = 0; page < Pages; page++)
            {
                trace.Access(0, ++time, (ulong)(page * Page), AccessType.Read);
            }

            trace.Event(0, TraceEvent.VmExit(++time, TransitionKind.L2ToL0, 0, VmxExit.Cpuid));
            trace.Event(0, TraceEvent.VmExit(++time, TransitionKind.L2ToL1, 0, VmxExit.Cpuid));
            trace.Event(0, TraceEvent.VmEnter(++time, TransitionKind.L0ToL1, 0));
        }

        trace.Complete();
    }
}
