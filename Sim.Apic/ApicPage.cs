namespace Sim.Apic;

/// <summary>
/// The registers of a local APIC that decide delivery. One layout serves KVM's software APIC, the virtual-APIC page of VMX and the backing page of AVIC,
/// as in KVM, where they are the same page.
/// </summary>
public sealed class ApicPage
{
    private VectorSet _irr;
    private VectorSet _isr;

    /// <summary>Requested, not yet accepted by the processor.</summary>
    public ref VectorSet Irr => ref _irr;

    /// <summary>In service: accepted, EOI not yet written.</summary>
    public ref VectorSet Isr => ref _isr;

    /// <summary>Task priority.</summary>
    public byte Tpr { get; set; }

    /// <summary>Processor priority (SDM vol. 3, 11.8.3.1): the TPR, or the class of the highest vector in service if that is higher.</summary>
    public byte Ppr
    {
        get
        {
            int inService = Math.Max(_isr.Highest, 0);
            return (Tpr >> 4) >= (inService >> 4) ? Tpr : (byte)(inService & 0xF0);
        }
    }

    /// <summary>The highest requested vector whose class is above the processor priority's; -1 if there is none.</summary>
    public int Deliverable
    {
        get
        {
            int highest = _irr.Highest;
            return highest >= 0 && (highest >> 4) > (Ppr >> 4) ? highest : -1;
        }
    }

    /// <summary>The processor accepts a vector: from IRR to ISR.</summary>
    public void Accept(int vector)
    {
        _irr.TestAndClear(vector);
        _isr.TestAndSet(vector);
    }

    /// <summary>EOI: the highest vector in service leaves it. Returns the vector, or -1 if none was in service.</summary>
    public int EndOfInterrupt()
    {
        int vector = _isr.Highest;
        if (vector >= 0)
        {
            _isr.TestAndClear(vector);
        }

        return vector;
    }
}
