using System.Text;
using Sim.Captures.Ftrace;
using Sim.Captures.HwLog;
using Sim.Core.Architecture;
using Sim.Core.Traces;
using Sim.Workloads.Operations;

namespace Sim.Captures.Tests.HwLog;

[TestFixture]
internal sealed class LiftTests
{
    [TestCase("bochs-vmx-1cpu.hw.txt.xz", 1)]
    [TestCase("bochs-vmx-2cpu.hw.txt.xz", 2)]
    [RecordingBeside("bochs-vmx-mem.hw.txt.xz", 1)]
    [TestCase("bochs-vmx-mem.win1.pages.txt.xz", 1)]
    public void A_lifted_capture_obeys_every_trace_invariant_and_keeps_every_transition(string name, int lanes)
    {
        (MemoryTrace trace, LiftResult result) = LiftFile(name, lanes);
        TraceVerification verification = TraceVerifier.Run(trace);
        trace.Rewind();
        EventSummary summary = Summary(name);
        SortedDictionary<TransitionKind, long> transitions = [];
        foreach (TraceEvent e in Events(trace).Where(e => e.Kind is RecordKind.VmEnter or RecordKind.VmExit))
        {
            transitions[e.Transition] = transitions.GetValueOrDefault(e.Transition) + 1;
        }

        long real = transitions[TransitionKind.L1ToL0] + transitions[TransitionKind.L2ToL0];
        long recorded = summary["transitions", "L1", "real exits"] + summary["transitions", "L2", "real exits"];
        Assert.Multiple(() =>
        {
            Assert.That(verification.Findings, Is.Empty);
            Assert.That(real, Is.InRange(recorded, recorded + result.Synthesized));
            Assert.That(transitions[TransitionKind.L1ToL2], Is.InRange(summary["transitions", "", "nested entries"], summary["transitions", "", "nested entries"] + result.Synthesized));
            Assert.That(result.Synthesized, Is.LessThan(40));
            Assert.That(result.Skipped, Is.LessThan(40));
            Assert.That(Events(trace).Any(e => e is { Kind: RecordKind.Invvpid or RecordKind.Invept, Level: 0 }), Is.False, "L0's own flushes belong in the answer key");
        });
    }

    [TestCase("bochs-vmx-1cpu.hw.txt.xz", 1)]
    [TestCase("bochs-vmx-2cpu.hw.txt.xz", 2)]
    [RecordingBeside("bochs-vmx-mem.hw.txt.xz", 1)]
    public void The_answer_key_holds_exactly_the_flushes_that_L0_executed(string name, int lanes)
    {
        SortedDictionary<string, long> expected = Recordings.Awk(name, "$4 == \"R\" && $5 ~ /^INV(EPT|VPID)$/ { c[$5 \" \" $6 \" \" $7]++ } END { for (k in c) print c[k], k }");
        SortedDictionary<string, long> counts = new(StringComparer.Ordinal);
        foreach (AnswerKeyEntry entry in LiftFile(name, lanes).Result.AnswerKey)
        {
            string key = entry.IsInvept ? FormattableString.Invariant($"INVEPT type={entry.Type} d0={entry.Operand:x}") : FormattableString.Invariant($"INVVPID type={entry.Type} d0={entry.Operand:x}");
            counts[key] = counts.GetValueOrDefault(key) + 1;
        }

        Assert.That(counts, Is.EqualTo(expected));
    }

