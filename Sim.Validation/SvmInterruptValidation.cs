using Sim.Captures.Ftrace;
using Sim.Core;
using Sim.Core.Architecture;
using Sim.Experiments;
using Sim.Kvm.Interrupts;
using Sim.Reports.Views;

namespace Sim.Validation;

/// <summary>
/// Kernel events of SVM without AVIC: each kvm_apic_accept_irq is replayed through injection, and injections, nested exits for interrupts, EOIs, windows and wake-ups are compared.
/// </summary>
/// <remarks>
/// Input besides: exits, entries, nested entries, nested exits that L1 intercepts, that there is an EOI, and whether L1 can take an interrupt at an entry. No event tells the latter, so it is taken from whether one was
/// injected there; what is predicted of an injection is that L0 looks for one at that place, and the vector.
/// </remarks>
internal sealed class SvmInterruptValidation
{
    private const string Profile = "zen-3";
    private const int MostCpus = 4096;
    private const ulong WholeRecording = 0;

    private readonly RecordedSchedule _machine;
    private readonly SortedDictionary<int, Vcpu> _threads = [];
    private readonly SortedDictionary<int, Vcpu> _numbers = [];
    private readonly InjectedInterrupts _injected = new();
    private readonly List<PlacedInterrupt> _recorded = [];
    private readonly List<PlacedInterrupt> _predicted = [];
    private ulong _now;
    private long _reinjected;
    private int _predictedInjection;

    private SvmInterruptValidation(InterruptSpec spec, IInterruptPath path) => _machine = new RecordedSchedule(spec, path, Predict);

    /// <summary>Compares a recording.</summary>
    /// <exception cref="ConfigurationException">The path is not for SVM without AVIC.</exception>
    /// <exception cref="TraceFormatException">It is no recording of SVM, or damaged.</exception>
    public static InterruptValidation Of(string recording, string path)
    {
        IInterruptPath used = Components.InterruptPaths.Create(path);
        if (used.UsesAvic || used.UsesApicv)
        {
            throw new ConfigurationException($"Kernel events do not show what '{path}' delivers without an exit. Replay them through 'none', or give a hardware capture.");
        }

        (int lanes, int vcpus, ulong start) = Measure(recording);
        InterruptSpec spec = new()
        {
            Profile = RunConfiguration.Load(null, [new Assignment("profile", Profile, "--profile")]).Machine.Profile, Lanes = lanes, VcpusPerLane = (vcpus + lanes - 1) / lanes,
        };
        SvmInterruptValidation validation = new(spec, used);
        using TracepointReader reader = new(CaptureText.Open(recording), recording);
        KernelEvent e = default;
        while (reader.Read(ref e))
        {
            validation._now = e.Time;
            validation.Take(e);
        }

        return new InterruptValidation(
            Path.GetFileName(recording), path, [.. InterruptValidation.Compare(WholeRecording, start, validation._recorded, validation._predicted)], [.. validation.Remarks(reader)]);
    }

    private static (int Lanes, int Vcpus, ulong Start) Measure(string recording)
    {
        using TracepointReader reader = new(CaptureText.Open(recording), recording);
        (int lanes, int vcpus, ulong? start, bool isSvm) = (1, 0, null, false);
        KernelEvent e = default;
        while (reader.Read(ref e))
        {
            start ??= e.Time;
            if (e.Cpu >= MostCpus || (e.Type == KernelEventType.KvmEntry && e[KernelOperand.Vcpu] >= MostCpus))
            {
                throw new TraceFormatException(
                    CaptureText.NameOf(recording), $"line {reader.Line}", $"a CPU and a vCPU below {MostCpus}, as KVM has (KVM_MAX_VCPUS)", $"CPU {e.Cpu}, vCPU {(long)e[KernelOperand.Vcpu]}", "The line is damaged.");
            }

            lanes = Math.Max(lanes, e.Cpu + 1);
            vcpus = e.Type == KernelEventType.KvmEntry ? Math.Max(vcpus, (int)e[KernelOperand.Vcpu] + 1) : vcpus;
            isSvm |= e.Type == KernelEventType.KvmExit && (KvmIsa)e[KernelOperand.Isa] == KvmIsa.Svm;
        }

        return isSvm && vcpus > 0 ? (lanes, vcpus, start!.Value) : throw new TraceFormatException(
            CaptureText.NameOf(recording), $"line {reader.Line}", "kvm_entry and kvm_exit of SVM", "none to the end",
            "Kernel events of VMX do not show notifications that are processed without an exit: give a hardware capture.");
    }

    private void Take(in KernelEvent e)
    {
        bool isNewInterrupt = _injected.IsNew(e);
        if (e.Type == KernelEventType.KvmApicAcceptIrq)
        {
            if (_numbers.TryGetValue((int)e[KernelOperand.ApicId], out Vcpu? target))
            {
                int sender = _threads.TryGetValue(e.Pid, out Vcpu? own) ? own.Number : target.Number;
                _machine.Send(sender, new Delivery((byte)e[KernelOperand.Vector], target.Number, 1, InterruptSource.Software));
            }

            return;
        }

        if (e.Type == KernelEventType.KvmEntry)
        {
            Enter(e);
        }
        else if (_threads.TryGetValue(e.Pid, out Vcpu? vcpu))
        {
            TakeOf(vcpu, e, isNewInterrupt);
        }
    }

