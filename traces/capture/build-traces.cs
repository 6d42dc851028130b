// Makes the trace files of this folder and their MANIFEST.json out of the captures.
//
// usage: dotnet run -c Release traces/capture/build-traces.cs -- CAPTURES TRACES
//        CAPTURES holds <name>.lackey[.gz] from capture.sh and handlers.nst.gz from handlers.cs
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:property JsonSerializerIsReflectionEnabledByDefault=true
#:project ../../Sim.Workloads/Sim.Workloads.csproj
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using Sim.Core.Traces;
using Sim.Workloads;
using Sim.Workloads.Formats;
using Sim.Workloads.Weave;

string captures = args[0];
string traces = args[1];
const string Licence = "Addresses recorded by this project from programs of Debian 12; holds no code or data of theirs. Free to use under the project's licence.";
const string Lackey = "valgrind-3.19.0 --tool=lackey --trace-mem=yes, traces/capture/capture.sh ";
const string Handlers = "nested-kvm-exits.nst.gz";
List<SortedDictionary<string, object>> manifest = [];

Take(Handlers, "56 real handlings of L2's exits by L0 and L1, both Linux 6.12 KVM, with every page they touch; L2 is a tiny guest that runs CPUID, I/O and first touches of memory.",
    "Bochs corei7_skylake_x nested-KVM captures, memory windows 1 and 3, cut by traces/capture/handlers.cs", "hypervisor footprints: 100+ code and 90 data pages of L0 in each round trip");

User("sort", "GNU sort 9.1 of 60 000 lines: the last merge and its output, memcmp of lines at random places", "900 data pages at random places, hardly any code: more than a first-level TLB, less than an STLB");
User("gzip", "gzip 1.12 -9 of the same text: hash chains over a 32 KB window", "few pages, used again and again: every flush costs its refill and nothing else");
User("python", "CPython 3.11 fills a dictionary of 200 000 integers, counting digits", "200+ data and 30+ code pages, pointer chasing");
User("sqlite", "SQLite 3.40 inserts 30 000 rows into a table", "code: more than 50 pages of instructions, small data");

Woven("nested-sort", "sort", true, "every=6000 vpid12=same", "L1 with one L2 VM and one vpid12; handlers are the recorded ones", "the price of flushing L2 at nested entries that need none");
Woven("nested-gzip-vpid-alternate", "gzip", false, "schedule=poisson every=2500 vpid12=alternate:4 l2-vms=4 reuse=3 l1-exits=2 l2-accesses=1250000",
    "L1 runs four L2 VMs in turn on one vCPU, each with its vpid12 and EPTP12; synthetic handlers with measured footprints", "a new vpid12 at every nested entry: FLUSH_CURRENT or FLUSH_GUEST (seed 1), and what a pool of VPIDs would save");
Woven("nested-python-no-vpid", "python", false, "schedule=poisson every=4000 vpid12=off reuse=3", "L1 does not enable VPID for L2: each nested transition must look like a full flush to L1 and L2", "mandatory flushes of L1 and L2 together");
Woven("nested-sqlite-vpid-new", "sqlite", false, "schedule=poisson every=3200 vpid12=new invept-every=32 reuse=3", "L1 takes a new vpid12 for every nested entry instead of INVVPID, and executes INVEPT now and then", "seed 1's worst case, and the root cache on INVEPT");
Woven("nested-python-shadow", "python", false, "every=5000 vpid12=same ept12=off l2-cr3-every=20000 l2-processes=3 reuse=3 invvpid-every=16", "L1 shadows L2's page tables (no EPT12); L2 switches between three processes with PCIDs", "shared guest-physical space of L1 and L2: tags differ by VPID and root role only");
Woven("nested-gzip-svm", "gzip", false, "arch=svm schedule=poisson every=2500 vpid12=alternate:2 l2-vms=2 reuse=3 l2-accesses=1250000", "AMD: L1 runs two L2 VMs with their ASIDs", "ASID policies of nested SVM");
Woven("nested-python-timer", "python", false, $"schedule=recorded exits-file={Path.Combine(traces, "exits-timer.csv")} vpid12=same l2-accesses=1500000 reuse=1",
    "L2's exits are those of a real L2 under timer interrupts (capture bochs-vmx-1cpu, window 6, after its first touches of memory), at their real distances", "a recorded schedule: bursts of exits");