    // KVM 6.12 (policy G): at a nested entry INVVPID(vpid02) if vpid12 differs from the last one; when L1 executes INVVPID, INVVPID(vpid02) at once, once VMXON has made one.
    [TestCase("bochs-vmx-1cpu.hw.txt.xz", 1)]
    [TestCase("bochs-vmx-2cpu.hw.txt.xz", 2)]
    [RecordingBeside("bochs-vmx-mem.hw.txt.xz", 1)]
    public void Flushes_of_vpid02_follow_from_the_inferred_vpid12_and_from_the_INVVPIDs_of_L1(string name, int lanes)
    {
        (MemoryTrace trace, LiftResult result) = LiftFile(name, lanes);
        Dictionary<ulong, ulong> lastVpid12 = [];
        int newVpid12 = 0;
        foreach (TraceEvent e in Events(trace).Where(e => e is { Kind: RecordKind.VmEnter, Transition: TransitionKind.L1ToL2 }))
        {
            Assert.That((VmControls)e.F, Is.EqualTo(VmControls.EnableVpid | VmControls.EnableEpt));
            newVpid12 += lastVpid12.GetValueOrDefault(e.Vcpu) == e.D ? 0 : 1;
            lastVpid12[e.Vcpu] = e.D;
        }

        AnswerKeyEntry[] ofVpid02 = [.. result.AnswerKey.Where(entry => entry is { IsInvept: false, ExitLevel: 1 } && entry.Nested == LevelChange.NestedEntry)];
        Assert.Multiple(() =>
        {
            Assert.That(ofVpid02.Select(entry => entry.Target), Is.All.EqualTo(FlushTarget.Vpid02));
            Assert.That(ofVpid02, Has.Length.EqualTo(newVpid12).And.Length.GreaterThan(0));
        });
    }

