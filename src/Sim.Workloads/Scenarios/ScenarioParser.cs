using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Workloads.Kernel;

namespace Sim.Workloads.Scenarios;

/// <summary>Reads the language of docs/scenarios.md: declarations first, then who does what, with expectations between.</summary>
internal sealed class ScenarioParser
{
    private const string Magic = "nestsim-scenario";
    private const string Version = "1";
    private const string AmdProfile = "zen-3";
    private const string FirstVcpu = "v0";

    private readonly string _file;
    private readonly SortedDictionary<string, string> _properties = new(StringComparer.Ordinal) { ["generator"] = "scenario" };
    private readonly List<string> _configuration = [];
    private readonly List<ScenarioPart> _parts = [];
    private readonly List<Expectation> _expectations = [];
    private readonly ScenarioDeclarations _names = new();
    private readonly ScenarioRecorder _recorder = new();
    private string? _title;

    private ScenarioParser(string file) => _file = file;

    public static Scenario Parse(string text, string file)
    {
        ScenarioParser parser = new(file);
        string[] lines = text.Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            ScenarioLine line = new(file, i + 1, lines[i].TrimEnd('\r'));
            if (i == 0)
            {
                CheckMagic(line);
            }
            else if (!line.IsEmpty)
            {
                parser.Read(line);
                line.End();
            }
        }

