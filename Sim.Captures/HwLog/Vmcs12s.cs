using Sim.Core.Architecture;
using Sim.Core.Traces;

namespace Sim.Captures.HwLog;

/// <summary>One vmcs12 of L1, as far as its exits tell what is in it.</summary>
internal sealed class RecordedVmcs12
{
    private uint? _invalidatedVpid;
    private uint? _writtenVpid;
    private ulong? _writtenEptp;
    private ulong? _secondaryControls;

    /// <summary>Its name in the trace: in order of first launches, from 1.</summary>
    public int Number { get; set; }

    /// <summary>vpid12: what L1 wrote, else the operand of L1's last INVVPID of types 0, 1 and 3 while it was current (KVM flushes a VPID before its first use); null if there was neither.</summary>
    public uint? Vpid => _writtenVpid ?? _invalidatedVpid;

    /// <summary>EPTP12: what L1 wrote, else the operand of its last INVEPT of type 1 while it was current (KVM executes one for each new root); null if there was neither.</summary>
    public ulong? Eptp { get; private set; }

    /// <summary>vmcs12 enables EPT, VPID; null if L1's write of the secondary controls was not recorded.</summary>
    public VmControls? Controls => _secondaryControls is { } controls
        ? (((SecondaryControls)controls & SecondaryControls.EnableEpt) != 0 ? VmControls.EnableEpt : VmControls.None) | (((SecondaryControls)controls & SecondaryControls.EnableVpid) != 0 ? VmControls.EnableVpid : VmControls.None)
        : null;

    /// <summary>vmcs02 at L2's last entry with this vmcs12: tells which vmcs12 is current where no operand does.</summary>
    public (ulong Eptp02, ulong Cr3)? LastEntry { get; set; }

    /// <summary>L1 has set it up for another L2 vCPU since its last launch, as the page of a VMCS is used again.</summary>
    public bool IsSetUpAnew { get; set; }

    /// <summary>L1's VMWRITE.</summary>
    public void Write(ulong field, ulong value)
    {
        switch ((VmcsField)field)
        {
            case VmcsField.Vpid:
                _writtenVpid = (uint)value & 0xFFFF;
                break;
            case VmcsField.LinkPointer:
                IsSetUpAnew = true;
                break;
            case VmcsField.Eptp:
                _writtenEptp = Eptp = value;
                break;
            case VmcsField.SecondaryControls:
                _secondaryControls = value;
                break;
            default:
                break;
        }
    }

    /// <summary>L1's INVVPID of one context.</summary>
    public void Invalidated(uint vpid) => _invalidatedVpid = vpid;

    /// <summary>L1's INVEPT of one context. What L1 wrote is exact, so an operand of INVEPT only tells where no write did.</summary>
    public void InvalidatedEptp(ulong eptp) => Eptp = _writtenEptp ?? eptp;
}

/// <summary>
/// Which vmcs12 is current on each L1 vCPU, and what it says. VMPTRLD, VMCLEAR and VMWRITE of L1 exit with their operands in newer logs; a log without them tells at least that another
/// vmcs12 became current, and the EPT pointer and CR3 of vmcs02 at L2's next entry tell which (<see cref="Choices"/>, known after a first pass).
/// </summary>
/// <param name="choices">The choices of a first pass; null in the first pass itself.</param>
internal sealed class Vmcs12s(IReadOnlyDictionary<long, int>? choices)
{
    private readonly Dictionary<ulong, Vcpu> _vcpus = [];
    private readonly Dictionary<(int Vm, ulong Address), RecordedVmcs12> _byAddress = [];
    private readonly Dictionary<int, int> _numbers = [];
    private readonly Dictionary<long, int> _choices = [];

    /// <summary>By the index of a VMRESUME behind a VMPTRLD whose operand is not known: number of the vmcs12.</summary>
    public IReadOnlyDictionary<long, int> Choices => _choices;

    /// <summary>L1's writes of vpid12 were recorded.</summary>
    public bool HasFields { get; private set; }

    /// <summary>The vmcs12 that is current on a vCPU.</summary>
    public RecordedVmcs12 Current(ulong vmcs01) => VcpuOf(vmcs01).Current;

    /// <summary>Takes a record of a vCPU of a virtual machine; <paramref name="level"/> is the level that exits or is entered.</summary>
    public void Take(long index, in HwRecord record, ulong vmcs01, int vm, int level)
    {
        switch (record.Type)
        {
            case HwType.Vmexit when level == 1:
                Exit(index, record, VcpuOf(vmcs01), vm);
                break;
            case HwType.Vmentry when level == 2:
                EnterL2(record, VcpuOf(vmcs01));
                break;
            case HwType.GuestInvept when record[HwOperand.InvalidationType] == 1:
                VcpuOf(vmcs01).Current.InvalidatedEptp(record[HwOperand.Eptp]);
                break;
            case HwType.GuestInvvpid when record[HwOperand.InvalidationType] != 2 && record[HwOperand.Vpid] != 0:
                VcpuOf(vmcs01).Current.Invalidated((uint)record[HwOperand.Vpid]);
                break;
            default:
                break;
        }
    }