    [Test]
    public void A_nested_round_trip_is_lifted_record_by_record()
    {
        const string Capture = """
            1000 1 0 R MARK cmd=1 arg=7 cpl=3 icount=1 vmexits=0 ev=1
            1001 2 0 R VMPTRLD a000 0 0
            1002 3 0 R INVVPID type=1 d0=1 d1=0
            1003 4 0 G VMENTRY vmcs=a000 vpid=1 eptp=e01e cr3=5002 rip=1 pin=ff cpu=80000001 cpu2=22 intr=0
            1004 5 0 G G_INVVPID type=1 d0=9 d1=0
            1004 5 0 G VMEXIT reason=53 qual=0 vmcs=a000 vpid=1 eptp=e01e cr3=5002 rip=1
            1005 6 0 G VMENTRY vmcs=a000 vpid=1 eptp=e01e cr3=5002 rip=1 pin=ff cpu=80000001 cpu2=22 intr=0
            1006 7 0 G MOV_CR3 8000000000006003
            1007 8 0 G INVLPG 7000123
            1008 9 0 G VMEXIT reason=20 qual=0 vmcs=a000 vpid=1 eptp=e01e cr3=6003 rip=1
            1009 10 0 R VMPTRLD b000 0 0
            1010 11 0 R INVVPID type=1 d0=2 d1=0
            1011 12 0 R INVEPT type=1 d0=e02e d1=0
            1012 13 0 G VMENTRY vmcs=b000 vpid=2 eptp=e02e cr3=70000 rip=1 pin=ff cpu=80000001 cpu2=22 intr=0
            1013 14 0 G VMEXIT reason=48 qual=181 vmcs=b000 vpid=2 eptp=e02e cr3=70000 rip=1 gpa=71008 gla=200000
            1014 15 0 R VMPTRLD a000 0 0
            1015 16 0 G VMENTRY vmcs=a000 vpid=1 eptp=e01e cr3=6003 rip=1 pin=ff cpu=80000001 cpu2=22 intr=0
            1016 17 0 G VMEXIT reason=24 qual=0 vmcs=a000 vpid=1 eptp=e01e cr3=6003 rip=1
            1017 18 0 R VMPTRLD b000 0 0
            1018 19 0 G VMENTRY vmcs=b000 vpid=2 eptp=e02e cr3=70000 rip=1 pin=ff cpu=80000001 cpu2=22 intr=0
            1019 20 0 G VMEXIT reason=12 qual=0 vmcs=b000 vpid=2 eptp=e02e cr3=70000 rip=1

            """;
        byte[] bytes = Encoding.ASCII.GetBytes(Capture.TrimEnd('\n') + "\n");
        MemoryTrace trace = new(new TraceHeader(1, false, "1/1", new SortedDictionary<string, string>()));
        LiftResult result = Lift.Run(() => new HwLogReader(new MemoryStream(bytes), "test"), trace, 1);
        Assert.Multiple(() =>
        {
            Assert.That(Events(trace).Select(e => $"@{e.Time} {e}"), Is.EqualTo(new[]
            {
                "@0 Mark level=0 window 7 begins",
                "@3 SchedIn level=0 vcpu=0",
                "@3 VmEnter level=0 kind=L0ToL1 vcpu=0 vmcs=0x0 vpid=0 eptp=0x0 controls=0x0",
                "@3 VmExit level=1 kind=L1ToL0 vcpu=0 reason=0x1 qualification=0x0",
                "@3 VmEnter level=0 kind=L0ToL1 vcpu=0 vmcs=0x0 vpid=0 eptp=0x0 controls=0x0",
                "@3 SetCr4 level=1 value=0x200a0",
                "@3 SetCr3 level=1 root=0x5000 pcid=2 no_flush=1",
                "@4 VmExit level=1 kind=L1ToL0 vcpu=0 reason=0x35 qualification=0x0",
                "@4 Invvpid level=1 type=1 vpid=9 address=0x0",
                "@5 VmEnter level=0 kind=L0ToL1 vcpu=0 vmcs=0x0 vpid=0 eptp=0x0 controls=0x0",
                "@6 SetCr3 level=1 root=0x6000 pcid=3 no_flush=1",
                "@7 MapChange level=1 table=L1 root=0x6000 address=0x7000000 size=0x1000 change=Changed",
                "@7 Invlpg level=1 address=0x7000123",
                "@8 VmExit level=1 kind=L1ToL0 vcpu=0 reason=0x14 qualification=0x0",
                "@9 VmEnter level=1 kind=L1ToL2 vcpu=0 vmcs=0x1 vpid=9 eptp=0xe02e controls=0x3",
                "@12 VmEnter level=0 kind=L0ToL2 vcpu=0 vmcs=0x0 vpid=0 eptp=0x0 controls=0x0",
                "@12 SetCr4 level=2 value=0xa0",
                "@12 SetCr3 level=2 root=0x70000 pcid=0 no_flush=1",
                "@13 VmExit level=2 kind=L2ToL0 vcpu=0 reason=0x30 qualification=0x181",
                "@14 VmExit level=2 kind=L2ToL1 vcpu=0 reason=0x30 qualification=0x0",
                "@15 VmEnter level=0 kind=L0ToL1 vcpu=0 vmcs=0x0 vpid=0 eptp=0x0 controls=0x0",
                "@16 MapChange level=1 table=Tdp12 root=0xe02e address=0x71000 size=0x1000 change=Made",
                "@16 VmExit level=1 kind=L1ToL0 vcpu=0 reason=0x18 qualification=0x0",
                "@17 VmEnter level=1 kind=L1ToL2 vcpu=0 vmcs=0x1 vpid=9 eptp=0xe02e controls=0x3",
                "@18 VmEnter level=0 kind=L0ToL2 vcpu=0 vmcs=0x0 vpid=0 eptp=0x0 controls=0x0",
                "@19 Halt level=2",
                "@19 VmExit level=2 kind=L2ToL0 vcpu=0 reason=0xc qualification=0x0",
            }));
            Assert.That(result.AnswerKey, Is.EqualTo(new AnswerKeyEntry[]
            {
                new(1, 2, 0, -1, false, 1, 1, 0, FlushTarget.Vpid01, null, 0, 0, LevelChange.None, 0, 1),
                new(15, 10, 0, 0, false, 1, 2, 0, FlushTarget.Vpid02, VmxExit.Vmlaunch, 1, 2, LevelChange.NestedEntry, 1, 2),
                new(15, 11, 0, 0, true, 1, 0xE02E, 0, FlushTarget.Eptp02, VmxExit.Vmlaunch, 1, 2, LevelChange.NestedEntry, 1, 2),
            }));
            Assert.That((result.Synthesized, result.Skipped, result.Records), Is.EqualTo((2L, 0L, 27UL)), "the VM-entry before the recording, and its exit");
        });
    }

