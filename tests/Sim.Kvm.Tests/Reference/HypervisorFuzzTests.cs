using System.Globalization;
using Sim.Core;
using Sim.Core.Architecture;
using Sim.Core.Traces;
using Sim.Kvm.Tests.Machines;
using Sim.Tlb;

namespace Sim.Kvm.Tests.Reference;

/// <summary>The machine against <see cref="NaiveHypervisor"/>: the same invalidations with the same operands in the same order, step by step.</summary>
[TestFixture]
public sealed class HypervisorFuzzTests
{
    private const int StepsPerConfiguration = 10_000;

    [Test]
    public void Every_kernel_issues_the_invalidations_of_the_naive_hypervisor(
        [Values("kvm-4.2", "kvm-4.4", "kvm-4.20", "kvm-5.8", "kvm-5.14", "kvm-5.16", "kvm-6.2", "kvm-6.12", "kvm-6.12.117", "always-current", "always-guest", "always-all", "never")] string policy,
        [Values(true, false)] bool ept,
        [Values("vpid", "no vpid", "no vpid02")] string tags)
    {
        char letter = policy switch
        {
            "kvm-4.2" => 'A', "kvm-4.4" => 'B', "kvm-4.20" => 'C', "kvm-5.8" => 'D', "kvm-5.14" => '0', "kvm-5.16" => '1', "kvm-6.2" => 'F', "kvm-6.12" => 'G', "kvm-6.12.117" => 'H',
            "always-current" => 'c', "always-guest" => 'g', "always-all" => 'a', _ => 'n',
        };
        bool vpid = tags != "no vpid";
        NaiveHypervisor naive = new(letter, vpid, ept, tags == "vpid");
        List<IssuedInvalidation> issued = [];
        MachineSpec spec = new() { Profile = Profiles.Textbook with { AddressSpaceIds = tags == "no vpid02" ? 2 : 3 }, L0Ept = ept, L0Vpid = vpid, Attribution = false };
        Machine machine = new(spec, new Catalogue<IFlushPolicy>(typeof(IFlushPolicy).Assembly).Create(policy), ReplayKind.ByPolicy, 2, issued.Add);
        Dictionary<ulong, string> rootNames = [];
        Rng rng = Rng.Fork(FuzzSeed.Fresh(), $"{policy} {ept} {tags}");
        TraceBlock block = new();
        int lane = 0;
        bool l2 = false;
        Send(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        naive.RealEntry(lane);
        Compare("start");

        for (int step = 0; step < StepsPerConfiguration; step++)
        {
            string what;
            switch (rng.Below(8))
            {
                case 0 when !l2:
                    (ulong vmcs12, bool v12, uint id12, bool e12, ulong eptp12) =
                        ((rng.Below(3) + 5) << 12, rng.Below(4) != 0, (uint)rng.Below(3) + 1, rng.Below(3) != 0, (rng.Below(6) + 0x70) << 12);
                    what = $"nested entry vmcs12={vmcs12:x} v12={v12} id12={id12} e12={e12} eptp12={eptp12:x}";
                    Send(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, VmxExit.Vmresume));
                    Send(TraceEvent.NestedEnter(0, 0, vmcs12, (v12 ? VmControls.EnableVpid : 0) | (e12 ? VmControls.EnableEpt : 0), id12, eptp12));
                    naive.RealExit();
                    naive.NestedEntry(vmcs12, v12, id12, e12, eptp12);
                    MaybeMove();
                    l2 = rng.Below(4) != 0;
                    if (!l2)
                    {
                        // A nested VM-exit before L2 ever ran. One for an interrupt comes behind the service of what the entry raised; else that is still pending when the level changes back.
                        bool isInjected = rng.Below(2) == 0;
                        what += isInjected ? ", interrupted before it ran" : ", left before it ran";
                        Send(TraceEvent.VmExit(0, TransitionKind.L2ToL1, 0, isInjected ? 1U : 33));
                        if (isInjected)
                        {
                            naive.Service(lane);
                        }

                        naive.NestedExit();
                    }

                    Send(TraceEvent.VmEnter(0, l2 ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1, 0));
                    naive.RealEntry(lane);
                    break;
                case 0 or 1 when l2:
                    what = "nested exit";
                    Send(TraceEvent.VmExit(0, TransitionKind.L2ToL0, 0, VmxExit.Cpuid));
                    Send(TraceEvent.VmExit(0, TransitionKind.L2ToL1, 0, VmxExit.Cpuid));
                    MaybeMove();
                    Send(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
                    naive.RealExit();
                    naive.NestedExit();
                    naive.RealEntry(lane);
                    l2 = false;
                    break;
                case 2:
                    what = "host unmap";
                    InL0(TraceEvent.MapChange(0, 0, MapTable.Tdp01, 0, 0x200000, 1 << 21, MapChangeKind.Removed), naive.HostUnmap);
                    break;
                case 3 when !l2:
                    (byte type, ushort operand) = ((byte)rng.Below(4), (ushort)rng.Below(3));
                    what = $"invvpid {type} {operand}";
                    int at = lane;
                    InL0(TraceEvent.Invvpid(0, 1, type, operand, 0x5000), () => naive.Invvpid(at, type, operand, 0x5000));
                    break;
                case 4 when !l2:
                    (byte inveptType, ulong eptp) = ((byte)(rng.Below(2) + 1), (rng.Below(6) + 0x70) << 12);
                    what = $"invept {inveptType} {eptp:x}";
                    InL0(TraceEvent.Invept(0, 1, inveptType, eptp), () => naive.Invept(inveptType, eptp));
                    break;
                case 5:
                    ulong cr3 = (rng.Below(6) + 1) << 12;
                    what = $"mov cr3 {cr3:x}";
                    Send(TraceEvent.SetCr3(0, (byte)(l2 ? 2 : 1), cr3));
                    naive.MovToCr3(lane, cr3);
                    break;
                default:
                    what = "exit handled by L0";
                    InL0(TraceEvent.Work(0, 0, 1), () => { });
                    break;
            }

            Compare($"step {step}: {what}");
        }

        void MaybeMove() => lane = rng.Below(20) == 0 ? 1 - lane : lane;

        void InL0(TraceEvent e, Action naiveWork)
        {
            Send(TraceEvent.VmExit(0, l2 ? TransitionKind.L2ToL0 : TransitionKind.L1ToL0, 0, VmxExit.Hlt));
            Send(e);
            MaybeMove();
            Send(TraceEvent.VmEnter(0, l2 ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1, 0));
            naive.RealExit();
            naiveWork();
            naive.RealEntry(lane);
        }

        void Send(TraceEvent e)
        {
            block.Clear();
            block.Lane = lane;
            block.AddEvent(e);
            machine.Replay(block, 0, 1);
        }

        void Compare(string what)
        {
            string[] expected = naive.Take();
            string[] actual = [.. issued.Select(Text)];
            issued.Clear();
            Assert.That(actual, Has.Length.EqualTo(expected.Length), $"{what}: expected {string.Join("; ", expected)}; was {string.Join("; ", actual)}");
            for (int i = 0; i < expected.Length; i++)
            {
                Assert.That(Named(actual[i], expected[i]), Is.EqualTo(expected[i]), what);
            }
        }

        // The machine names roots by made-up EP4TAs, the naive hypervisor by what they are for: each pair must stay together.
        string Named(string actual, string expected)
        {
            if (!actual.StartsWith("invept 0x", StringComparison.Ordinal) || !expected.StartsWith("invept ", StringComparison.Ordinal))
            {
                return actual;
            }

            ulong root = ulong.Parse(actual["invept 0x".Length..], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            string name = expected["invept ".Length..];
            if (!rootNames.ContainsKey(root) && !rootNames.ContainsValue(name))
            {
                rootNames.Add(root, name);
            }

            return $"invept {rootNames.GetValueOrDefault(root, actual)}";
        }
    }

    private static string Text(IssuedInvalidation issued) => issued.Invalidation switch
    {
        InveptSingle single => $"invept 0x{single.Eptp:x}",
        InveptGlobal => "invept all",
        InvvpidSingle single => $"invvpid {single.Vpid}",
        InvvpidAddress one => $"invvpid {one.Vpid} @{one.Address:x}",
        InvvpidAll => "invvpid all",
        VmTransitionWithoutVpid => "transition",
        MovToCr3 => "mov cr3",
        _ => issued.Invalidation.Name,
    };
}
