using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>What a leaf entry of a paging structure says.</summary>
/// <param name="Frame">Physical address of the page's first byte, in the space of the tree's frames.</param>
/// <param name="Size">Page size.</param>
/// <param name="Global">G=1.</param>
public readonly record struct Mapping(ulong Frame, PageSize Size, bool Global);
