// Cuts real handlings of L2's exits by L0 and L1 (two Linux 6.12 kernels running KVM) out of memory windows of the Bochs nested-KVM captures, as one nested
// trace: every access of L0, L1 and L2 between the chosen exits, with the transitions among them. Weave replays its episodes.
//
// usage: dotnet run traces/capture/handlers.cs -- OUT.nst.gz [WINDOW.pages.txt BY REASON COUNT]...
//        a window is plain text (xz -dc first); BY is l0 or l1; COUNT episodes are taken, evenly spaced
//
// What the lines mean: README of the captures. Data and code pages that the capture's filter dropped as recently used are not restored.
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:project ../../Sim.Workloads/Sim.Workloads.csproj
using System.Globalization;
using Sim.Core.Traces;
using Sim.Workloads;
using Sim.Workloads.Formats;

string output = args[0];
List<List<Item>> chosen = [];
for (int a = 1; a < args.Length; a += 4)
{
    bool byL1 = args[a + 1] == "l1";
    ulong reason = ulong.Parse(args[a + 2], CultureInfo.InvariantCulture);
    int count = int.Parse(args[a + 3], CultureInfo.InvariantCulture);
    List<List<Item>> all = [.. Episodes(args[a]).Where(e => e[0].Event.C == reason && e.Exists(i => i.Event.Kind == RecordKind.VmExit && i.Event.Transition == TransitionKind.L2ToL1) == byL1)];
    Console.Error.WriteLine($"{args[a]}: {all.Count} exits of reason {reason} handled by {args[a + 1]}, {Math.Min(count, all.Count)} taken");
    chosen.AddRange(Enumerable.Range(0, Math.Min(count, all.Count)).Select(i => all[i * all.Count / Math.Min(count, all.Count)]));
}

SortedDictionary<string, string> properties = new(StringComparer.Ordinal)
{
    ["source"] = "bochs-vmx-mem captures, traces/capture/handlers.cs",
    ["kernel"] = "Linux 6.12.117 at L0 and L1, nested KVM with EPT and VPID",
    ["filter"] = "pages among the last 8 data or 4 code pages are not listed again; hits are not preserved",
};
using TraceFileWriter file = TraceFile.Create(output, new TraceHeader(1, Folded: true, "1/1", properties));
TraceAppender trace = new(file, lanes: 1, fold: true);
ulong now = 0;
const Cr4Bits KernelCr4 = Cr4Bits.Pae | Cr4Bits.Pge | Cr4Bits.Pcide | Cr4Bits.Smep;
trace.Event(0, TraceEvent.SetCr4(0, 0, KernelCr4));
trace.Event(0, TraceEvent.SetCr3(0, 0, 0x4bfa000, 5));
trace.Event(0, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
trace.Event(0, TraceEvent.SetCr4(0, 1, KernelCr4));
trace.Event(0, TraceEvent.SetCr3(0, 1, 0x13892000, 2));
trace.Event(0, TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, 20));
trace.Event(0, NestedEntry());
trace.Event(0, TraceEvent.VmEnter(0, TransitionKind.L0ToL2, 0));
trace.Event(0, TraceEvent.SetCr4(0, 2, Cr4Bits.Pae));
trace.Event(0, TraceEvent.SetCr3(0, 2, 0x70000));
foreach (List<Item> episode in chosen)
{
    ulong first = episode[0].Time;
    foreach (Item item in episode)
    {
        ulong time = now + item.Time - first;
        if (item.Event.Kind == RecordKind.Access)
        {
            trace.Access(0, time, item.Address, item.Flags, 1);
        }
        else
        {
            TraceEvent e = item.Event;
            e.Time = time;
            trace.Event(0, e);
        }
    }

    now += episode[^1].Time - first + 1;
}

trace.Complete();
file.Complete();
Console.Error.WriteLine($"{output}: {chosen.Count} episodes, {trace.Records} records, {now} cycles");

// vpid12 and EPTP12 are not in the capture; L1 is KVM, which gives its one vCPU one VPID.
static TraceEvent NestedEntry() => TraceEvent.NestedEnter(0, 0, 0x1f000000, VmControls.EnableVpid | VmControls.EnableEpt, 1, 0x2000005e);

