namespace Sim.Kvm;

/// <summary>Bugs that no shipped kernel has: what a mutant forgets (<see cref="KernelMutants"/>), to see that the safety oracle notices.</summary>
[Flags]
public enum KernelDefects
{
    /// <summary>None: every real kernel.</summary>
    None = 0,

    /// <summary>A vCPU that comes to another physical CPU flushes nothing there (H9).</summary>
    NoFlushOnOtherCpu = 1,

    /// <summary>flush_all with EPT on executes INVVPID all-contexts, so that guest-physical mappings stay (H10).</summary>
    FlushAllByVpid = 2,

    /// <summary>flush_current comes before the new root is loaded, and names the one that was (H11).</summary>
    FlushesCurrentBeforeRootLoad = 4,

    /// <summary>flush_guest executes INVVPID type 3, so that global translations stay (H12).</summary>
    FlushGuestRetainsGlobals = 8,

    /// <summary>flush_all flushes the active context only (H13).</summary>
    FlushAllActiveOnly = 16,

    /// <summary>Loading a root does not sync it.</summary>
    NoSyncOnRootLoad = 32,

    /// <summary>FLUSH_GUEST without EPT does not sync the current root.</summary>
    NoSyncOnGuestFlush = 64,

    /// <summary>FLUSH_GUEST without EPT leaves cached roots as they are (H4).</summary>
    KeepsUnsyncRoots = 128,

    /// <summary>INVLPG and INVPCID of an address do not sync it.</summary>
    NoSyncOnInvlpg = 256,

    /// <summary>MMU_SYNC does nothing.</summary>
    NoSyncOnRequest = 512,

    /// <summary>INVVPID of L1 does nothing.</summary>
    IgnoresInvvpid = 1024,

    /// <summary>A host unmapping raises no request.</summary>
    NoRemoteFlush = 2048,

    /// <summary>flush_gva does nothing.</summary>
    NoAddressFlush = 4096,

    /// <summary>MOV to CR3 and INVPCID of a PCID leave cached roots of it as they are.</summary>
    KeepsRootsOfPcid = 8192,

    /// <summary>A VMCS that was never loaded counts as loaded here (H3).</summary>
    NoFlushOnFirstLoad = 16384,

    /// <summary>flush_all flushes L1's own tag or root only (H14).</summary>
    FlushAllForgetsL2 = 32768,

    /// <summary>INVLPGA of L1 does nothing.</summary>
    IgnoresInvlpga = 65536,

    /// <summary>VMRUN's emulation loses the TLB_CONTROL that is pending for L2's ASID.</summary>
    ClobbersTlbControl = 131072,

    /// <summary>ASIDs of the VM are not flushed where another of its vCPUs ran last.</summary>
    NoFlushAfterSibling = 262144,
}
