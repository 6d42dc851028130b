using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>The tables that say what a guest's linear address is in the end, none of them derived by L0.</summary>
/// <param name="Guest">The running level's page tables.</param>
/// <param name="Ept12">L1's second-level tables; null for L1, and for an L2 without them.</param>
/// <param name="Host">EPT01, or the host's memory slots.</param>
internal readonly record struct AddressChain(PageTable Guest, PageTable? Ept12, PageTable Host)
{
    /// <summary>What the tables say now; false if any of them does not map the address. Makes no mappings.</summary>
    public bool TryFind(ulong address, out Mapping mapping)
    {
        if (Guest.TryFind(address, out mapping) && TryFindPhysical(mapping.At(address), out Mapping physical))
        {
            mapping = mapping.Through(address, physical);
            return true;
        }

        return false;
    }

    private bool TryFindPhysical(ulong address, out Mapping mapping)
    {
        if (Ept12 is null)
        {
            return Host.TryFind(address, out mapping);
        }

        if (Ept12.TryFind(address, out mapping) && Host.TryFind(mapping.At(address), out Mapping host))
        {
            mapping = mapping.Through(address, host);
            return true;
        }

        return false;
    }
}