// Whole episodes: from an exit of L2 to the next entry of L2, and L2's accesses after it.
static IEnumerable<List<Item>> Episodes(string path)
{
    const string L2Vpid = "2";
    List<Item>? episode = null;
    bool complete = false;
    int stay = 0;
    int cpl = 0;
    int vmptrld = -1;
    string vmptrldOf = "";
    ulong stayStart = 0;
    foreach (string line in File.ReadLines(path))
    {
        if (line[0] is 'R' or 'W' or 'X')
        {
            AccessType type = line[0] switch { 'R' => AccessType.Read, 'W' => AccessType.Write, _ => AccessType.Execute };
            ulong page = ulong.Parse(line.AsSpan(2, line.IndexOf(' ', 2) - 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            episode?.Add(new Item(0, page << 12, AccessFlags.Pack(type, cpl), default));
        }
        else if (line[0] == 'C')
        {
            cpl = line.Split(' ')[3][0] - '0';
        }
        else if (char.IsAsciiDigit(line[0]))
        {
            string[] f = line.Split(' ');
            ulong instruction = ulong.Parse(f[1], CultureInfo.InvariantCulture);
            switch (f[4])
            {
                case "VMPTRLD" when episode is not null && (vmptrld < 0 || vmptrldOf != f[5]):
                    (vmptrld, vmptrldOf) = (episode.Count, f[5]);
                    break;
                case "VMEXIT" when Field(f, "vpid") == L2Vpid:
                    if (episode is not null && complete)
                    {
                        Spread(episode, stay, stayStart, instruction);
                        yield return episode;
                    }

                    episode = [new Item(instruction, 0, 0, TraceEvent.VmExit(0, TransitionKind.L2ToL0, 0, uint.Parse(Field(f, "reason"), CultureInfo.InvariantCulture), Hex(f, "qual")))];
                    (complete, stay, stayStart, vmptrld) = (false, 1, instruction, -1);
                    break;
                case "VMEXIT" when episode is not null:
                    Spread(episode, stay, stayStart, instruction);
                    episode.Add(new Item(instruction, 0, 0, TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, uint.Parse(Field(f, "reason"), CultureInfo.InvariantCulture), Hex(f, "qual"))));
                    (stay, stayStart, vmptrld) = (episode.Count, instruction, -1);
                    break;
                case "VMENTRY" when episode is not null:
                    Spread(episode, stay, stayStart, instruction);
                    bool toL2 = Field(f, "vpid") == L2Vpid;
                    bool fromL2 = stay == 1;
                    if (toL2 != fromL2)
                    {
                        // The nested transition happens where L0 switches between vmcs01 and vmcs02; if that was not seen, at the real entry.
                        int at = vmptrld >= 0 ? vmptrld : episode.Count;
                        ulong when = at < episode.Count ? episode[at].Time : instruction;
                        episode.Insert(at, new Item(when, 0, 0, toL2 ? NestedEntry() : TraceEvent.VmExit(0, TransitionKind.L2ToL1, 0, (uint)episode[0].Event.C, episode[0].Event.D)));
                    }

                    episode.Add(new Item(instruction, 0, 0, TraceEvent.VmEnter(0, toL2 ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1, 0)));
                    (complete, stay, stayStart, vmptrld) = (toL2, episode.Count, instruction, -1);
                    break;
                default:
                    break;
            }
        }
    }
}

// Accesses carry no time of their own: they are spread evenly over the instructions of their stay.
static void Spread(List<Item> episode, int first, ulong start, ulong end)
{
    for (int i = first; i < episode.Count; i++)
    {
        episode[i] = episode[i] with { Time = start + ((end - start) * (ulong)(i - first + 1) / (ulong)(episode.Count - first + 1)) };
    }
}

static string Field(string[] fields, string name)
{
    foreach (string field in fields)
    {
        if (field.StartsWith(name, StringComparison.Ordinal) && field.Length > name.Length && field[name.Length] == '=')
        {
            return field[(name.Length + 1)..];
        }
    }

    throw new FormatException($"no {name}= in '{string.Join(' ', fields)}'");
}

static ulong Hex(string[] fields, string name) => ulong.Parse(Field(fields, name), NumberStyles.HexNumber, CultureInfo.InvariantCulture);

internal readonly record struct Item(ulong Time, ulong Address, byte Flags, TraceEvent Event);
