using System.Globalization;
using Sim.Core.Architecture;

namespace Sim.Workloads.Footprints;

/// <summary>The nested transition that L0 carries out between a real exit and the next real entry.</summary>
public enum NestedStep : byte
{
    /// <summary>None: L0 enters the level again that it left.</summary>
    None,

    /// <summary>L1's VMLAUNCH, VMRESUME or VMRUN.</summary>
    Entry,

    /// <summary>An exit of L2 that L1 is told.</summary>
    Exit,
}

/// <summary>
/// What kind of stay of L0 or L1 on a CPU this is, as far as recorded transitions tell. A stay of L0 goes from a real exit to the next real entry, one of L1 from
/// a real entry to its next real exit.
/// </summary>
/// <param name="Level">Who runs: 0 or 1.</param>
/// <param name="After">Whose exit began it: L0: the level that exited; L1: 2 if L1 was told of an exit of L2, 1 if it goes on after an exit of its own.</param>
/// <param name="Reason">Reason of that exit: SDM basic exit reason or APM exit code.</param>
/// <param name="Nested">L0: the nested transition in it.</param>
/// <param name="Then">What ends it: L0: the level that it enters; L1: the reason of its exit.</param>
/// <param name="Handling">L1: the reason of L2's exit that it was told of last; null for L0, and before the first.</param>
/// <param name="Interrupted">It took an interrupt meanwhile.</param>
public readonly record struct StayKey(int Level, int After, uint Reason, NestedStep Nested, uint Then, uint? Handling, bool Interrupted)
{
    /// <summary>By level, then by the members in order; no <see cref="Handling"/> comes before any.</summary>
    public static IComparer<StayKey> Order { get; } = Comparer<StayKey>.Create((a, b) => a.Members.CompareTo(b.Members));

    private (int, int, uint, NestedStep, uint, long, bool) Members => (Level, After, Reason, Nested, Then, Handling ?? -1L, Interrupted);

    /// <summary>"L0 after EPT_VIOLATION of L2, nested exit, to L1", "L1 after its own MSR_READ until VMRESUME, for EPT_VIOLATION".</summary>
    public override string ToString()
    {
        string nested = Nested switch { NestedStep.Entry => ", nested entry", NestedStep.Exit => ", nested exit", _ => "" };
        string after = Level == 1 && After == 1 ? $"its own {Name(Reason)}" : $"{Name(Reason)} of L{Number(After)}";
        string end = Level == 0 ? $", to L{Number((int)Then)}" : $" until {Name(Then)}";
        string handling = Handling is { } reason ? $", for {Name(reason)}" : "";
        return $"L{Number(Level)} after {after}{nested}{end}{handling}{(Interrupted ? ", interrupted" : "")}";
    }

    /// <summary>True if <paramref name="other"/> plays the same part of a world switch, whatever the reasons: same level, same side before and after.</summary>
    public bool HasShapeOf(StayKey other) => Level == other.Level && After == other.After && Nested == other.Nested && (Level == 1 || Then == other.Then);

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Name(uint reason) => ExitReasons.Name(ExitKinship.VendorOf(reason), reason);
}
