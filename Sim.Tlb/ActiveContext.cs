namespace Sim.Tlb;

/// <summary>A translation context as a lane's hardware sees it: with its context ids and spaces.</summary>
/// <param name="Context">What it was made of.</param>
/// <param name="Current">Its tag values.</param>
/// <param name="Tagged">Context id of its non-global translations and of its paging-structure-cache entries.</param>
/// <param name="Global">Context id of its global translations.</param>
/// <param name="GuestPhysical">Context id of its guest-physical mappings; 0 without nested tables.</param>
/// <param name="LowerSpace">Space of addresses with bit 63 clear.</param>
/// <param name="UpperSpace">Space of addresses with bit 63 set.</param>
/// <param name="NestedNumber">Number of the nested tables; 0 without.</param>
internal sealed record ActiveContext(TranslationContext Context, CurrentTag Current, int Tagged, int Global, int GuestPhysical, int LowerSpace, int UpperSpace, int NestedNumber);
