using Sim.Core.Architecture;

namespace Sim.Captures.HwLog;

/// <summary>The local APIC timer that a hypervisor emulates for one vCPU, as its register writes in a capture tell it. Times are ticks of L0's TSC.</summary>
public sealed class ApicTimer
{
    private const ulong Masked = 1UL << 16;
    private const int ModeShift = 17;
    private const ulong Periodic = 1;

    // kvm: one count of the APIC timer's input clock is a nanosecond (APIC_BUS_CYCLE_NS).
    private const ulong TicksPerMicrosecond = 200;
    private const byte LinuxTimerVector = 0xEC;

    private ulong _lvt = LinuxTimerVector;
    private ulong _divide = 1;
    private ulong? _due;
    private ulong _period;
    private bool _isKnown;

    /// <summary>How much L0's TSC is ahead of the vCPU's, modulo 2^64.</summary>
    public ulong TscOffset { get; init; }

    /// <summary>Vector of LVTT; 0xec, Linux's, until it is written.</summary>
    public byte Vector => (byte)_lvt;

    /// <summary>When it expires next; null if it is not armed.</summary>
    public ulong? Due => _due;

    /// <summary>True for the registers that <see cref="Write"/> takes.</summary>
    public static bool IsRegister(Msr msr) => msr is Msr.X2ApicLvtTimer or Msr.X2ApicInitialCount or Msr.X2ApicDivide or Msr.TscDeadline;

    /// <summary>The vCPU writes a register of its timer.</summary>
    public void Write(Msr msr, ulong value, ulong now)
    {
        switch (msr)
        {
            case Msr.X2ApicLvtTimer:
                _lvt = value;
                break;
            case Msr.X2ApicDivide:
                ulong shift = (value & 3) | ((value >> 1) & 4);
                _divide = 1UL << (int)((shift + 1) & 7);
                break;
            case Msr.X2ApicInitialCount:
                ulong ticks = value * _divide * TicksPerMicrosecond / 1000;
                _due = value == 0 ? null : now + ticks;
                _period = ((_lvt >> ModeShift) & 3) == Periodic ? ticks : 0;
                _isKnown = true;
                break;
            default:
                _due = value == 0 ? null : value + TscOffset;
                _period = 0;
                _isKnown = true;
                break;
        }
    }

    /// <summary>
    /// Takes the expiry if it has come. Returns true if an interrupt comes of it. <paramref name="byPreemptionTimer"/>: L0's timer for it ran out; where nothing was written to the
    /// timer yet, that alone tells.
    /// </summary>
    public bool Expire(ulong now, bool byPreemptionTimer)
    {
        bool expired = _isKnown ? _due <= now : byPreemptionTimer;
        if (!expired)
        {
            return false;
        }

        _isKnown = true;
        while (_period != 0 && _due <= now)
        {
            _due += _period;
        }

        _due = _period == 0 ? null : _due;
        return (_lvt & Masked) == 0;
    }
}
