using System.Globalization;
using System.Text;

namespace Sim.Core.Traces;

/// <summary>How the text twin writes an operand.</summary>
public enum FieldFormat : byte
{
    /// <summary>Decimal.</summary>
    Decimal,

    /// <summary>Lower-case hexadecimal with 0x.</summary>
    Hex,

    /// <summary>A name out of <see cref="FieldSpec.Names"/>.</summary>
    Name,

    /// <summary>0 or 1.</summary>
    Flag,
}

/// <summary>One operand of a record kind.</summary>
/// <param name="Name">Name in the text twin and in the file header.</param>
/// <param name="Slot">Operand: 0 is A, 5 is F.</param>
/// <param name="Format">How it is written.</param>
/// <param name="Maximum">Largest legal value; <c>trace verify</c> reports more.</param>
/// <param name="Names">The words of a <see cref="FieldFormat.Name"/>; empty otherwise.</param>
public sealed record FieldSpec(string Name, int Slot, FieldFormat Format, ulong Maximum, IReadOnlyList<string> Names);

/// <summary>The operands of every event kind: the one table behind the file header, the text twin and <c>trace verify</c>.</summary>
public static class RecordSchema
{
    /// <summary>Most operands a kind can have (A to F).</summary>
    public const int OperandSlots = 6;

    private static readonly FieldSpec[][] Table = Build();

    /// <summary>The operands of a kind, in slot order. Empty for Access (which has columns of its own) and for Mark (which has text).</summary>
    public static IReadOnlyList<FieldSpec> Fields(RecordKind kind) => Table[(int)kind];

    /// <summary>All kinds, in number order.</summary>
    public static IReadOnlyList<RecordKind> Kinds { get; } = Enum.GetValues<RecordKind>();

    /// <summary>"kind field=value ...", the text twin's line without time and lane.</summary>
    public static string Describe(in TraceEvent e)
    {
        StringBuilder text = new(e.Kind.ToString());
        text.Append(" level=").Append(e.Level);
        foreach (FieldSpec field in Fields(e.Kind))
        {
            text.Append(' ').Append(field.Name).Append('=').Append(Format(field, e[field.Slot]));
        }

        if (e.Text is not null)
        {
            text.Append(' ').Append(e.Text);
        }

        return text.ToString();
    }

    /// <summary>One operand as the text twin writes it.</summary>
    public static string Format(FieldSpec field, ulong value) => field.Format switch
    {
        FieldFormat.Hex => "0x" + value.ToString("x", CultureInfo.InvariantCulture),
        FieldFormat.Name when value < (ulong)field.Names.Count => field.Names[(int)value],
        _ => value.ToString(CultureInfo.InvariantCulture),
    };

    private static FieldSpec[][] Build()
    {
        FieldSpec[][] table = new FieldSpec[Enum.GetValues<RecordKind>().Length][];
        table[(int)RecordKind.Access] = [];
        table[(int)RecordKind.Work] = [Dec("cycles", 0)];
        table[(int)RecordKind.SetCr3] = [Hex("root", 0), Dec("pcid", 1, 4095), Flag("no_flush", 2)];
        table[(int)RecordKind.SetCr4] = [Hex("value", 0)];
        table[(int)RecordKind.Invlpg] = [Hex("address", 0)];
        table[(int)RecordKind.Invpcid] = [Dec("type", 0, 3), Dec("pcid", 1, 4095), Hex("address", 2)];
        table[(int)RecordKind.Invvpid] = [Dec("type", 0, 3), Dec("vpid", 1, 65535), Hex("address", 2)];
        table[(int)RecordKind.Invept] = [Dec("type", 0, 2), Hex("eptp", 1)];
        table[(int)RecordKind.Invlpga] = [Dec("asid", 0, uint.MaxValue), Hex("address", 1)];
        table[(int)RecordKind.MapChange] = [Name<MapTable>("table", 0), Hex("root", 1), Hex("address", 2), Hex("size", 3), Name<MapChangeKind>("change", 4)];
        table[(int)RecordKind.VmEnter] =
            [Name<TransitionKind>("kind", 0), Dec("vcpu", 1, 65535), Hex("vmcs", 2), Dec("vpid", 3, 65535), Hex("eptp", 4), Hex("controls", 5, (ulong)VmControls.Defined)];
        table[(int)RecordKind.VmExit] = [Name<TransitionKind>("kind", 0), Dec("vcpu", 1, 65535), Hex("reason", 2, uint.MaxValue), Hex("qualification", 3)];
        table[(int)RecordKind.Interrupt] =
            [new FieldSpec("source", 0, FieldFormat.Name, 3, ["device", "ipi", "timer", "software"]), Hex("vector", 1, 255), Dec("vcpu", 2, 65535), Dec("target_level", 3, 2)];
        table[(int)RecordKind.Eoi] = [Hex("vector", 0, 255)];
        table[(int)RecordKind.Halt] = [];
        table[(int)RecordKind.ApicMode] = [new FieldSpec("mode", 0, FieldFormat.Name, 2, ["disabled", "xapic", "x2apic"])];
        table[(int)RecordKind.ApicvInhibit] = [Dec("reason", 0, 63), Flag("set", 1)];
        table[(int)RecordKind.SchedOut] = [Dec("vcpu", 0, 65535), Flag("preempted", 1)];
        table[(int)RecordKind.SchedIn] = [Dec("vcpu", 0, 65535)];
        table[(int)RecordKind.Migrate] = [Dec("vcpu", 0, 65535), Dec("to_lane", 1, 65535)];
        table[(int)RecordKind.Mark] = [];
        table[(int)RecordKind.Tdp12Walk] = [Hex("root", 0), Hex("address", 1), Hex("size", 2), Hex("table3", 3), Hex("table2", 4), Hex("table1", 5)];
        table[(int)RecordKind.Reset] = [Dec("vcpu", 0, 65535)];
        table[(int)RecordKind.FlushRequest] = [Name<RequestedFlush>("request", 0), Dec("vcpu", 1, 65535), Dec("after_service_of", 2, 65535)];
        table[(int)RecordKind.Vmxon] = [Dec("vcpu", 0, 65535)];
        table[(int)RecordKind.Vmxoff] = [Dec("vcpu", 0, 65535)];
        table[(int)RecordKind.CpuOnline] = [];
        table[(int)RecordKind.PageSizes] = [Hex("root", 0), Hex("address", 1), Hex("size", 2), Hex("second_level", 3)];
        return table;
    }

    private static FieldSpec Dec(string name, int slot, ulong maximum = ulong.MaxValue) => new(name, slot, FieldFormat.Decimal, maximum, []);

    private static FieldSpec Hex(string name, int slot, ulong maximum = ulong.MaxValue) => new(name, slot, FieldFormat.Hex, maximum, []);

    private static FieldSpec Flag(string name, int slot) => new(name, slot, FieldFormat.Flag, 1, []);

    private static FieldSpec Name<T>(string name, int slot)
        where T : struct, Enum
    {
        string[] names = Enum.GetNames<T>();
        return new FieldSpec(name, slot, FieldFormat.Name, (ulong)names.Length - 1, names);
    }
}
