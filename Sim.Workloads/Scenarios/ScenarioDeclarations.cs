using System.Globalization;

namespace Sim.Workloads.Scenarios;

/// <summary>What a scenario declares by name. Addresses that are not given are chosen: each name has its own.</summary>
internal sealed class ScenarioDeclarations
{
    /// <summary>Largest number of a lane.</summary>
    public const int MaxLane = 63;

    private const int MaxPages = 1 << 16;
    private const ulong FirstUserPage = 0x1000_0000;
    private const ulong FirstKernelPage = 0xFFFF_8880_1000_0000;
    private const ulong BetweenPages = MaxPages * ScenarioPages.Bytes;
    private const ulong FirstRoot = 0x100_0000;
    private const ulong FirstEpt = 0x7000_0000;
    private const ulong FirstVmcs = 0x5000_0000;
    private const ulong OnePage = 0x1000;

    /// <summary>Write-back, four levels, accessed and dirty flags: what KVM writes.</summary>
    private const ulong EptpFormat = 0x5E;

    private readonly Dictionary<string, ScenarioPages> _pages = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ScenarioProcess> _processes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ScenarioEpt> _epts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ScenarioVmcs> _vmcs = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ScenarioVcpu> _vcpus = new(StringComparer.Ordinal);

    /// <summary>Lanes in use.</summary>
    public int Lanes { get; private set; } = 1;

    /// <summary>Names by the address that operands of invalidations have.</summary>
    public IReadOnlyDictionary<string, string> Symbols
    {
        get
        {
            SortedDictionary<string, string> symbols = new(StringComparer.Ordinal);
            foreach ((string name, ulong address) in _pages.Select(pages => (pages.Key, pages.Value.Address)).Concat(_epts.Select(ept => (ept.Key, ept.Value.Root))).OrderBy(named => named.Key, StringComparer.Ordinal))
            {
                symbols.TryAdd("0x" + address.ToString("x", CultureInfo.InvariantCulture), name);
            }

            return symbols;
        }
    }

    public bool HasVmcs => _vmcs.Count > 0;

    public bool HasVcpus => _vcpus.Count > 0;

    public bool HasVcpu(string name) => _vcpus.ContainsKey(name);

    public bool IsPages(string name) => _pages.ContainsKey(name);

    public bool IsEpt(string name) => _epts.ContainsKey(name);

    public ScenarioPages Pages(ScenarioLine line, string name) => Find(line, "a page", name, _pages);

    public ScenarioProcess Process(ScenarioLine line, string name) => Find(line, "a process", name, _processes);

    public ScenarioEpt Ept(ScenarioLine line, string name) => Find(line, "an ept", name, _epts);

    public ScenarioVmcs Vmcs(ScenarioLine line, string name) => Find(line, "a vmcs", name, _vmcs);

    public ScenarioVcpu Vcpu(ScenarioLine line, string name) => Find(line, "a vCPU", name, _vcpus);

    public void UseLane(int lane) => Lanes = Math.Max(Lanes, lane + 1);

    public void AddVcpu(string name, int lane)
    {
        UseLane(lane);
        _vcpus.Add(name, new ScenarioVcpu(name, (ushort)_vcpus.Count, lane));
    }

    public void AddVcpu(ScenarioLine line)
    {
        string name = NewName(line, "a vCPU", _vcpus);
        int lane = 0;
        foreach ((string key, string value) in line.Options())
        {
            lane = key == "lane" ? (int)line.Number64(value, "a lane", MaxLane) : throw line.Unknown("an option of a vCPU", key, ["lane"]);
        }

        AddVcpu(name, lane);
    }

    public void AddPages(ScenarioLine line)
    {
        string name = NewName(line, "a page", _pages);
        bool isKernel = line.Take("kernel");
        ulong address = (isKernel ? FirstKernelPage : FirstUserPage) + ((ulong)_pages.Count * BetweenPages);
        int count = 1;
        foreach ((string key, string value) in line.Options())
        {
            switch (key)
            {
                case "at":
                    address = line.Number64(value, "an address");
                    break;
                case "count":
                    count = (int)line.Number64(value, "a number of pages", MaxPages);
                    break;
                default:
                    throw line.Unknown("an option of a page", key, ["at", "count"]);
            }
        }

        _pages.Add(name, new ScenarioPages(address, count));
    }

    public void AddProcess(ScenarioLine line)
    {
        string name = NewName(line, "a process", _processes);
        ulong root = FirstRoot + ((ulong)_processes.Count * OnePage);
        ushort pcid = 0;
        foreach ((string key, string value) in line.Options())
        {
            switch (key)
            {
                case "pcid":
                    pcid = (ushort)line.Number64(value, "a PCID", 4095);
                    break;
                case "root":
                    root = line.Number64(value, "the address of a page table");
                    break;
                default:
                    throw line.Unknown("an option of a process", key, ["pcid", "root"]);
            }
        }

        _processes.Add(name, new ScenarioProcess(root, pcid));
    }

    public void AddEpt(ScenarioLine line, bool isNpt)
    {
        string name = NewName(line, "an ept", _epts);
        ulong eptp = FirstEpt + ((ulong)_epts.Count * OnePage) + (isNpt ? 0 : EptpFormat);
        foreach ((string key, string value) in line.Options())
        {
            eptp = key is "eptp" or "ncr3" ? line.Number64(value, "an EPTP") : throw line.Unknown("an option of an ept", key, ["eptp", "ncr3"]);
        }

        _epts.Add(name, new ScenarioEpt(name, eptp));
    }

    public ScenarioVmcs AddVmcs(ScenarioLine line)
    {
        string name = NewName(line, "a vmcs", _vmcs);
        ScenarioVmcs vmcs = new(name, FirstVmcs + ((ulong)_vmcs.Count * OnePage));
        _vmcs.Add(name, vmcs);
        return vmcs;
    }

    private static string NewName<T>(ScenarioLine line, string what, Dictionary<string, T> table)
    {
        string name = line.Word("a name");
        if (!char.IsAsciiLetter(name[0]) || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-'))
        {
            throw line.Bad("a name of letters, digits, _ and -, that begins with a letter", $"'{name}'");
        }

        return table.ContainsKey(name) ? throw line.Bad($"a new name for {what}", $"'{name}', which is declared above") : name;
    }

    private static T Find<T>(ScenarioLine line, string what, string name, Dictionary<string, T> table) =>
        table.TryGetValue(name, out T? found) ? found : throw line.Unknown(what, name, table.Keys.Order(StringComparer.Ordinal));
}