    // cpu0's L2 runs under vmcs01's own VPID, and L1 is never told of an EPT violation: prepare_vmcs02 without VPID and without EPT in vmcs12.
    [Test]
    public void An_L1_without_VPID_and_EPT_is_recognised_at_its_first_nested_entry()
    {
        byte[] bytes = Encoding.ASCII.GetBytes(
            "1 1 0 R VMPTRLD a000 0 0\n2 2 0 G VMENTRY vmcs=a000 vpid=1 eptp=e01e cr3=5000 rip=1 pin=ff cpu=80000001 cpu2=22 intr=0\n" +
            "3 3 0 G VMEXIT reason=20 qual=0 vmcs=a000 vpid=1 eptp=e01e cr3=5000 rip=1\n4 4 0 R VMPTRLD b000 0 0\n" +
            "5 5 0 G VMENTRY vmcs=b000 vpid=1 eptp=e03e cr3=6000 rip=1 pin=ff cpu=80000001 cpu2=22 intr=0\n" +
            "6 6 0 G VMEXIT reason=14 qual=0 vmcs=b000 vpid=1 eptp=e03e cr3=6000 rip=1\n7 7 0 R VMPTRLD a000 0 0\n");
        MemoryTrace trace = new();
        Lift.Run(() => new HwLogReader(new MemoryStream(bytes), "test"), trace, 1);
        TraceEvent entry = Events(trace).Single(e => e is { Kind: RecordKind.VmEnter, Transition: TransitionKind.L1ToL2 });
        Assert.That((entry.D, entry.E, (VmControls)entry.F), Is.EqualTo((0UL, 0UL, VmControls.None)));
    }