    private void Exit(long index, in HwRecord record, Vcpu vcpu, int vm)
    {
        switch ((VmxExit)record[HwOperand.Reason])
        {
            case VmxExit.Vmptrld when record.Has(HwOperand.VmxPointer):
                vcpu.Load(Find(vm, record[HwOperand.VmxPointer]));
                break;
            case VmxExit.Vmptrld:
                vcpu.LoadUnknown();
                break;
            case VmxExit.Vmwrite when record.Has(HwOperand.VmcsField):
                HasFields = true;
                vcpu.Current.Write(record[HwOperand.VmcsField], record[HwOperand.Value]);
                break;
            case VmxExit.Vmlaunch:
                vcpu.Launch(this, vm);
                break;
            case VmxExit.Vmresume:
                Resume(index, vcpu);
                break;
            default:
                break;
        }
    }

    private void Resume(long index, Vcpu vcpu)
    {
        if (vcpu.IsKnown)
        {
            return;
        }

        if (choices is null)
        {
            vcpu.ResumedAt = index;
        }
        else if (choices.TryGetValue(index, out int number) && vcpu.Launched.Find(vmcs12 => vmcs12.Number == number) is { } chosen)
        {
            vcpu.Load(chosen);
        }
    }

    // Without an operand: the launched vmcs12 whose vmcs02 was this one last, else the only other one, else a vmcs12 from before the recording.
    private void EnterL2(in HwRecord record, Vcpu vcpu)
    {
        (ulong, ulong) entry = (record[HwOperand.Eptp], record[HwOperand.Cr3]);
        if (vcpu.ResumedAt is { } resumed)
        {
            RecordedVmcs12[] others = [.. vcpu.Launched.Where(vmcs12 => vmcs12 != vcpu.Before)];
            RecordedVmcs12? chosen = Array.Find(others, vmcs12 => vmcs12.LastEntry?.Eptp02 == entry.Item1 && entry.Item1 != 0 && others.Count(other => other.LastEntry?.Eptp02 == entry.Item1) == 1)
                ?? Array.Find(others, vmcs12 => vmcs12.LastEntry == entry)
                ?? (others.Length == 1 ? others[0] : null);
            if (chosen is not null)
            {
                vcpu.Load(chosen);
                _choices.Add(resumed, chosen.Number);
            }

            vcpu.ResumedAt = null;
        }

        vcpu.Current.LastEntry = entry;
    }

    private RecordedVmcs12 Find(int vm, ulong address)
    {
        if (!_byAddress.TryGetValue((vm, address), out RecordedVmcs12? vmcs12))
        {
            vmcs12 = new RecordedVmcs12();
            _byAddress.Add((vm, address), vmcs12);
        }

        return vmcs12;
    }

    private Vcpu VcpuOf(ulong vmcs01)
    {
        if (!_vcpus.TryGetValue(vmcs01, out Vcpu? vcpu))
        {
            vcpu = new Vcpu();
            _vcpus.Add(vmcs01, vcpu);
        }

        return vcpu;
    }

    private sealed class Vcpu
    {
        public RecordedVmcs12 Current { get; private set; } = new();

        public RecordedVmcs12? Before { get; private set; }

        public bool IsKnown { get; private set; } = true;

        public List<RecordedVmcs12> Launched { get; } = [];

        public long? ResumedAt { get; set; }

        public void Load(RecordedVmcs12 vmcs12)
        {
            (Current, IsKnown) = (vmcs12, true);
        }

        public void LoadUnknown()
        {
            (Before, Current, IsKnown) = (IsKnown ? Current : Before, new RecordedVmcs12(), false);
        }

        public void Launch(Vmcs12s all, int vm)
        {
            // A VMLAUNCH of one that was launched before is that of an L2 vCPU that comes from another vCPU of L1, if its set-up would have been seen.
            if (Current.Number == 0 || Current.IsSetUpAnew || !all.HasFields)
            {
                Current.Number = all._numbers[vm] = all._numbers.GetValueOrDefault(vm) + 1;
                Current.IsSetUpAnew = false;
            }

            IsKnown = true;
            if (!Launched.Contains(Current))
            {
                Launched.Add(Current);
            }
        }
    }
}
