namespace Sim.Apic;

/// <summary>Virtual-interrupt delivery (SDM vol. 3, 31.1.4 and 31.2): the guest interrupt status of a VMCS and what the processor does with it.</summary>
public struct GuestInterruptStatus
{
    /// <summary>Requesting virtual interrupt: the highest vector in VIRR, as far as the processor was told; 0 if none.</summary>
    public byte Rvi;

    /// <summary>Servicing virtual interrupt: the vector the next virtual EOI is for; 0 if none.</summary>
    public byte Svi;

    /// <summary>Evaluation of pending virtual interrupts: deliverable if the class of RVI is above that of VPPR.</summary>
    public readonly bool IsPending(ApicPage page) => (Rvi >> 4) > (page.Ppr >> 4);

    /// <summary>Delivery: RVI goes into service, and the next highest request becomes RVI. Returns the vector.</summary>
    public byte Deliver(ApicPage page)
    {
        byte vector = Rvi;
        page.Accept(vector);
        Svi = vector;
        Rvi = (byte)Math.Max(page.Irr.Highest, 0);
        return vector;
    }

    /// <summary>EOI virtualization: the bit that SVI names leaves VISR, whether or not it is the highest; SVI becomes the highest of the rest. Returns the vector.</summary>
    public byte EndOfInterrupt(ApicPage page)
    {
        byte vector = Svi;
        page.Isr.TestAndClear(vector);
        Svi = (byte)Math.Max(page.Isr.Highest, 0);
        return vector;
    }

    /// <summary>Posted-interrupt processing: PIR into VIRR, and RVI the higher of itself and the highest new one.</summary>
    public void Process(ref VectorSet pir, ApicPage page)
    {
        Rvi = (byte)Math.Max(Rvi, Math.Max(pir.Highest, 0));
        pir.MoveTo(ref page.Irr);
    }

    /// <summary>Self-IPI virtualization: the vector into VIRR, RVI the higher.</summary>
    public void SelfIpi(byte vector, ApicPage page)
    {
        page.Irr.TestAndSet(vector);
        Rvi = Math.Max(Rvi, vector);
    }
}