    // A new vCPU; L1 makes EPT12 for 0x200000 (told, then written at index 1 of the table at 0x51a0000, which is emulated), L0 walks it; a write to its last-level table runs again.
    [Test]
    public void Creation_walks_of_EPT12_and_writes_to_its_tables_are_lifted_with_the_pages_that_hold_them()
    {
        const string Capture = """
            1000 1 0 R MARK cmd=1 arg=7 cpl=3 icount=1 vmexits=0 ev=1
            1001 2 0 R VMPTRLD a000 0 0
            1002 3 0 G VMENTRY vmcs=a000 vpid=1 eptp=e01e cr3=70000 rip=10 pin=ff cpu=80000001 cpu2=22 intr=0
            1003 4 0 G VMEXIT reason=48 qual=182 vmcs=a000 vpid=1 eptp=e01e cr3=70000 rip=10 gpa=10 gla=10
            1004 5 0 G VMENTRY vmcs=a000 vpid=1 eptp=e01e cr3=70000 rip=10 pin=ff cpu=80000001 cpu2=22 intr=0
            1005 6 0 G G_INVEPT type=1 d0=51a205e d1=0
            1005 6 0 G VMEXIT reason=50 qual=0 vmcs=a000 vpid=1 eptp=e01e cr3=70000 rip=10
            1006 7 0 G VMENTRY vmcs=a000 vpid=1 eptp=e01e cr3=70000 rip=13 pin=ff cpu=80000001 cpu2=22 intr=0
            1007 8 0 G VMEXIT reason=20 qual=0 vmcs=a000 vpid=1 eptp=e01e cr3=70000 rip=13
            1008 9 0 R VMPTRLD b000 0 0
            1009 10 0 G VMENTRY vmcs=b000 vpid=2 eptp=e02e cr3=9000 rip=20 pin=ff cpu=80000001 cpu2=22 intr=0
            1010 11 0 G VMEXIT reason=48 qual=82 vmcs=b000 vpid=2 eptp=e02e cr3=9000 rip=20 gpa=70000 gla=0
            1018 12 0 G VMENTRY vmcs=b000 vpid=2 eptp=e02e cr3=9000 rip=20 pin=ff cpu=80000001 cpu2=22 intr=0
            1020 13 0 G VMEXIT reason=48 qual=182 vmcs=b000 vpid=2 eptp=e02e cr3=9000 rip=20 gpa=200008 gla=0
            1021 14 0 R VMPTRLD a000 0 0
            1022 15 0 G VMENTRY vmcs=a000 vpid=1 eptp=e01e cr3=70000 rip=16 pin=ff cpu=80000001 cpu2=22 intr=0
            1023 16 0 G VMEXIT reason=48 qual=daa vmcs=a000 vpid=1 eptp=e01e cr3=70000 rip=16 gpa=51a0008 gla=0
            1031 17 0 G VMENTRY vmcs=a000 vpid=1 eptp=e01e cr3=70000 rip=19 pin=ff cpu=80000001 cpu2=22 intr=0
            1032 18 0 G VMEXIT reason=48 qual=daa vmcs=a000 vpid=1 eptp=e01e cr3=70000 rip=19 gpa=519f000 gla=0
            1040 19 0 G VMENTRY vmcs=a000 vpid=1 eptp=e01e cr3=70000 rip=19 pin=ff cpu=80000001 cpu2=22 intr=0
            1041 20 0 G VMEXIT reason=24 qual=0 vmcs=a000 vpid=1 eptp=e01e cr3=70000 rip=20
            1042 21 0 R VMPTRLD b000 0 0
            1043 22 0 G VMENTRY vmcs=b000 vpid=2 eptp=e02e cr3=9000 rip=20 pin=ff cpu=80000001 cpu2=22 intr=0
            1044 23 0 G VMEXIT reason=48 qual=182 vmcs=b000 vpid=2 eptp=e02e cr3=9000 rip=20 gpa=200008 gla=0
            1052 24 0 G VMENTRY vmcs=b000 vpid=2 eptp=e02e cr3=9000 rip=20 pin=ff cpu=80000001 cpu2=22 intr=0
            1053 25 0 G VMEXIT reason=12 qual=0 vmcs=b000 vpid=2 eptp=e02e cr3=9000 rip=20

            """;
        byte[] bytes = Encoding.ASCII.GetBytes(Capture.TrimEnd('\n') + "\n");
        MemoryTrace trace = new(new TraceHeader(1, false, "1/1", new SortedDictionary<string, string>()));
        LiftResult result = Lift.Run(() => new HwLogReader(new MemoryStream(bytes), "test"), trace, 1);
        Assert.Multiple(() =>
        {
            Assert.That(result.Synthesized, Is.Zero, "the vCPU is new, and its L2 begins with VMLAUNCH");
            Assert.That(Events(trace).Where(e => e.Kind is RecordKind.Reset or RecordKind.Tdp12Walk || e is { Kind: RecordKind.MapChange, A: (ulong)MapTable.Tdp12 }).Select(e => $"{e}"), Is.EqualTo(new[]
            {
                "Reset level=0 vcpu=0",
                "Tdp12Walk level=0 root=0x51a205e address=0x70000 size=0x1000 table3=0x0 table2=0x51a0000 table1=0x0",
                "MapChange level=1 table=Tdp12 root=0x51a205e address=0x51a0008 size=0x0 change=Changed",
                "MapChange level=1 table=Tdp12 root=0x51a205e address=0x519f000 size=0x0 change=Widened",
                "MapChange level=1 table=Tdp12 root=0x51a205e address=0x200000 size=0x1000 change=Made",
                "Tdp12Walk level=0 root=0x51a205e address=0x200000 size=0x1000 table3=0x0 table2=0x51a0000 table1=0x0",
            }));
        });
    }

    [Test]
    public void As_recorded_keeps_the_flushes_of_L0_in_the_trace_and_changes_nothing_else()
    {
        const string Name = "bochs-vmx-2cpu.hw.txt.xz";
        string path = Recordings.File(Name);
        (MemoryTrace byPolicy, LiftResult result) = LiftFile(Name, 2);
        MemoryTrace asRecorded = new(byPolicy.Header);
        LiftResult recorded = Lift.Run(() => new HwLogReader(CaptureText.Open(path), Name), asRecorded, 2, asRecorded: true);
        Assert.Multiple(() =>
        {
            Assert.That(recorded.AnswerKey, Has.Count.EqualTo(result.AnswerKey.Count));
            Assert.That(recorded.Records, Is.EqualTo(result.Records + (ulong)result.AnswerKey.Count));
            List<(int Lane, TraceEvent Event)> kept = [.. ByLane(asRecorded).Where(e => !(e.Event is { Kind: RecordKind.Invvpid or RecordKind.Invept, Level: 0 }))];
            Assert.That(kept.Select(e => (e.Lane, IsReal(e.Event) ? TraceEvent.VmEnter(e.Event.Time, e.Event.Transition, e.Event.Vcpu) : e.Event)), Is.EqualTo(ByLane(byPolicy)));
            SortedDictionary<string, long> entries = new(StringComparer.Ordinal);
            foreach ((_, TraceEvent e) in kept.Where(e => IsReal(e.Event) && e.Event.D != 0))
            {
                entries[$"{e.D} {e.E:x}"] = entries.GetValueOrDefault($"{e.D} {e.E:x}") + 1;
            }

            SortedDictionary<string, long> expected = Recordings.Awk(Name, "$5 == \"VMENTRY\" { sub(/vpid=/, \"\", $7); sub(/eptp=/, \"\", $8); c[$7 \" \" $8]++ } END { for (k in c) print c[k], k }");
            Assert.That(entries.Keys, Is.EqualTo(expected.Keys));
            Assert.That(entries.Sum(e => e.Value), Is.EqualTo(expected.Sum(e => e.Value)).Within(recorded.Synthesized));
        });
    }

