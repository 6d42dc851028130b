using System.Diagnostics;

namespace Sim.Core.Traces;

/// <summary>What a doubt is about.</summary>
public enum DoubtKind
{
    /// <summary>Events are missing from the recording.</summary>
    DataLoss,

    /// <summary>Records were put in, or operands chosen, where the recording says nothing.</summary>
    Reconstructed,

    /// <summary>Something in the input was not understood and left out.</summary>
    NotRead,

    /// <summary>What L0 or L1 touches while it handles an exit was not recorded with this exit.</summary>
    Handlers,

    /// <summary>What L2 runs is not what it ran when its exits were recorded.</summary>
    Program,

    /// <summary>The sizes of pages are not in the input.</summary>
    PageSizes,

    /// <summary>Times are counts of an emulator or of instructions, and no real time.</summary>
    Clock,

    /// <summary>The costs of operations are priors, and no measurements of this CPU.</summary>
    Costs,

    /// <summary>Anything else.</summary>
    Other,
}

/// <summary>
/// Something that a result rests on and that nobody has seen: what a recording did not say, what was put in its place, what was assumed. Doubts travel with a trace from where they
/// arise (import, lift, weave) through every conversion into the results and what is said about them.
/// </summary>
/// <param name="Kind">What it is about.</param>
/// <param name="Sentence">One sentence for a reader, with its numbers, without the stop at the end.</param>
/// <param name="Count">How often it applies; null if that means nothing.</param>
/// <param name="Of">Out of how many; null if that means nothing or is not known.</param>
public sealed record Doubt(DoubtKind Kind, string Sentence, long? Count = null, long? Of = null)
{
    /// <summary>The words that files use for kinds.</summary>
    private static readonly (DoubtKind Kind, string Word)[] Words =
    [
        (DoubtKind.DataLoss, "data_loss"),
        (DoubtKind.Reconstructed, "reconstructed"),
        (DoubtKind.NotRead, "not_read"),
        (DoubtKind.Handlers, "handlers"),
        (DoubtKind.Program, "program"),
        (DoubtKind.PageSizes, "page_sizes"),
        (DoubtKind.Clock, "clock"),
        (DoubtKind.Costs, "costs"),
        (DoubtKind.Other, "other"),
    ];

    /// <summary>The word that files use for the kind.</summary>
    public string Word => Array.Find(Words, pair => pair.Kind == Kind).Word ?? throw new UnreachableException();

    /// <summary>The kind that a word stands for; <see cref="DoubtKind.Other"/> for words of later versions.</summary>
    public static DoubtKind KindOf(string word) => Array.Find(Words, pair => pair.Word == word) is { Word: not null } known ? known.Kind : DoubtKind.Other;
}