    private void TakeOf(Vcpu vcpu, in KernelEvent e, bool isNewInterrupt)
    {
        switch (e.Type)
        {
            case KernelEventType.KvmExit:
                vcpu.ExitReason = (SvmExit)e[KernelOperand.Reason];
                vcpu.InGuest = false;
                bool inL2 = _machine.IsInL2(vcpu.Number);
                vcpu.IsHalted = !inL2 && vcpu.ExitReason == SvmExit.Hlt;
                _machine.Exit(vcpu.Number, vcpu.ExitReason == SvmExit.Hlt ? RecordedExit.Halt : RecordedExit.Other);
                if (!inL2 && vcpu.ExitReason == SvmExit.VirtualInterrupt)
                {
                    Note(vcpu, InterruptEventKind.WindowExit, 1, -1);
                    if (_machine.OpenWindow(vcpu.Number))
                    {
                        Predict(new InterruptEvent(InterruptEventKind.WindowExit, vcpu.Lane, vcpu.Number, 1, -1));
                    }
                }

                break;
            case KernelEventType.KvmNestedVmenter or KernelEventType.KvmNestedVmrun when !vcpu.InGuest:
                _machine.EnterL2(vcpu.Number, 0, 0);
                break;
            case KernelEventType.KvmNestedIntrVmexit:
                Note(vcpu, InterruptEventKind.NestedExit, 1, -1);
                break;
            case KernelEventType.KvmNestedVmexitInject when !vcpu.InGuest:
                _machine.ReflectExit(vcpu.Number, (SvmExit)e[KernelOperand.Reason] == SvmExit.Interrupt);
                break;
            case KernelEventType.KvmInjVirq when !isNewInterrupt:
                _reinjected++;
                break;
            case KernelEventType.KvmInjVirq when e[KernelOperand.Soft] == 0:
                vcpu.Injected = (int)e[KernelOperand.Vector];
                vcpu.HasInjected = true;
                Note(vcpu, InterruptEventKind.Injected, 1, vcpu.Injected);

                // What is accepted from here on comes too late for this entry.
                _machine.SetInterruptible(vcpu.Number, true);
                _machine.EnterGuestMode(vcpu.Number);
                break;
            case KernelEventType.KvmEoi when vcpu.HasInjected:
                // One before that is of an interrupt that was in service when the recording began.
                int vector = (int)e[KernelOperand.Vector];
                Note(vcpu, InterruptEventKind.Eoi, 1, vector);
                if (_machine.EndInterruptOfL1(vcpu.Number) != vector)
                {
                    _machine.SetEnded(vcpu.Number, (byte)vector);
                }

                break;
            default:
                break;
        }
    }

    private void Enter(in KernelEvent e)
    {
        int number = (int)e[KernelOperand.Vcpu];
        if (!_numbers.TryGetValue(number, out Vcpu? vcpu))
        {
            vcpu = new Vcpu(number);
            _numbers.Add(number, vcpu);
        }

        bool isFirst = !_threads.ContainsKey(e.Pid);
        _threads[e.Pid] = vcpu;
        vcpu.Lane = e.Cpu;
        _machine.Place(number, e.Cpu);
        if (isFirst)
        {
            _machine.SetStatus(number, new EnteredStatus(1, 0, 0));
        }
        else
        {
            if (vcpu.IsHalted)
            {
                Note(vcpu, InterruptEventKind.WokenFromHalt, 1, -1);
            }

            _machine.SetInterruptible(number, vcpu.Injected >= 0);
            _predictedInjection = -1;
            _machine.Enter(number, out _);
            if (vcpu.Injected >= 0 && _predictedInjection != vcpu.Injected)
            {
                _machine.SetInjected(number, (byte)vcpu.Injected, _predictedInjection);
            }
        }

        vcpu.Injected = -1;
        vcpu.IsHalted = false;
        vcpu.InGuest = true;
        vcpu.Entries++;
    }

    private IEnumerable<string> Remarks(TracepointReader reader)
    {
        if (reader.DataLoss)
        {
            yield return "DATA LOSS: the recording says that events were lost; differences may come from that.";
        }

        if (_reinjected > 0)
        {
            yield return $"{Numbers.Whole(_reinjected)} interrupts were injected again, because L0 took the injection back before the entry or an exit cut the delivery short; not compared.";
        }
    }

    private void Note(Vcpu vcpu, InterruptEventKind kind, int level, int vector) => _recorded.Add(Placed(new InterruptEvent(kind, 0, vcpu.Number, level, vector)));

    // Kicks and what becomes of them are not told apart from the scheduler's own in kernel events.
    private void Predict(InterruptEvent e)
    {
        _predictedInjection = e.Kind == InterruptEventKind.Injected ? e.Vector : _predictedInjection;
        if (e.Kind is InterruptEventKind.Injected or InterruptEventKind.NestedExit or InterruptEventKind.WindowExit or InterruptEventKind.Eoi or InterruptEventKind.WokenFromHalt)
        {
            _predicted.Add(Placed(e with { Lane = 0 }));
        }
    }

    private PlacedInterrupt Placed(InterruptEvent e) => new(e, _numbers.TryGetValue(e.Vcpu, out Vcpu? vcpu) ? vcpu.Entries : 0, _now);

    private sealed class Vcpu(int number)
    {
        public int Number { get; } = number;

        public int Lane { get; set; }

        public int Entries { get; set; }

        public SvmExit ExitReason { get; set; }

        public bool InGuest { get; set; }

        public bool IsHalted { get; set; }

        public bool HasInjected { get; set; }

        /// <summary>Vector injected since the last exit; -1 if none.</summary>
        public int Injected { get; set; } = -1;
    }
}
