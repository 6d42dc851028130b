namespace Sim.Core.Traces;

/// <summary>
/// A stretch of one lane's records, as columns. Accesses fill parallel arrays; an event says how many of the block's accesses come
/// before it. A reader refills one block again and again, so nobody may keep its arrays.
/// </summary>
/// <remarks>Order inside a block is the lane's order. Blocks of a trace come in order of their first record's time (<see cref="FirstTime"/>).</remarks>
public sealed class TraceBlock
{
    /// <summary>Most accesses a block holds.</summary>
    public const int MaxAccesses = 1 << 15;

    /// <summary>Most events a block holds.</summary>
    public const int MaxEvents = 1 << 12;

    /// <summary>Number of the physical CPU whose timeline this is.</summary>
    public int Lane { get; set; }

    /// <summary>Index, over the whole trace and all lanes in file order, of the block's first record.</summary>
    public ulong FirstRecord { get; set; }

    /// <summary>Accesses in use.</summary>
    public int AccessCount { get; private set; }

    /// <summary>Events in use.</summary>
    public int EventCount { get; private set; }

    /// <summary>Guest (or host) linear address of each access.</summary>
    public ulong[] Address { get; } = new ulong[MaxAccesses];

    /// <summary>Time of each access in reference cycles since the start of the trace.</summary>
    public ulong[] Time { get; } = new ulong[MaxAccesses];

    /// <summary>How many references each access stands for (1 or more): a run on one page by one kind of use.</summary>
    public uint[] Repeat { get; } = new uint[MaxAccesses];

    /// <summary>Type, privilege level and size of each access: see <see cref="AccessFlags"/>.</summary>
    public byte[] Flags { get; } = new byte[MaxAccesses];

    /// <summary>Events, in order.</summary>
    public TraceEvent[] Events { get; } = new TraceEvent[MaxEvents];

    /// <summary>For each event, how many accesses of this block come before it.</summary>
    public int[] EventPosition { get; } = new int[MaxEvents];

    /// <summary>Accesses and events together (a folded access counts once).</summary>
    public int RecordCount => AccessCount + EventCount;

    /// <summary>True if neither one more access nor one more event is sure to fit.</summary>
    public bool IsFull => AccessCount == MaxAccesses || EventCount == MaxEvents;

    /// <summary>Time of the first record. The block must not be empty.</summary>
    public ulong FirstTime => EventCount > 0 && EventPosition[0] == 0 ? Events[0].Time : Time[0];

    /// <summary>Time of the last record. The block must not be empty.</summary>
    public ulong LastTime => EventCount > 0 && EventPosition[EventCount - 1] == AccessCount ? Events[EventCount - 1].Time : Time[AccessCount - 1];

    /// <summary>Forgets all records.</summary>
    public void Clear()
    {
        AccessCount = 0;
        EventCount = 0;
    }

    /// <summary>Appends one access. The block must not be full.</summary>
    public void AddAccess(ulong time, ulong address, byte flags, uint repeat = 1)
    {
        int i = AccessCount++;
        Time[i] = time;
        Address[i] = address;
        Flags[i] = flags;
        Repeat[i] = repeat;
    }

    /// <summary>Appends one event. The block must not be full.</summary>
    public void AddEvent(in TraceEvent e)
    {
        EventPosition[EventCount] = AccessCount;
        Events[EventCount++] = e;
    }

    /// <summary>Declares that the first <paramref name="accesses"/> and <paramref name="events"/> entries of the columns were filled in place by a decoder.</summary>
    public void SetCounts(int accesses, int events)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(accesses, MaxAccesses);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(events, MaxEvents);
        AccessCount = accesses;
        EventCount = events;
    }

    /// <summary>Copies the records of another block.</summary>
    public void CopyFrom(TraceBlock other)
    {
        Lane = other.Lane;
        FirstRecord = other.FirstRecord;
        SetCounts(other.AccessCount, other.EventCount);
        Array.Copy(other.Address, Address, AccessCount);
        Array.Copy(other.Time, Time, AccessCount);
        Array.Copy(other.Repeat, Repeat, AccessCount);
        Array.Copy(other.Flags, Flags, AccessCount);
        Array.Copy(other.Events, Events, EventCount);
        Array.Copy(other.EventPosition, EventPosition, EventCount);
    }
}

/// <summary>The packed flags of an access: bits 1:0 <see cref="AccessType"/>, bits 3:2 CPL, bits 6:4 log2 of the size in bytes (0 to 6).</summary>
public static class AccessFlags
{
    /// <summary>Mask of the type.</summary>
    public const byte TypeMask = 3;

    /// <summary>Packs type, privilege level (0 to 3) and log2 of the size in bytes (0 to 6).</summary>
    public static byte Pack(AccessType type, int cpl = 0, int sizeLog2 = 3) => (byte)((int)type | (cpl << 2) | (sizeLog2 << 4));

    /// <summary>The type.</summary>
    public static AccessType Type(byte flags) => (AccessType)(flags & TypeMask);

    /// <summary>The privilege level.</summary>
    public static int Cpl(byte flags) => (flags >> 2) & 3;

    /// <summary>The size in bytes.</summary>
    public static int Size(byte flags) => 1 << ((flags >> 4) & 7);
}
