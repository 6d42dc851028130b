using Sim.Core.Architecture;
using System.Text;

namespace Sim.Captures.HwLog;

/// <summary>How an operand of a capture line is written.</summary>
internal enum HwNumber
{
    /// <summary>Hexadecimal without 0x.</summary>
    Hex,

    /// <summary>Decimal.</summary>
    Decimal,

    /// <summary>Decimal, M for a million.</summary>
    Millions,

    /// <summary>Four hexadecimal quadwords with colons between, the highest first: fills this operand and the three that follow it.</summary>
    Quadwords,
}

/// <summary>One operand of an event line: written <c>name=value</c>, or only <c>value</c> if the name is empty.</summary>
internal sealed record HwField(byte[] Name, HwOperand? Operand, HwNumber Number, bool IsRequired);

/// <summary>The fields of one event type, in the order in which the emulator writes them.</summary>
internal sealed class HwSchema
{
    private static readonly AsciiNames<HwSchema> Table = new(
    [
        Event("VMENTRY", HwType.Vmentry,
            Hex("vmcs", HwOperand.Vmcs), Dec("vpid", HwOperand.Vpid), Hex("eptp", HwOperand.Eptp), Hex("cr3", HwOperand.Cr3), Hex("rip", HwOperand.Rip),
            Hex("pin", HwOperand.PinControls), Hex("cpu", HwOperand.CpuControls), Hex("cpu2", HwOperand.CpuControls2), Hex("intr", HwOperand.IntrInfo),
            Optional("rvi", HwOperand.Rvi), Optional("svi", HwOperand.Svi), Optional("pinv", HwOperand.NotificationVector), Optional("pid", HwOperand.PiDescriptor)),
        Event("VMEXIT", HwType.Vmexit,
            Dec("reason", HwOperand.Reason), Hex("qual", HwOperand.Qualification), Hex("vmcs", HwOperand.Vmcs), Dec("vpid", HwOperand.Vpid), Hex("eptp", HwOperand.Eptp),
            Hex("cr3", HwOperand.Cr3), Hex("rip", HwOperand.Rip), Optional("info", HwOperand.IntrInfo), Optional("gpa", HwOperand.GuestPhysical), Optional("gla", HwOperand.Linear),
            Optional("ecx", HwOperand.Rcx), Optional("eax", HwOperand.Rax), Optional("edx", HwOperand.Rdx), Optional("rax", HwOperand.Rax), Optional("idtv", HwOperand.IdtVectoring),
            Optional("ptr", HwOperand.VmxPointer), Optional("enc", HwOperand.VmcsField), Optional("val", HwOperand.Value)),
        Event("VMPTRLD", HwType.Vmptrld, Value(HwOperand.Vmcs), Ignored(), Ignored()),
        Event("INVEPT", HwType.Invept, Invalidation),
        Event("INVVPID", HwType.Invvpid, Invalidation),
        Event("INVPCID", HwType.Invpcid, Invalidation),
        Event("G_INVEPT", HwType.GuestInvept, Invalidation),
        Event("G_INVVPID", HwType.GuestInvvpid, Invalidation),
        Event("INVLPG", HwType.Invlpg, Value(HwOperand.Linear)),
        Event("MOV_CR3", HwType.MovCr3, Value(HwOperand.Value)),
        Event("MOV_CR0", HwType.MovCr0, Value(HwOperand.Value)),
        Event("MOV_CR4", HwType.MovCr4, Value(HwOperand.Value)),
        Event("WRMSR", HwType.Wrmsr, Value(HwOperand.Msr), Value(HwOperand.Value)),
        Event("EXC", HwType.Exception, Value(HwOperand.Vector), Optional("err", HwOperand.ErrorCode), Optional("cr2", HwOperand.Cr2)),
        Event("HWINT", HwType.Interrupt, Value(HwOperand.Vector), Optional("rip", HwOperand.Rip)),
        Event("HLT", HwType.Hlt),
        Event("MWAIT", HwType.Mwait),
        Event("IPI_SEND", HwType.IpiSend, Value(HwOperand.Vector), Value(HwOperand.Destination), Value(HwOperand.IcrLow)),
        Event("PI_PROCESS", HwType.PiProcess,
            Hex("nv", HwOperand.NotificationVector), Hex("pid", HwOperand.PiDescriptor), new HwField("pir"u8.ToArray(), HwOperand.Pir3, HwNumber.Quadwords, true)),
        Event("VINTR_DELIVER", HwType.VirtualInterruptDeliver, Value(HwOperand.Vector), Value(HwOperand.Svi), Ignored()),
        Event("VEOI", HwType.VirtualEoi, Value(HwOperand.Vector), Value(HwOperand.Svi), Value(HwOperand.Rvi)),
        Event("VSELF_IPI", HwType.VirtualSelfIpi, Value(HwOperand.Vector), Value(HwOperand.Rvi), Value(HwOperand.Svi)),
        Event("MARK", HwType.Mark,
            Dec("cmd", HwOperand.Command), Dec("arg", HwOperand.Argument), new HwField("cpl"u8.ToArray(), HwOperand.Cpl, HwNumber.Decimal, false),
            new HwField("icount"u8.ToArray(), null, HwNumber.Decimal, false), new HwField("vmexits"u8.ToArray(), HwOperand.VmexitCount, HwNumber.Decimal, false),
            new HwField("ev"u8.ToArray(), HwOperand.EventCount, HwNumber.Decimal, false)),
        Event("MEMWINDOW_START", HwType.MemwindowStart,
            Dec("mode", HwOperand.WindowMode), new HwField("naccess"u8.ToArray(), HwOperand.Accesses, HwNumber.Millions, true)),
    ]);

    private HwSchema(HwType type, HwField[] fields)
    {
        Type = type;
        Fields = fields;
    }

    /// <summary>The record type.</summary>
    public HwType Type { get; }

    /// <summary>Fields without a name first, then those with one.</summary>
    public HwField[] Fields { get; }

    /// <summary>The fields of the context line <c>C cpu MODE cpl vpid= eptp= cr3= vmcs=</c> after its mode.</summary>
    public static HwSchema Context { get; } = new(HwType.Context,
        [Value(HwOperand.Cpl), Dec("vpid", HwOperand.Vpid), Hex("eptp", HwOperand.Eptp), Hex("cr3", HwOperand.Cr3), Hex("vmcs", HwOperand.Vmcs)]);

    private static HwField[] Invalidation =>
        [Dec("type", HwOperand.InvalidationType), Hex("d0", HwOperand.DescriptorLow), Hex("d1", HwOperand.DescriptorHigh)];

    /// <summary>The fields of an event line by its name; false if the name is unknown.</summary>
    public static bool TryGet(ReadOnlySpan<byte> name, out HwSchema schema) => Table.TryGet(name, out schema);

    private static (string, HwSchema) Event(string name, HwType type, params HwField[] fields) => (name, new HwSchema(type, fields));

    private static HwField Hex(string name, HwOperand operand) => new(Encoding.ASCII.GetBytes(name), operand, HwNumber.Hex, true);

    private static HwField Dec(string name, HwOperand operand) => new(Encoding.ASCII.GetBytes(name), operand, HwNumber.Decimal, true);

    private static HwField Optional(string name, HwOperand operand) => new(Encoding.ASCII.GetBytes(name), operand, HwNumber.Hex, false);

    private static HwField Value(HwOperand operand) => new([], operand, HwNumber.Hex, true);

    private static HwField Ignored() => new([], null, HwNumber.Hex, true);
}
