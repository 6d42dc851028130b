using Sim.Captures.Ftrace;
using Sim.Captures.HwLog;
using Sim.Core.Architecture;

namespace Sim.Captures.Tests.HwLog;

/// <summary>The rules of posted interrupts that Sim.Kvm's model rests on (docs/rules.md#interrupt-in-the-guest, #nested-interrupts), as a real nested KVM on an emulated CPU shows them.</summary>
[TestFixture]
internal sealed class InterruptCaptureTests
{
    private const ulong PostedInterruptVector = (ulong)HostVector.PostedInterrupt;
    private const ulong NestedPostedInterruptVector = (ulong)HostVector.NestedPostedInterrupt;
    private const uint ExternalInterrupt = (uint)VmxExit.ExternalInterrupt;

    [Test]
    public void A_notification_is_processed_without_exit_only_at_the_level_whose_VMCS_names_it_and_every_one_that_was_sent_is_accounted_for()
    {
        const string Name = "bochs-vmx-2cpu.hw.txt.xz";
        using HwLogReader reader = new(CaptureText.Open(Recordings.File(Name)), Name);
        LevelTracker levels = new();
        SortedDictionary<(ulong Vector, int Level), long> processed = [];
        SortedDictionary<ulong, long> sent = [];
        SortedDictionary<ulong, long> arrived = [];
        HwRecord r = default;
        while (reader.Read(ref r))
        {
            int before = levels.Level(r.Cpu);
            levels.Observe(r);
            switch (r.Type)
            {
                case HwType.PiProcess:
                    ulong vector = r[HwOperand.NotificationVector];
                    processed[(vector, levels.LevelOf(r, before))] = processed.GetValueOrDefault((vector, levels.LevelOf(r, before))) + 1;
                    arrived[vector] = arrived.GetValueOrDefault(vector) + 1;
                    break;
                case HwType.IpiSend when IsNotification(r[HwOperand.Vector]):
                    sent[r[HwOperand.Vector]] = sent.GetValueOrDefault(r[HwOperand.Vector]) + 1;
                    break;
                case HwType.Interrupt when !r.NonRoot && IsNotification(r[HwOperand.Vector]):
                    arrived[r[HwOperand.Vector]] = arrived.GetValueOrDefault(r[HwOperand.Vector]) + 1;
                    break;
                case HwType.Vmexit when r[HwOperand.Reason] == ExternalInterrupt && IsNotification(r[HwOperand.IntrInfo] & 0xFF):
                    arrived[r[HwOperand.IntrInfo] & 0xFF] = arrived.GetValueOrDefault(r[HwOperand.IntrInfo] & 0xFF) + 1;
                    break;
                default:
                    break;
            }
        }

        Assert.That(processed.Keys, Is.EqualTo(new[] { (NestedPostedInterruptVector, 2), (PostedInterruptVector, 1) }), "0xf0 in L2 and 0xf2 in L1, never the other way");
        Assert.That(arrived, Is.EqualTo(sent), "processed, taken in an exit, or handled by L0: each exactly once");
    }

    private static bool IsNotification(ulong vector) => vector is PostedInterruptVector or NestedPostedInterruptVector;
}