    [Test]
    public void Memory_accesses_keep_level_privilege_and_address_and_are_split_at_page_ends()
    {
        byte[] bytes = Encoding.ASCII.GetBytes(
            "100 1 0 G MEMWINDOW_START mode=1 naccess=1M\nC 0 G 3 vpid=1 eptp=e01e cr3=5000 vmcs=a000\nw 1ffe 81ffe 4\nX 2000 82000\n" +
            "110 2 0 G VMEXIT reason=10 qual=0 vmcs=a000 vpid=1 eptp=e01e cr3=5000 rip=1\nC 0 R 0 vpid=0 eptp=0 cr3=7000 vmcs=0\nr ffff888000001000 1000 512\n");
        MemoryTrace trace = new();
        LiftResult result = Lift.Run(() => new HwLogReader(new MemoryStream(bytes), "test"), trace, 1);
        TraceBlock block = new();
        trace.Rewind();
        Assert.That(trace.Read(block), Is.True);
        Assert.Multiple(() =>
        {
            Assert.That(
                Enumerable.Range(0, block.AccessCount).Select(i => (block.Time[i], block.Address[i], AccessFlags.Type(block.Flags[i]), AccessFlags.Cpl(block.Flags[i]), AccessFlags.Size(block.Flags[i]))),
                Is.EqualTo(new[]
                {
                    (0UL, 0x1FFEUL, AccessType.Write, 3, 2),
                    (0UL, 0x2000UL, AccessType.Write, 3, 2),
                    (0UL, 0x2000UL, AccessType.Execute, 3, 1),
                    (10UL, 0xFFFF888000001000UL, AccessType.Read, 0, 64),
                }));
            Assert.That(result.Synthesized, Is.EqualTo(1), "the entry into the guest that ran when the window began");
            Assert.That(TraceVerifier.Run(Rewound(trace)).Findings, Is.Empty);
        });
    }

    // What L0 does behind its last event (and the write behind the MARK) is still of the last context, or of nobody known; the guest's three accesses and L0's later one come without the VM-entry
    // and the VM-exit that must have been between them.
    [TestCase("", 5, 4)]
    [TestCase("120 3 0 R MARK cmd=2 arg=1 cpl=0 icount=3 vmexits=1 ev=3\n", 4, 5)]
    public void A_window_whose_events_end_before_its_accesses_is_lifted_as_far_as_they_tell(string mark, int accesses, long beyond)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(
            "100 1 0 G MEMWINDOW_START mode=1 naccess=1M\nC 0 G 3 vpid=1 eptp=e01e cr3=5000 vmcs=a000\nw 1ff0 81ff0 4\nX 2000 82000\n" +
            "110 2 0 G VMEXIT reason=10 qual=0 vmcs=a000 vpid=1 eptp=e01e cr3=5000 rip=1\nC 0 R 0 vpid=0 eptp=0 cr3=7000 vmcs=0\nr ffff888000001000 1000 8\nr ffff888000002000 2000 8\n" + mark +
            "r ffff888000003000 3000 8\nC 0 G 3 vpid=1 eptp=e01e cr3=5000 vmcs=a000\nw 1ff0 81ff0 4\nw 1ff4 81ff4 4\nX 2000 82000\nC 0 R 0 vpid=0 eptp=0 cr3=7000 vmcs=0\nr ffff888000001000 1000 8\n" +
            "# MEMWINDOW_END seen=9 out=9\n");
        MemoryTrace trace = new();
        LiftResult result = Lift.Run(() => new HwLogReader(new MemoryStream(bytes), "test"), trace, 1);
        TraceBlock block = new();
        trace.Rewind();
        int read = 0;
        while (trace.Read(block))
        {
            read += block.AccessCount;
        }

