using Sim.Core.Profiles;
using Sim.Core.Traces;

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
    private readonly GuestStatements _guests;
    private readonly HostStatements _host;
    private string? _title;

    private ScenarioParser(string file)
    {
        _file = file;
        _guests = new GuestStatements(_names, _recorder);
        _host = new HostStatements(_names, _recorder);
    }

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
            string path = key == "profile" ? key : key[0] == '.' ? key[1..] : "machine." + key;
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
        VmcsFields.Set(line, vmcs, _names, _recorder);
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

                _guests.Read(line, vcpu);
                break;
            case "host":
                _host.Read(line, vcpu);
                break;
            case "device" or "ipi" or "timer" or "software":
                _host.ReadInterrupt(line, word, named);
                break;
            default:
                throw line.Unknown(
                    "a statement",
                    word,
                    ["title", "source", "machine", "vcpu", "page", "process", "ept", "npt", "vmcs", "vmcb", "mark", "expect", "L1", "L2", "host", "device", "ipi", "timer", "software"]);
        }
    }

    private ScenarioVcpu Vcpu(ScenarioLine line, string name)
    {
        if (!_names.HasVcpus)
        {
            _names.AddVcpu(FirstVcpu, 0);
        }

        return _names.HasVcpu(name) ? _names.Vcpu(line, name) : throw line.Bad("the vCPU that does it, as in 'v1: L1 reads page'", "none", "There is no vCPU v0 in this scenario.");
    }
}
