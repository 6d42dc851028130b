using System.Globalization;
using Sim.Captures.Ftrace;
using Sim.Core.Architecture;
using Sim.Core.Profiles;

namespace Sim.Captures.HwLog;

/// <summary>
/// Summarises a hardware capture: exits by level and reason, nested entries and exits, flushes by kind, interrupts by vector and level, time at each level.
/// Levels are told apart by <see cref="LevelTracker"/>, with the links of a first pass, as a lift does. Only time inside recorded windows counts.
/// </summary>
public sealed class HwSummary
{
    /// <summary>Ticks of guest time per second in the captures (traces/captures/README.md: 200 M instructions per second).</summary>
    public const long DefaultTicksPerSecond = 200_000_000;

    private readonly EventTally _tally = new();
    private readonly LevelTracker _levels;
    private readonly List<Clock> _clocks = [];
    private bool _recording = true;
    private ulong _windowStart;
    private ulong _lastTicks;
    private bool _any;
    private long _windowTicks;

    private HwSummary(IReadOnlyList<VmcsLink> links) => _levels = new LevelTracker(links);

    /// <summary>Reads a recording twice and summarises it.</summary>
    /// <exception cref="Core.TraceFormatException">The recording is damaged.</exception>
    public static EventSummary Of(Func<HwLogReader> open, string name, long ticksPerSecond = DefaultTicksPerSecond)
    {
        HwSummary summary = new(LevelTracker.LinksOf(open));
        HwRecord record = default;
        using HwLogReader reader = open();
        while (reader.Read(ref record))
        {
            summary.Take(record);
        }

        return summary.Build(reader, name, ticksPerSecond);
    }

    private void Take(in HwRecord record)
    {
        if (!_any)
        {
            _any = true;
            _windowStart = record.Ticks;
        }

        _lastTicks = record.Ticks;
        int before = _levels.Level(record.Cpu);
        Elapse(record, before);
        _levels.Observe(record);
        Count(record, EventTally.LevelName(_levels.LevelOf(record, before)));
        if (record.Type == HwType.Mark)
        {
            SwitchWindow(record);
        }
    }

    private void Count(in HwRecord record, string level)
    {
        switch (record.Type)
        {
            case HwType.Vmentry:
                int entered = _levels.Level(record.Cpu);
                _tally.Add("transitions", EventTally.LevelName(entered), Number("real entries with VPID ", record[HwOperand.Vpid]));
                break;
            case HwType.Vmexit:
                _tally.Add("exits", level, ExitReasons.Name(Vendor.Intel, (uint)record[HwOperand.Reason]));
                break;
            case HwType.Invept or HwType.GuestInvept:
                _tally.Add("flushes", Attempted(record, level), Number("INVEPT type ", record[HwOperand.InvalidationType]));
                break;
            case HwType.Invvpid or HwType.GuestInvvpid:
                _tally.Add("flushes", Attempted(record, level), Number("INVVPID type ", record[HwOperand.InvalidationType]));
                break;
            case HwType.Invpcid:
                _tally.Add("flushes", level, Number("INVPCID type ", record[HwOperand.InvalidationType]));
                break;
            case HwType.Invlpg:
                _tally.Add("flushes", level, "INVLPG");
                break;
            case HwType.MovCr3:
                _tally.Add("flushes", level, record[HwOperand.Value] >> 63 == 0 ? "MOV CR3" : "MOV CR3 with bit 63 (no flush)");
                break;
            case HwType.MovCr0 or HwType.MovCr4:
                _tally.Add("flushes", level, record.Type == HwType.MovCr0 ? "MOV CR0" : "MOV CR4");
                break;
            case HwType.Interrupt:
                _tally.Add("interrupts", level, Hex("delivered, vector ", record[HwOperand.Vector]));
                break;
            case HwType.VirtualInterruptDeliver:
                _tally.Add("interrupts", level, Hex("virtual-interrupt delivery, vector ", record[HwOperand.Vector]));
                break;
            case HwType.IpiSend:
                _tally.Add("interrupts", level, Hex("IPI sent, vector ", record[HwOperand.Vector]));
                break;
            case HwType.PiProcess:
                _tally.Add("interrupts", level, Hex("posted interrupts taken, notification vector ", record[HwOperand.NotificationVector]));
                break;
            case HwType.VirtualEoi:
                _tally.Add("interrupts", level, Hex("virtual EOI, vector ", record[HwOperand.Vector]));
                break;
            case HwType.VirtualSelfIpi:
                _tally.Add("interrupts", level, Hex("self-IPI, vector ", record[HwOperand.Vector]));
                break;
            case HwType.Exception:
                _tally.Add("interrupts", level, Hex("exception, vector ", record[HwOperand.Vector]));
                break;
            case HwType.Read or HwType.Write or HwType.Modify or HwType.Fetch or HwType.Walk:
                _tally.Add("accesses", level, record.Type switch
                {
                    HwType.Read => "reads",
                    HwType.Write => "writes",
                    HwType.Modify => "read-modify-writes",
                    HwType.Fetch => "code pages entered",
                    _ => "page walks of the emulator",
                });
                break;
            default:
                break;
        }
    }

    // L1 asks; L0 emulates: in non-root mode these are attempts.
    private static string Attempted(in HwRecord record, string level) => record.NonRoot && level == "?" ? "L1" : level;

    private void Elapse(in HwRecord record, int level)
    {
        while (_clocks.Count <= record.Cpu)
        {
            _clocks.Add(new Clock());
        }

        Clock clock = _clocks[record.Cpu];
        if (_recording && clock.Runs && level >= 0)
        {
            _tally.Add("time", EventTally.LevelName(level), "ticks", (long)(record.Ticks - clock.Ticks), "ticks");
            _tally.Add("time", EventTally.LevelName(level), "instructions", (long)(record.Icount - clock.Icount), "instructions");
        }

        clock.Ticks = record.Ticks;
        clock.Icount = record.Icount;
        clock.Runs = true;
    }

    private void SwitchWindow(in HwRecord record)
    {
        ulong command = record[HwOperand.Command];
        if (command == 1)
        {
            _tally.Add("input", "", "windows");
        }

        if (command is not (1 or 2))
        {
            return;
        }

        if (_recording && command == 2)
        {
            _windowTicks += (long)(record.Ticks - _windowStart);
        }

        _recording = command == 1;
        _windowStart = record.Ticks;
        for (int cpu = 0; cpu < _clocks.Count; cpu++)
        {
            _clocks[cpu].Runs = _recording && cpu == record.Cpu;
        }
    }

    private EventSummary Build(HwLogReader reader, string name, long ticksPerSecond)
    {
        if (_recording && _any)
        {
            _windowTicks += (long)(_lastTicks - _windowStart);
        }

        _tally.Add("input", "", "records", reader.Records, "lines");
        _tally.Add("time", "", "recorded", _windowTicks, "ticks");
        _tally.AddTransitions(_levels.Counts, _windowTicks, ticksPerSecond);
        return _tally.Build(string.Create(CultureInfo.InvariantCulture, $"{name}: hardware capture, {reader.Records} records"), reader.Findings);
    }

    private static string Hex(string text, ulong number) => text + "0x" + number.ToString("x", CultureInfo.InvariantCulture);

    private static string Number(string text, ulong number) => text + number.ToString(CultureInfo.InvariantCulture);

    private sealed class Clock
    {
        public ulong Ticks { get; set; }

        public ulong Icount { get; set; }

        public bool Runs { get; set; }
    }
}