        Assert.Multiple(() =>
        {
            Assert.That(read, Is.EqualTo(accesses));
            Assert.That(result.BeyondEvents, Is.EqualTo(beyond));
            Assert.That(result.Synthesized, Is.EqualTo(1), "the entry into the guest that ran when the window began");
            Assert.That(Events(trace).Count(e => e.Kind is RecordKind.VmEnter or RecordKind.VmExit), Is.EqualTo(2));
        });
    }

    [Test]
    public void A_capture_with_nothing_to_lift_is_an_error()
    {
        byte[] bytes = "100 1 0 R HLT\n110 2 0 R MWAIT\n"u8.ToArray();
        Core.TraceFormatException error = Assert.Throws<Core.TraceFormatException>(() => Lift.Run(() => new HwLogReader(new MemoryStream(bytes), "test"), new MemoryTrace(), 1))!;
        Assert.That(error.Message, Does.Contain("2 records and none of them to the end"));
    }

    [Test]
    public void Damaged_captures_give_errors_or_a_trace_and_nothing_else()
    {
        StringBuilder text = new();
        using (StreamReader log = new(CaptureText.Open(Recordings.File("bochs-vmx-1cpu.hw.txt.xz"))))
        {
            for (int line = 0; line < 40_000 && log.ReadLine() is { } next; line++)
            {
                text.Append(line >= 39_250 ? next + "\n" : "");
            }
        }

        Mutations.Run(Encoding.ASCII.GetBytes(text.ToString()), 500, 14, input =>
        {
            byte[] bytes = ((MemoryStream)input).ToArray();
            using HwLogReader reader = new(new MemoryStream(bytes), "mutated");
            TraceHeader header = Lift.HeaderOf(reader, "mutated");
            return Lift.Run(() => new HwLogReader(new MemoryStream(bytes), "mutated"), new MemoryTrace(header), header.Lanes).Findings.All.Count;
        });
    }

    private static bool IsReal(in TraceEvent e) => e is { Kind: RecordKind.VmEnter, Transition: TransitionKind.L0ToL1 or TransitionKind.L0ToL2 };

    private static MemoryTrace Rewound(MemoryTrace trace)
    {
        trace.Rewind();
        return trace;
    }

    private static List<(int Lane, TraceEvent Event)> ByLane(MemoryTrace trace)
    {
        trace.Rewind();
        List<(int Lane, TraceEvent Event)> events = [];
        TraceBlock block = new();
        while (trace.Read(block))
        {
            events.AddRange(block.Events[..block.EventCount].Select(e => (block.Lane, e)));
        }

        return [.. events.OrderBy(e => e.Lane)];
    }

    private static (MemoryTrace Trace, LiftResult Result) LiftFile(string name, int lanes)
    {
        string path = Recordings.File(name);
        TraceHeader header;
        using (HwLogReader reader = new(CaptureText.Open(path), name))
        {
            header = Lift.HeaderOf(reader, name);
        }

        Assert.That(header.Lanes, Is.EqualTo(lanes));
        MemoryTrace trace = new(header);
        return (trace, Lift.Run(() => new HwLogReader(CaptureText.Open(path), name), trace, lanes));
    }

    private static EventSummary Summary(string name) => HwSummary.Of(() => new HwLogReader(CaptureText.Open(Recordings.File(name)), name), name);

    private static List<TraceEvent> Events(MemoryTrace trace)
    {
        trace.Rewind();
        List<TraceEvent> events = [];
        TraceBlock block = new();
        while (trace.Read(block))
        {
            events.AddRange(block.Events[..block.EventCount]);
        }

        return events;
    }
}
