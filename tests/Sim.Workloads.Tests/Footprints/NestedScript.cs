using Sim.Core.Architecture;
using Sim.Core.Traces;
using Sim.Workloads.Footprints;

namespace Sim.Workloads.Tests.Footprints;

/// <summary>A nested trace written by hand, one lane, with a clock that the test moves.</summary>
internal sealed class NestedScript(bool withAccesses = true)
{
    public const uint Cpuid = (uint)VmxExit.Cpuid;
    public const uint MsrRead = (uint)VmxExit.MsrRead;
    public const uint Vmresume = (uint)VmxExit.Vmresume;
    public const uint EptViolation = (uint)VmxExit.EptViolation;

    private readonly List<Action<TraceAppender>> _records = [];

    public ulong Time { get; set; }

    public NestedScript Event(TraceEvent e)
    {
        e.Time = Time++;
        _records.Add(appender => appender.Event(0, e));
        return this;
    }

    public NestedScript Enter(TransitionKind kind) => kind == TransitionKind.L1ToL2
        ? Event(TraceEvent.NestedEnter(0, 0, 0x5000, VmControls.EnableVpid | VmControls.EnableEpt, 1, 0x605E))
        : Event(TraceEvent.VmEnter(0, kind, 0));

    public NestedScript Exit(TransitionKind kind, uint reason) => Event(TraceEvent.VmExit(0, kind, 0, reason));

    /// <summary>Touches pages by number; negative numbers are fetches of the page of that number.</summary>
    public NestedScript Touch(params int[] pages)
    {
        foreach (int page in pages)
        {
            ulong time = Time++;
            AccessType type = page < 0 ? AccessType.Execute : AccessType.Read;
            if (withAccesses)
            {
                _records.Add(appender => appender.Access(0, time, (ulong)Math.Abs(page) << 12, type));
            }
        }

        return this;
    }

    public NestedScript Write(int page)
    {
        ulong time = Time++;
        if (withAccesses)
        {
            _records.Add(appender => appender.Access(0, time, (ulong)page << 12, AccessType.Write));
        }

        return this;
    }

    /// <summary>L1 is entered, launches L2, which runs: the stays of L0 and L1 before are not whole or carry no accesses.</summary>
    public NestedScript Start() =>
        Enter(TransitionKind.L0ToL1).Exit(TransitionKind.L1ToL0, Vmresume).Enter(TransitionKind.L1ToL2).Enter(TransitionKind.L0ToL2);

    /// <summary>One round trip: L0 reflects, L1 handles, L0 resumes; each touches what is given.</summary>
    public NestedScript RoundTrip(uint reason, int[] reflect, int[] handle, int[] resume) =>
        Exit(TransitionKind.L2ToL0, reason).Touch(reflect).Exit(TransitionKind.L2ToL1, reason).Enter(TransitionKind.L0ToL1)
            .Touch(handle).Exit(TransitionKind.L1ToL0, Vmresume).Enter(TransitionKind.L1ToL2).Touch(resume).Enter(TransitionKind.L0ToL2);

    public void WriteTo(ITraceSink sink)
    {
        TraceAppender appender = new(sink, 1);
        foreach (Action<TraceAppender> record in _records)
        {
            record(appender);
        }

        appender.Complete();
    }

    public MemoryTrace ToTrace()
    {
        MemoryTrace trace = new();
        WriteTo(trace);
        return trace;
    }

    public static FootprintModel Learn(params NestedScript[] scripts)
    {
        FootprintLearner learner = new();
        foreach (NestedScript script in scripts)
        {
            script.WriteTo(learner.Window(1));
        }

        return learner.Learn("test", "made by a test", Sim.Core.Profiles.Vendor.Intel, "6.12", [new FootprintSource("script", "00", 1, 1)]);
    }
}
