using System.Text;
using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Workloads.Scenarios;

/// <summary>The statements of L1 and L2: accesses, transitions, changes of page tables, control registers, invalidations.</summary>
internal sealed class GuestStatements
{
    private readonly ScenarioDeclarations _names;
    private readonly ScenarioRecorder _recorder;

    public GuestStatements(ScenarioDeclarations names, ScenarioRecorder recorder)
    {
        _names = names;
        _recorder = recorder;
    }

    /// <summary>Reads what is behind the level's name.</summary>
    public void Read(ScenarioLine line, ScenarioVcpu vcpu)
    {
        string verb = line.Word("what it does");
        switch (verb)
        {
            case "reads" or "writes" or "executes":
                AccessType type = verb switch { "reads" => AccessType.Read, "writes" => AccessType.Write, _ => AccessType.Execute };
                do
                {
                    _recorder.Access(vcpu, _names.Pages(line, line.Word("a page")), type);
                }
                while (!line.AtEnd);
                break;
            case "works":
                _recorder.Execute(vcpu, TraceEvent.Work(0, 0, line.Number64(line.Word("cycles"), "cycles", uint.MaxValue)));
                break;
            case "enters" when !vcpu.InL2:
                ScenarioVmcs vmcs = _names.Vmcs(line, line.Word("a vmcs"));
                int? lane = null;
                if (line.Take("on"))
                {
                    line.Require("lane");
                    lane = (int)line.Number64(line.Word("a lane"), "a lane", ScenarioDeclarations.MaxLane);
                    _names.UseLane(lane.Value);
                }

                VmcsFields.Set(line, vmcs, _names, _recorder);
                _recorder.NestedEnter(vcpu, vmcs, lane);
                break;
            case "fails" when !vcpu.InL2:
                line.Require("to");
                line.Require("enter");
                ScenarioVmcs failing = _names.Vmcs(line, line.Word("a vmcs"));
                VmcsFields.Set(line, failing, _names, _recorder);
                _recorder.NestedFail(vcpu, failing);
                break;
            case "exits":
                ReadExit(line, vcpu);
                break;
            case "maps" or "remaps" or "unmaps" or "restricts" or "widens":
                ReadChange(line, vcpu, line.Choose(verb, "a change", ScenarioWords.Changes));
                break;
            case "loads":
                ReadCr3(line, vcpu);
                break;
            case "sets" or "clears":
                ReadCr4(line, vcpu, verb == "sets");
                break;
            case "invlpg":
                _recorder.Execute(vcpu, TraceEvent.Invlpg(0, 0, Address(line, line.Word("a page"))));
                break;
            case "invpcid":
                ReadInvpcid(line, vcpu);
                break;
            case "invvpid" or "invept" or "invlpga" when !vcpu.InL2:
                ReadNestedInvalidation(line, vcpu, verb);
                break;
            case "sends":
                ReadIpi(line, vcpu);
                break;
            case "vmxon" or "vmxoff" when !vcpu.InL2:
                ReadVmx(line, vcpu, verb);
                break;
            case "halts":
                _recorder.Execute(vcpu, new TraceEvent { Kind = RecordKind.Halt });
                break;
            case "eoi":
                _recorder.Execute(vcpu, new TraceEvent { Kind = RecordKind.Eoi, A = line.Number64(line.Word("a vector"), "a vector", 255) });
                break;
            case "apic":
                _recorder.Execute(vcpu, new TraceEvent { Kind = RecordKind.ApicMode, A = line.Choice("a mode", ScenarioWords.ApicModes) });
                break;
            default:
                throw line.Unknown($"what L{vcpu.Level} does", verb, vcpu.InL2 ? ScenarioWords.VerbsOfL2 : [.. ScenarioWords.VerbsOfL2, .. ScenarioWords.VerbsOfL1]);
        }
    }