        return parser.Finish(new ScenarioLine(file, lines.Length, ""));
    }

    private static void CheckMagic(ScenarioLine line)
    {
        line.Require(Magic);
        if (line.Word("the version") is var version && version != Version)
        {
            throw line.Bad($"version {Version}", $"'{version}'", "If it is a newer one, take a newer nestsim.");
        }

        line.End();
    }

    private Scenario Finish(ScenarioLine end)
    {
        ClosePart();
        if (_title is null)
        {
            throw end.Bad("a line 'title'", "the end of the file", "A title says in one sentence what the scenario shows.");
        }

        if (_parts.Count == 0)
        {
            throw end.Bad("a line that says what somebody does", "the end of the file");
        }

        if (_recorder.Vendor == Vendor.Amd && !_configuration.Exists(setting => setting.StartsWith("profile=", StringComparison.Ordinal)))
        {
            _configuration.Insert(0, "profile=" + AmdProfile);
        }

        if (_configuration.Count > 0)
        {
            _properties[Scenario.ConfigurationProperty] = string.Join(' ', _configuration);
        }

        _properties["title"] = _title;
        return new Scenario(_file, _title, new TraceHeader(_names.Lanes, false, "1/1", _properties), _names.Symbols, _parts);
    }

    private void ClosePart()
    {
        IReadOnlyList<TraceBlock> blocks = _recorder.TakeBlocks();
        if (blocks.Count > 0 || _expectations.Count > 0)
        {
            _parts.Add(new ScenarioPart(blocks, [.. _expectations]));
            _expectations.Clear();
        }
    }

    private void Read(ScenarioLine line)
    {
        string word = line.Word("a statement");
        if (word == "expect")
        {
            _expectations.Add(ExpectationParser.Parse(line));
            return;
        }

        if (_expectations.Count > 0)
        {
            ClosePart();
        }

        switch (word)
        {
            case "---":
                ClosePart();
                break;
            case "title":
                _title = line.Rest("a sentence");
                break;
            case "source":
                _properties["source"] = line.Rest("where the scenario comes from");
                break;
            case "machine":
                ReadMachine(line);
                break;
            case "vcpu":
                _names.AddVcpu(line);
                _recorder.HasSeveralVcpus = true;
                break;
            case "page":
                _names.AddPages(line);
                break;
            case "process":
                _names.AddProcess(line);
                break;
            case "ept" or "npt":
                _names.AddEpt(line, word == "npt");
                break;
            case "vmcs" or "vmcb":
                AddVmcs(line, word == "vmcb");
                break;
            case "mark":
                _recorder.Note(Vcpu(line, FirstVcpu), TraceEvent.Mark(0, 0, line.Rest("the mark's text")));
                break;
            default:
                ReadAction(line, word);
                break;
        }
    }

    private void ReadMachine(ScenarioLine line)
    {
        foreach ((string key, string value) in line.Options())
        {
            string path = key == "profile" || key.Contains('.', StringComparison.Ordinal) ? key : "machine." + key;
            _configuration.Add($"{path}={value switch { "on" => "true", "off" => "false", _ => value }}");
        }
    }

    private void AddVmcs(ScenarioLine line, bool isVmcb)
    {
        Vendor vendor = isVmcb ? Vendor.Amd : Vendor.Intel;
        if (_names.HasVmcs && _recorder.Vendor != vendor)
        {
            throw line.Bad("only one of vmcs and vmcb in a scenario", "both", "A machine is Intel's or AMD's.");
        }

        _recorder.Vendor = vendor;
        ScenarioVmcs vmcs = _names.AddVmcs(line);
        SetFields(line, vmcs);
    }

    private void SetFields(ScenarioLine line, ScenarioVmcs vmcs)
    {
        foreach ((string key, string value) in line.Options())
        {
            switch (key)
            {
                case "vpid" or "asid":
                    SetVpid(line, vmcs, value);
                    break;
                case "ept" or "npt":
                    vmcs.Ept = value == "off" ? null : _names.Ept(line, value);
                    vmcs.Controls = Toggle(vmcs.Controls, VmControls.EnableEpt, vmcs.Ept is not null);
                    break;
                case "tlb_control":
                    vmcs.Controls = vmcs.Controls.With(line.Choose(value, "a TLB_CONTROL", ScenarioWords.TlbControls));
                    break;
                case "controls":
                    VmControls kept = vmcs.Controls & (VmControls.EnableVpid | VmControls.EnableEpt | VmControls.TlbControlMask);
                    vmcs.Controls = value == "none" ? kept : value.Split(',').Aggregate(kept, (all, word) => all | line.Choose(word, "a control", ScenarioWords.Controls));
                    break;
                default:
                    throw line.Unknown("a field of a vmcs", key, ["vpid", "ept", "controls", "asid", "npt", "tlb_control"]);
            }
        }
    }

    private void SetVpid(ScenarioLine line, ScenarioVmcs vmcs, string value)
    {
        vmcs.Vpid = value switch
        {
            "off" => 0,
            "new" => _recorder.LargestVpid + 1,
            _ => (uint)line.Number64(value, "'off', 'new' or a number", ushort.MaxValue),
        };
        _recorder.LargestVpid = Math.Max(_recorder.LargestVpid, vmcs.Vpid);
        vmcs.Controls = Toggle(vmcs.Controls, VmControls.EnableVpid, value != "off");
    }

    private void ReadAction(ScenarioLine line, string word)
    {
        ScenarioVcpu? named = null;
        if (word.EndsWith(':'))
        {
            named = _names.Vcpu(line, word[..^1]);
            word = line.Word("who does something");
        }

        ScenarioVcpu vcpu = named ?? Vcpu(line, FirstVcpu);
        switch (word)
        {
            case "L1" or "L2":
                int level = word == "L1" ? 1 : 2;
                if (vcpu.Level != level)
                {
                    throw line.Bad($"L{vcpu.Level}, which {vcpu.Name} runs now", $"'{word}'", level == 2 ? "L2 runs after 'L1 enters VMCS'." : "L1 runs after 'L2 exits'.");
                }

                ReadGuest(line, vcpu);
                break;
            case "host":
                ReadHost(line, vcpu);
                break;
            case "device" or "ipi" or "timer" or "software":
                ReadInterrupt(line, word);
                break;
            default:
                throw line.Unknown(
                    "a statement",
                    word,
                    ["title", "source", "machine", "vcpu", "page", "process", "ept", "npt", "vmcs", "vmcb", "mark", "expect", "L1", "L2", "host", "device", "ipi", "timer", "software"]);
        }
    }

    private void ReadGuest(ScenarioLine line, ScenarioVcpu vcpu)
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
                SetFields(line, vmcs);
                _recorder.NestedEnter(vcpu, vmcs);
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

    private void ReadExit(ScenarioLine line, ScenarioVcpu vcpu)
    {
        bool toL0 = line.Take("to");
        if (toL0)
        {
            line.Require("L0");
        }

        uint? reason = null;
        foreach ((string key, string value) in line.Options())
        {
            if (key != "reason")
            {
                throw line.Unknown("an option of 'exits'", key, ["reason"]);
            }

            bool isName = ExitReasons.TryParse(System.Text.Encoding.ASCII.GetBytes(value), out Vendor vendor, out uint number) && vendor == _recorder.Vendor;
            reason = isName ? number : (uint)line.Number64(value, "an exit reason of this vendor", uint.MaxValue);
        }

        if (vcpu.InL2 && !toL0)
        {
            _recorder.NestedExit(vcpu, reason);
        }
        else
        {
            _recorder.ExitAndReenter(vcpu, reason);
        }
    }

    private void ReadChange(ScenarioLine line, ScenarioVcpu vcpu, MapChangeKind change)
    {
        string what = line.Word("a page");
        if (!vcpu.InL2 && line.Take("in"))
        {
            ScenarioEpt ept = _names.Ept(line, line.Word("an ept"));
            ScenarioPages pages = _names.IsPages(what) ? Behind(line, vcpu, ept, what) : new ScenarioPages(line.Number64(what, "a page or a guest-physical address"), 1);
            _recorder.Change(vcpu, 1, MapTable.Tdp12, ept.Root, pages, Size(line), change);
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
        _recorder.Change(vcpu, vcpu.Level, ofL2 ? MapTable.L2 : MapTable.L1, root, changed, Size(line), change);
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

    private void ReadHost(ScenarioLine line, ScenarioVcpu vcpu)
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
            case "inhibits" or "permits":
                line.Require("apicv");
                _recorder.InL0(vcpu, new TraceEvent { Kind = RecordKind.ApicvInhibit, A = line.Number64(line.Word("the number of a reason"), "the number of a reason", 63), B = verb == "inhibits" ? 1UL : 0 });
                break;
            default:
                throw line.Unknown("what the host does", verb, ["maps", "remaps", "unmaps", "restricts", "widens", "moves", "inhibits", "permits"]);
        }
    }

    /// <summary>"memory of L1", "memory of L2" or an address of L1's physical memory with a size.</summary>
    private static (ulong Address, ulong Size) ReadHostMemory(ScenarioLine line)
    {
        if (!line.Take("memory"))
        {
            ulong address = line.Number64(line.Word("'memory of L1', 'memory of L2' or an address"), "'memory of L1', 'memory of L2' or an address");
            return (address, Size(line));
        }

        line.Require("of");
        return (line.Choice("L1 or L2", ScenarioWords.HostMemory), 1UL << 30);
    }

    private void ReadInterrupt(ScenarioLine line, string source)
    {
        line.Require("sends");
        ulong vector = line.Number64(line.Word("a vector"), "a vector", 255);
        line.Require("to");
        ScenarioVcpu target = _names.Vcpu(line, line.Word("a vCPU"));
        ulong level = line.Choice("L1 or L2", ScenarioWords.Levels);
        _recorder.Note(target, new TraceEvent { Kind = RecordKind.Interrupt, A = line.Choose(source, "a source", ScenarioWords.InterruptSources), B = vector, C = target.Id, D = level });
    }

    private static ulong Size(ScenarioLine line)
    {
        ulong size = ScenarioPages.Bytes;
        foreach ((string key, string value) in line.Options())
        {
            size = key == "size" ? line.Choose(value, "a page size", ScenarioWords.PageSizes) : throw line.Unknown("an option of a change", key, ["size"]);
        }

        return size;
    }

    private ulong Address(ScenarioLine line, string word) => _names.IsPages(word) || !char.IsAsciiDigit(word[0]) ? _names.Pages(line, word).Address : line.Number64(word, "a page or an address");

    private ScenarioVcpu Vcpu(ScenarioLine line, string name)
    {
        if (!_names.HasVcpus)
        {
            _names.AddVcpu(FirstVcpu, 0);
        }

        return _names.HasVcpu(name) ? _names.Vcpu(line, name) : throw line.Bad("the vCPU that does it, as in 'v1: L1 reads page'", "none", "There is no vCPU v0 in this scenario.");
    }

    private static VmControls Toggle(VmControls controls, VmControls bit, bool on) => on ? controls | bit : controls & ~bit;
}
