using Sim.Core.Traces;

namespace Sim.Tlb;

/// <summary>
/// Sees those translations being used that may differ from the tables as they are. Hardware goes on whatever it says: a witness changes no result.
/// </summary>
public interface ITranslationWitness
{
    /// <summary>True if a walk of these tables may find something that is older than the tables, so that its result is to be judged.</summary>
    bool Suspects(PageTable tables, PageTable? nested);

    /// <summary>Judges one use. True if it is what the tables of the current context say now: later uses of the same entry are then not shown.</summary>
    bool Judge(in UsedTranslation use);
}

/// <summary>One memory reference (or folded run of them) and the translation that hardware used for it.</summary>
/// <param name="Context">The current context.</param>
/// <param name="Tables">Page tables that the entry came from: not always those of the context.</param>
/// <param name="Nested">EPT or NPT tables that the entry came from; null if there were none.</param>
/// <param name="PhysicalPage">Physical address of the 4 KiB page that was reached.</param>
/// <param name="ReadOnly">The entry allows no writes.</param>
/// <param name="Block">Block of the access.</param>
/// <param name="Access">Which access of the block.</param>
public readonly record struct UsedTranslation(TranslationContext Context, PageTable Tables, PageTable? Nested, ulong PhysicalPage, bool ReadOnly, TraceBlock Block, int Access);