    private void ReadIpi(ScenarioLine line, ScenarioVcpu vcpu)
    {
        ulong vector = line.Number64(line.Word("a vector"), "a vector", 255);
        line.Require("to");
        ScenarioVcpu target = _names.Vcpu(line, line.Word("a vCPU"));
        ulong level = line.AtEnd ? (ulong)vcpu.Level : line.Choice("L1 or L2", ScenarioWords.Levels);
        if (vcpu.InL2 && level == 1)
        {
            throw line.Bad("L2, to whose APIC an L2 sends", "'L1'", "L1's APIC is not L2's to write.");
        }

        const ulong Ipi = 1;
        _recorder.Execute(vcpu, new TraceEvent { Kind = RecordKind.Interrupt, A = Ipi, B = vector, C = target.Id, D = level });
    }

    private void ReadExit(ScenarioLine line, ScenarioVcpu vcpu)
    {
        bool toL0 = line.Take("to");
        if (toL0)
        {
            line.Require("L0");
        }

        uint? reason = null;
        RequestedFlush? request = null;
        foreach ((string key, string value) in line.Options())
        {
            switch (key)
            {
                case "reason":
                    bool isName = ExitReasons.TryParse(Encoding.ASCII.GetBytes(value), out Vendor vendor, out uint number) && vendor == _recorder.Vendor;
                    reason = isName ? number : (uint)line.Number64(value, "an exit reason of this vendor", uint.MaxValue);
                    break;
                case "request":
                    request = line.Choose(value, "a flush request", ScenarioWords.FlushRequests);
                    break;
                default:
                    throw line.Unknown("an option of 'exits'", key, ["reason", "request"]);
            }
        }

        if (vcpu.InL2 && !toL0)
        {
            _recorder.NestedExit(vcpu, reason, request);
        }
        else
        {
            _recorder.ExitAndReenter(vcpu, reason, request);
        }
    }

    private void ReadChange(ScenarioLine line, ScenarioVcpu vcpu, MapChangeKind change)
    {
        string what = line.Word("a page");
        if (!vcpu.InL2 && line.Take("in"))
        {
            ScenarioEpt ept = _names.Ept(line, line.Word("an ept"));
            ScenarioPages pages = _names.IsPages(what) ? Behind(line, vcpu, ept, what) : new ScenarioPages(line.Number64(what, "a page or a guest-physical address"), 1);
            _recorder.Change(vcpu, 1, MapTable.Tdp12, ept.Root, pages, line.SizeOption(), change);
            return;
        }

        bool ofL2 = vcpu.InL2;
        if (!vcpu.InL2 && line.Take("of"))
        {
            line.Require("L2");
            ofL2 = true;
        }

        ScenarioPages changed = _names.IsPages(what) ? _names.Pages(line, what) : new ScenarioPages(Address(line, what), 1);
        ulong root = ofL2 ? Entered(line, vcpu).L2.Root : vcpu.L1.Root;
        _recorder.Change(vcpu, vcpu.Level, ofL2 ? MapTable.L2 : MapTable.L1, root, changed, line.SizeOption(), change);
    }

    /// <summary>The guest-physical pages behind pages of L2.</summary>
    private ScenarioPages Behind(ScenarioLine line, ScenarioVcpu vcpu, ScenarioEpt ept, string name)
    {
        ScenarioPages pages = _names.Pages(line, name);
        ulong? first = pages.Count == 1 ? _recorder.PhysicalOf(ept, Entered(line, vcpu).L2.Root, pages.Address) : null;
        return first is { } address
            ? new ScenarioPages(address, 1)
            : throw line.Bad("one page that L2 has used", $"'{name}'", "The entry behind a page is known once L2 has read, written or mapped it; give a guest-physical address otherwise.");
    }

    private static ScenarioVmcs Entered(ScenarioLine line, ScenarioVcpu vcpu) =>
        vcpu.Vmcs ?? throw line.Bad("an L2 that this vCPU has entered", "none", "'L1 enters VMCS' says which L2 is meant: the one entered last.");