JsonSerializerOptions options = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
File.WriteAllText(Path.Combine(traces, "MANIFEST.json"), JsonSerializer.Serialize(manifest, options) + "\n");

void Take(string name, string what, string captured, string stresses)
{
    File.Copy(Path.Combine(captures, "handlers.nst.gz"), Path.Combine(traces, name), overwrite: true);
    Describe(name, what, captured, null, stresses);
}

void User(string name, string what, string stresses)
{
    using TraceFile source = Capture(name);
    SortedDictionary<string, string> properties = new(StringComparer.Ordinal);
    foreach ((string key, string value) in source.Header.Properties)
    {
        properties[key] = value;
    }

    properties["program"] = what;
    using (TraceFileWriter file = TraceFile.Create(Path.Combine(traces, name + ".nst.gz"), source.Header with { Folded = true, Properties = properties }))
    {
        Folding folding = new(file, source.Header.Lanes);
        TraceBlock block = new();
        while (source.Read(block))
        {
            folding.Write(block);
        }

        folding.Complete();
        file.Complete();
    }

    Describe(name + ".nst.gz", what, Lackey + name, null, stresses);
}

void Woven(string name, string program, bool recorded, string words, string what, string stresses)
{
    WeaveSpec spec = WeaveSpec.Parse([.. words.Split(' '), "warm-up=0"]);
    if (spec.L2Accesses == 0)
    {
        using TraceFile counted = Capture(program);
        spec = spec with { L2Accesses = Weaver.CountAccesses(counted) };
    }

    spec = spec with { WarmUp = new WarmUp(20, IsPercent: true) };
    using TraceFile l2 = Capture(program);
    using TraceFile? handlers = recorded ? TraceFile.Open(Path.Combine(traces, Handlers)) : null;
    using (TraceFileWriter file = TraceFile.Create(Path.Combine(traces, name + ".nst.gz"), Weaver.Header(spec, l2.Header, handlers?.Header)))
    {
        Console.Error.WriteLine($"{name}: {Weaver.Weave(spec, l2, handlers, file)}");
        file.Complete();
    }

    Describe(name + ".nst.gz", what, Lackey + program + (recorded ? $"; L0 and L1 from {Handlers}" : ""), spec.ToString(), stresses);
}

TraceFile Capture(string name)
{
    string path = Path.Combine(captures, name + ".lackey");
    return TraceFile.Open(File.Exists(path) ? path : path + ".gz");
}

void Describe(string name, string what, string captured, string? weave, string stresses)
{
    string path = Path.Combine(traces, name);
    ulong records = 0;
    ulong accesses = 0;
    ulong transitions = 0;
    ulong nestedEntries = 0;
    ulong cycles = 0;
    using (TraceFile trace = TraceFile.Open(path))
    {
        TraceBlock block = new();
        while (trace.Read(block))
        {
            records += (ulong)block.RecordCount;
            cycles = block.LastTime;
            for (int i = 0; i < block.AccessCount; i++)
            {
                accesses += block.Repeat[i];
            }

            for (int i = 0; i < block.EventCount; i++)
            {
                bool transition = block.Events[i].Kind is RecordKind.VmEnter or RecordKind.VmExit;
                transitions += transition ? 1UL : 0;
                nestedEntries += transition && block.Events[i].Transition == TransitionKind.L1ToL2 ? 1UL : 0;
            }
        }
    }

    weave = weave?.Replace(traces, "traces", StringComparison.Ordinal);
    SortedDictionary<string, object> entry = new(StringComparer.Ordinal)
    {
        ["name"] = name,
        ["what"] = what,
        ["captured"] = captured,
        ["stresses"] = stresses,
        ["licence"] = Licence,
        ["sha256"] = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path))),
        ["bytes"] = new FileInfo(path).Length,
        ["records"] = records,
        ["accesses"] = accesses,
        ["transitions"] = transitions,
        ["nested_entries"] = nestedEntries,
        ["cycles"] = cycles,
    };
    if (weave is not null)
    {
        entry["weave"] = weave;
    }

    manifest.Add(entry);
    Console.Error.WriteLine($"{name}: {new FileInfo(path).Length} bytes, {records} records, {accesses} accesses, {nestedEntries} nested entries");
}
