namespace Sim.Apic;

/// <summary>
/// The posted-interrupt descriptor, 64 bytes in memory (SDM vol. 3, 31.6; VT-d specification 9.11): PIR in bits 255:0, ON bit 256, SN bit 257,
/// NV in bits 279:272, NDST in bits 319:288. Each operation is one locked access to one word, as KVM and hardware do it.
/// </summary>
public sealed class PostedInterruptDescriptor
{
    private const ulong OnBit = 1;
    private const ulong SnBit = 2;
    private const int NvShift = 16;
    private const int NdstShift = 32;

    private VectorSet _pir;
    private ulong _control;

    /// <summary>Posted-interrupt requests.</summary>
    public ref VectorSet Pir => ref _pir;

    /// <summary>Outstanding notification.</summary>
    public bool On => (_control & OnBit) != 0;

    /// <summary>Suppress notification.</summary>
    public bool Sn
    {
        get => (_control & SnBit) != 0;
        set => _control = value ? _control | SnBit : _control & ~SnBit;
    }

    /// <summary>Notification vector.</summary>
    public byte Nv
    {
        get => (byte)(_control >> NvShift);
        set => _control = (_control & ~(0xFFUL << NvShift)) | ((ulong)value << NvShift);
    }

    /// <summary>Notification destination: the APIC ID of a physical CPU.</summary>
    public uint Ndst
    {
        get => (uint)(_control >> NdstShift);
        set => _control = (_control & 0xFFFFFFFF) | ((ulong)value << NdstShift);
    }

    /// <summary>The eight 64-bit words of the descriptor as memory holds them; the last three are reserved and 0.</summary>
    public ulong Word(int index) => index < 4 ? _pir.Word(index) : index == 4 ? _control : 0;

    /// <summary>Sets ON; returns what it was.</summary>
    public bool TestAndSetOn()
    {
        bool was = On;
        _control |= OnBit;
        return was;
    }

    /// <summary>Clears ON; returns what it was.</summary>
    public bool TestAndClearOn()
    {
        bool was = On;
        _control &= ~OnBit;
        return was;
    }

    /// <summary>
    /// What VT-d's posting and IPI virtualization do behind the write of PIR, in one locked access: if ON=0 and SN=0 (KVM sets URG in no remapping entry), ON is set and a notification
    /// is due to <see cref="Ndst"/> with <see cref="Nv"/>. Returns whether it is.
    /// </summary>
    public bool RequestNotification()
    {
        if (On || Sn)
        {
            return false;
        }

        _control |= OnBit;
        return true;
    }

    /// <summary>What vmx_vcpu_pi_load writes with one compare-and-exchange: NDST, NV and SN=0 together.</summary>
    public void Load(uint ndst, byte nv)
    {
        Ndst = ndst;
        Nv = nv;
        Sn = false;
    }
}