    private void ReadCr3(ScenarioLine line, ScenarioVcpu vcpu)
    {
        ScenarioProcess process = _names.Process(line, line.Word("a process"));
        (vcpu.InL2 ? vcpu.Vmcs!.L2 : vcpu.L1).Root = process.Root;
        _recorder.Execute(vcpu, TraceEvent.SetCr3(0, 0, process.Root, process.Pcid, noFlush: line.Take("keep")));
    }

    private void ReadCr4(ScenarioLine line, ScenarioVcpu vcpu, bool set)
    {
        Cr4Bits bit = line.Choice("a bit of CR4", ScenarioWords.Cr4);
        ScenarioRegisters registers = vcpu.InL2 ? vcpu.Vmcs!.L2 : vcpu.L1;
        registers.Cr4 = set ? registers.Cr4 | bit : registers.Cr4 & ~bit;
        _recorder.Execute(vcpu, TraceEvent.SetCr4(0, 0, registers.Cr4));
    }

    private void ReadInvpcid(ScenarioLine line, ScenarioVcpu vcpu)
    {
        byte type = line.Choice("a type of INVPCID", ScenarioWords.InvpcidTypes);
        ushort pcid = type < 2 ? _names.Process(line, line.Word("a process")).Pcid : (ushort)0;
        ulong address = type == 0 ? Address(line, line.Word("a page")) : 0;
        _recorder.Execute(vcpu, TraceEvent.Invpcid(0, 0, type, pcid, address));
    }

    private void ReadVmx(ScenarioLine line, ScenarioVcpu vcpu, string verb)
    {
        if (_recorder.Vendor != Vendor.Intel)
        {
            throw line.Bad("something that AMD has", $"'{verb}'", "The scenario's first vmcs or vmcb says whose machine it is.");
        }

        _recorder.Emulate(vcpu, verb == "vmxon" ? TraceEvent.Vmxon(0, vcpu.Id) : TraceEvent.Vmxoff(0, vcpu.Id));
    }

    private void ReadNestedInvalidation(ScenarioLine line, ScenarioVcpu vcpu, string verb)
    {
        if (verb == "invlpga" != (_recorder.Vendor == Vendor.Amd))
        {
            throw line.Bad(_recorder.Vendor == Vendor.Amd ? "invlpga" : "invvpid or invept", $"'{verb}'", "The scenario's first vmcs or vmcb says whose machine it is.");
        }

        TraceEvent e = new() { Kind = verb switch { "invvpid" => RecordKind.Invvpid, "invept" => RecordKind.Invept, _ => RecordKind.Invlpga } };
        if (verb != "invlpga")
        {
            string type = line.Word("a type");
            e.A = char.IsAsciiDigit(type[0]) ? line.Number64(type, "a type") : line.Choose(type, "a type", verb == "invvpid" ? ScenarioWords.InvvpidTypes : ScenarioWords.InveptTypes);
        }

        foreach ((string key, string value) in line.Options())
        {
            switch (verb, key)
            {
                case ("invvpid", "vpid"):
                    e.B = line.Number64(value, "a VPID");
                    break;
                case ("invvpid", "address"):
                    e.C = Address(line, value);
                    break;
                case ("invept", "eptp"):
                    e.B = _names.IsEpt(value) ? _names.Ept(line, value).Eptp : line.Number64(value, "an ept or an EPTP");
                    break;
                case ("invlpga", "asid"):
                    e.A = line.Number64(value, "an ASID", uint.MaxValue);
                    break;
                case ("invlpga", "address"):
                    e.B = Address(line, value);
                    break;
                default:
                    throw line.Unknown($"an operand of {verb}", key, verb switch { "invvpid" => ["vpid", "address"], "invept" => ["eptp"], _ => ["asid", "address"] });
            }
        }

        _recorder.Emulate(vcpu, e);
    }

    private ulong Address(ScenarioLine line, string word) => _names.IsPages(word) || !char.IsAsciiDigit(word[0]) ? _names.Pages(line, word).Address : line.Number64(word, "a page or an address");
}
