namespace Sim.Core.Architecture;

/// <summary>Encodings of VMCS fields (SDM vol. 3, appendix B).</summary>
public enum VmcsField : ulong
{
    /// <summary>Virtual-processor identifier.</summary>
    Vpid = 0x0,

    /// <summary>EPT pointer.</summary>
    Eptp = 0x201A,

    /// <summary>VMCS link pointer.</summary>
    LinkPointer = 0x2800,

    /// <summary>Secondary processor-based VM-execution controls.</summary>
    SecondaryControls = 0x401E,
}

/// <summary>Secondary processor-based VM-execution controls (SDM vol. 3, "Processor-Based VM-Execution Controls"), those that the simulator knows.</summary>
[Flags]
public enum SecondaryControls : ulong
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Enable EPT.</summary>
    EnableEpt = 1 << 1,

    /// <summary>Enable VPID.</summary>
    EnableVpid = 1 << 5,
}

/// <summary>Exit qualification of an EPT violation (SDM vol. 3, "Exit Qualification for EPT Violations").</summary>
[Flags]
public enum EptViolationQualification : ulong
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>The access was a write.</summary>
    WriteAccess = 1 << 1,

    /// <summary>What the EPT allowed: reading, writing, executing. None of them means that no translation was there.</summary>
    Present = 7 << 3,
}

/// <summary>Error code of a page fault, also of the nested page fault (APM vol. 2, "Page-Fault Error Code"; SVM's EXITINFO1).</summary>
[Flags]
public enum PageFaultCode : ulong
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>A translation was there, and forbade the access.</summary>
    Present = 1 << 0,

    /// <summary>The access was a write.</summary>
    Write = 1 << 1,

    /// <summary>A reserved bit was set: KVM marks its MMIO entries with one.</summary>
    Reserved = 1 << 3,
}

/// <summary>Interruption information of VMX, which SVM's EVENTINJ has in the same places (SDM vol. 3, "Event Injection").</summary>
[Flags]
public enum InterruptionInfo : ulong
{
    /// <summary>An external interrupt, not valid.</summary>
    None = 0,

    /// <summary>The vector.</summary>
    Vector = 0xFF,

    /// <summary>The type: 0 is an external interrupt.</summary>
    Type = 7 << 8,

    /// <summary>The field means something.</summary>
    Valid = 1UL << 31,
}

/// <summary>Whose exit KVM's tracepoints tell (KVM_ISA_VMX, KVM_ISA_SVM).</summary>
public enum KvmIsa : ulong
{
    /// <summary>Not known.</summary>
    None = 0,

    /// <summary>VMX.</summary>
    Vmx = 1,

    /// <summary>SVM.</summary>
    Svm = 2,
}
