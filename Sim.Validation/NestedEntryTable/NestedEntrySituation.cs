using System.Globalization;
using System.Text;
using Sim.Workloads.Scenarios;

namespace Sim.Validation;

/// <summary>What L1 does about vpid12 at the nested VM-entry of a situation, after L2 ran under vpid12 = 1.</summary>
public enum Vpid12Use
{
    /// <summary>vmcs12 does not enable VPID, now or before.</summary>
    Off,

    /// <summary>vpid12 = 1 again.</summary>
    Same,

    /// <summary>vpid12 = 2, for the first time.</summary>
    Changed,

    /// <summary>vpid12 = 1 again, after a visit to L2 under vpid12 = 2.</summary>
    NewThenOld,
}

/// <summary>What could go wrong at the transition of a situation.</summary>
public enum Seed1Story
{
    /// <summary>L1 edited a last-level entry of the page tables that run after the transition, and executed no invalidation.</summary>
    Edit,

    /// <summary>Who ran before the transition used a linear address that who runs after it uses too, in other page tables.</summary>
    SharedAddress,
}

/// <summary>One of the 32 situations of the first seed thread (docs/seed-1.md).</summary>
/// <param name="L0Ept">L0 uses EPT.</param>
/// <param name="L1Ept">L1 uses EPT for L2.</param>
/// <param name="Vpid12">What becomes of vpid12.</param>
/// <param name="IsEntry">The transition is the nested VM-entry; else the nested VM-exit after it.</param>
public sealed record NestedEntrySituation(bool L0Ept, bool L1Ept, Vpid12Use Vpid12, bool IsEntry)
{
    /// <summary>Part of <see cref="Scenario"/> that is the transition; the next one is the accesses after it.</summary>
    internal const int TransitionPart = 1;

    /// <summary>Pages that run after the transition uses besides the one in question: what a flush drops in vain.</summary>
    private const int OtherPages = 16;

    /// <summary>All 32, entries first.</summary>
    public static IReadOnlyList<NestedEntrySituation> All { get; } =
    [
        .. from l0 in new[] { true, false }
           from l1 in new[] { true, false }
           from isEntry in new[] { true, false }
           from vpid12 in Enum.GetValues<Vpid12Use>()
           select new NestedEntrySituation(l0, l1, vpid12, isEntry),
    ];

    /// <summary>The word of this situation's <see cref="Vpid12"/>: off, same, changed, new-then-old.</summary>
    public string Vpid12Word => Vpid12 switch { Vpid12Use.Off => "off", Vpid12Use.Same => "same", Vpid12Use.Changed => "changed", _ => "new-then-old" };

    /// <summary>The word of its transition: nested_entry or nested_exit.</summary>
    public string TransitionWord => IsEntry ? "nested_entry" : "nested_exit";

    /// <summary>The configuration in words: L0 EPT on, L1 EPT off.</summary>
    public string Configuration => $"L0 EPT {OnOff(L0Ept)}, L1 EPT {OnOff(L1Ept)}";

    /// <summary>A name for files: seed-1-ept-no-ept12-vpid-changed-nested-entry-edit.</summary>
    public string FileName(Seed1Story story) =>
        $"seed-1-{(L0Ept ? "ept" : "no-ept")}-{(L1Ept ? "ept12" : "no-ept12")}-vpid-{Vpid12Word}-{TransitionWord.Replace('_', '-')}-{Word(story)}";

    /// <summary>The word of a story: edit, shared-address.</summary>
    public static string Word(Seed1Story story) => story == Seed1Story.Edit ? "edit" : "shared-address";

    /// <summary>
    /// The situation as a scenario (docs/scenarios.md) in three parts: what came before, the transition, the accesses after it. L1 has pages of its own and L2 too; both use
    /// <c>heap</c>, each in its own page tables.
    /// </summary>
    public string ScenarioText(Seed1Story story)
    {
        StringBuilder text = new();
        string what = story == Seed1Story.Edit ? $"after L1 edited {(IsEntry ? "L2's" : "its own")} page table" : $"after {(IsEntry ? "L1" : "L2")} used the same linear address";
        Line("nestsim-scenario 1");
        Line($"title  {(IsEntry ? "Nested VM-entry" : "Nested VM-exit")} {what}: {Configuration}, vpid12 {Vpid12Word}");
        Line("source docs/seed-1.md");
        Line($"machine l0_ept={OnOff(L0Ept)}");
        if (L1Ept)
        {
            Line("ept  P");
        }

        Line($"vmcs A vpid={(Vpid12 == Vpid12Use.Off ? "off" : "1")}{(L1Ept ? " ept=P" : "")}");
        Line("page heap");
        Line(string.Create(CultureInfo.InvariantCulture, $"page pages-of-l1 count={OtherPages}"));
        Line(string.Create(CultureInfo.InvariantCulture, $"page pages-of-l2 count={OtherPages}"));
        Line(IsEntry && story == Seed1Story.Edit ? "L1 reads pages-of-l1" : "L1 reads heap pages-of-l1");
        Line("L1 enters A");
        Line(IsEntry && story == Seed1Story.Edit ? "L2 reads heap pages-of-l2" : "L2 reads pages-of-l2");
        Line("L2 exits");
        if (Vpid12 == Vpid12Use.NewThenOld)
        {
            Line("L1 enters A vpid=2");
            Line("L2 exits");
        }

        string enter = Vpid12 switch { Vpid12Use.Off => "L1 enters A", Vpid12Use.Changed => "L1 enters A vpid=2", _ => "L1 enters A vpid=1" };
        if (IsEntry)
        {
            Line(story == Seed1Story.Edit ? "L1 remaps heap of L2" : "L1 reads heap");
            Line("---");
            Line(enter);
        }
        else
        {
            Line("L1 reads pages-of-l1");
            if (story == Seed1Story.Edit)
            {
                Line("L1 reads heap");
                Line("L1 remaps heap");
            }

            Line(enter);
            Line(story == Seed1Story.Edit ? "L2 reads pages-of-l2" : "L2 reads heap pages-of-l2");
            Line("---");
            Line("L2 exits");
        }

        Line("---");
        Line(IsEntry ? "L2 reads heap pages-of-l2" : "L1 reads heap pages-of-l1");
        return text.ToString();

        void Line(string line) => text.Append(line).Append('\n');
    }

    /// <summary><see cref="ScenarioText"/>, read.</summary>
    internal Scenario Scenario(Seed1Story story) => Workloads.Scenarios.Scenario.Parse(new MemoryStream(Encoding.UTF8.GetBytes(ScenarioText(story))), FileName(story));

    /// <summary>The word of a switch: on, off.</summary>
    internal static string OnOff(bool value) => value ? "on" : "off";
}
