using Sim.Core.Traces;

namespace Sim.Workloads.Scenarios;

/// <summary>The statements of the host: changes of L1's memory, migration, APICv, interrupts.</summary>
internal sealed class HostStatements
{
    private readonly ScenarioDeclarations _names;
    private readonly ScenarioRecorder _recorder;

    public HostStatements(ScenarioDeclarations names, ScenarioRecorder recorder)
    {
        _names = names;
        _recorder = recorder;
    }

    /// <summary>Reads what is behind 'host'.</summary>
    public void Read(ScenarioLine line, ScenarioVcpu vcpu)
    {
        string verb = line.Word("what the host does");
        switch (verb)
        {
            case "maps" or "remaps" or "unmaps" or "restricts" or "widens":
                MapChangeKind change = line.Choose(verb, "a change", ScenarioWords.Changes);
                (ulong address, ulong size) = ReadHostMemory(line);
                _recorder.Change(vcpu, 0, MapTable.Tdp01, 0, new ScenarioPages(address, 1), size, change);
                break;
            case "moves":
                ScenarioVcpu moved = _names.Vcpu(line, line.Word("a vCPU"));
                line.Require("to");
                line.Require("lane");
                int lane = (int)line.Number64(line.Word("a lane"), "a lane", ScenarioDeclarations.MaxLane);
                _names.UseLane(lane);
                _recorder.Move(moved, lane);
                break;
            case "leaves":
                line.Require("L2");
                if (!vcpu.InL2)
                {
                    throw line.Bad("a vCPU that is in L2", "one in L1", "'L1 enters VMCS' comes before.");
                }

                _recorder.LeaveByForce(vcpu);
                break;
            case "fails":
                line.Require("to");
                line.Require("run");
                _recorder.FailToRun(_names.Vcpu(line, line.Word("a vCPU")));
                break;
            case "restarts":
                line.Require("lane");
                int restarted = (int)line.Number64(line.Word("a lane"), "a lane", ScenarioDeclarations.MaxLane);
                _names.UseLane(restarted);
                _recorder.Restart(restarted);
                break;
            case "inhibits" or "permits":
                line.Require("apicv");
                _recorder.InL0(vcpu, new TraceEvent { Kind = RecordKind.ApicvInhibit, A = line.Number64(line.Word("the number of a reason"), "the number of a reason", 63), B = verb == "inhibits" ? 1UL : 0 });
                break;
            default:
                throw line.Unknown("what the host does", verb, ["maps", "remaps", "unmaps", "restricts", "widens", "moves", "leaves", "fails", "restarts", "inhibits", "permits"]);
        }
    }

    /// <summary>"memory of L1", "memory of L2" or an address of L1's physical memory with a size.</summary>
    private static (ulong Address, ulong Size) ReadHostMemory(ScenarioLine line)
    {
        if (!line.Take("memory"))
        {
            ulong address = line.Number64(line.Word("'memory of L1', 'memory of L2' or an address"), "'memory of L1', 'memory of L2' or an address");
            return (address, line.SizeOption());
        }

        line.Require("of");
        return (line.Choice("L1 or L2", ScenarioWords.HostMemory), 1UL << 30);
    }

    /// <summary>Reads what is behind the source of an interrupt. <paramref name="host"/>: the vCPU on whose lane the host handles it, if one was named; else the target's.</summary>
    public void ReadInterrupt(ScenarioLine line, string source, ScenarioVcpu? host)
    {
        line.Require("sends");
        ulong vector = line.Number64(line.Word("a vector"), "a vector", 255);
        line.Require("to");
        ScenarioVcpu target = _names.Vcpu(line, line.Word("a vCPU"));
        ulong level = line.Choice("L1 or L2", ScenarioWords.Levels);
        _recorder.Note(host ?? target, new TraceEvent { Kind = RecordKind.Interrupt, A = line.Choose(source, "a source", ScenarioWords.InterruptSources), B = vector, C = target.Id, D = level });
    }
}
