namespace Sim.Workloads.Importers;

/// <summary>Kinds of entries of a drmemtrace file (DynamoRIO drcachesim/common/trace_entry.h, <c>trace_type_t</c>, versions 1 to 7); prefetches and others that are passed over have no name here.</summary>
internal static class DrEntry
{
    /// <summary>Bytes of an entry of a 64-bit program: kind (2), size (2), value (8), little-endian.</summary>
    public const int Bytes = 12;

    /// <summary>Bytes of an entry of a 32-bit program.</summary>
    public const int Bytes32 = 8;

    /// <summary>Data is read.</summary>
    public const ushort Read = 0;

    /// <summary>Data is written.</summary>
    public const ushort Write = 1;

    /// <summary>First kind of instruction that is fetched; the last is <see cref="LastInstruction"/>.</summary>
    public const ushort Instruction = 10;

    /// <summary>A return.</summary>
    public const ushort LastInstruction = 16;

    /// <summary>Instructions that follow the one before; the value holds their lengths, the size how many.</summary>
    public const ushort Bundle = 17;

    /// <summary>Entries from here on come from the thread of that number.</summary>
    public const ushort Thread = 22;

    /// <summary>A thread ends.</summary>
    public const ushort ThreadExit = 23;

    /// <summary>The thread's process.</summary>
    public const ushort Process = 24;

    /// <summary>First entry of a file, with the version.</summary>
    public const ushort Header = 25;

    /// <summary>Last entry of a file.</summary>
    public const ushort Footer = 26;

    /// <summary>One of <see cref="DrMarker"/>, in the size.</summary>
    public const ushort Marker = 28;

    /// <summary>An instruction that is not fetched again: a further round of a string instruction.</summary>
    public const ushort NotFetched = 29;

    /// <summary>An instruction that is fetched if it is not the one before.</summary>
    public const ushort MaybeFetched = 30;

    /// <summary>SYSENTER.</summary>
    public const ushort Sysenter = 31;

    /// <summary>Bytes of the next instruction.</summary>
    public const ushort Encoding = 47;

    /// <summary>A conditional jump that is taken.</summary>
    public const ushort TakenJump = 48;

    /// <summary>A conditional jump that is not taken.</summary>
    public const ushort UntakenJump = 49;

    /// <summary>Highest kind that there is.</summary>
    public const ushort Last = UntakenJump;

    /// <summary>Last version that is known, of DynamoRIO of 2026.</summary>
    public const ulong LastVersion = 7;
}

/// <summary>Kinds of markers (<c>trace_marker_type_t</c>) that mean something here; all others are passed over.</summary>
internal static class DrMarker
{
    /// <summary>Microseconds since 1601.</summary>
    public const ushort Timestamp = 2;

    /// <summary>CPU on which the thread runs.</summary>
    public const ushort Cpu = 3;

    /// <summary>Bits of <see cref="DrFileType"/>.</summary>
    public const ushort FileType = 9;

    /// <summary>The version again.</summary>
    public const ushort Version = 12;

    /// <summary>Ordinal of a window of a recording with gaps.</summary>
    public const ushort Window = 14;

    /// <summary>Physical address of the next virtual one.</summary>
    public const ushort PhysicalAddress = 15;

    /// <summary>Size of the process' base pages.</summary>
    public const ushort PageSize = 18;

    /// <summary>Last entry of a chunk, with its ordinal.</summary>
    public const ushort ChunkFooter = 21;

    /// <summary>Ordinal of a record at a chunk's begin.</summary>
    public const ushort RecordOrdinal = 22;

    /// <summary>Filtering ended.</summary>
    public const ushort FilterEndpoint = 23;

    /// <summary>The kernel's part of a system call begins.</summary>
    public const ushort SyscallTraceStart = 27;

    /// <summary>The kernel's part of a system call ends.</summary>
    public const ushort SyscallTraceEnd = 28;

    /// <summary>The kernel's part of a context switch begins.</summary>
    public const ushort ContextSwitchStart = 34;

    /// <summary>The kernel's part of a context switch ends.</summary>
    public const ushort ContextSwitchEnd = 35;
}

/// <summary>Bits of a file's type (<c>offline_file_type_t</c>).</summary>
[Flags]
internal enum DrFileType : ulong
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Accesses that hit in a cache of the tracer are missing.</summary>
    Filtered = 1,

    /// <summary>There are no data accesses.</summary>
    InstructionsOnly = 4,

    /// <summary>AArch64.</summary>
    Aarch64 = 8,

    /// <summary>32-bit Arm.</summary>
    Arm32 = 16,

    /// <summary>32-bit x86.</summary>
    X86 = 32,

    /// <summary>64-bit x86.</summary>
    X64 = 64,

    /// <summary>Fetches that hit in a cache of the tracer are missing.</summary>
    FetchesFiltered = 128,

    /// <summary>Data accesses that hit in a cache of the tracer are missing.</summary>
    DataFiltered = 256,

    /// <summary>The kernel's part of system calls is in the trace.</summary>
    KernelSyscalls = 0x1000,

    /// <summary>Filtered up to a marker.</summary>
    FilteredWarmUp = 0x2000,

    /// <summary>A file is a core, and not a thread.</summary>
    CoreSharded = 0x10000,

    /// <summary>The whole system was recorded.</summary>
    WholeSystem = 0x40000,

    /// <summary>Bits that name an architecture.</summary>
    Architecture = Aarch64 | Arm32 | X86 | X64,
}
