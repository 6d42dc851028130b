using Sim.Core.Traces;

namespace Sim.Workloads.Scenarios;

/// <summary>One or several consecutive 4 KiB pages of linear memory.</summary>
internal sealed record ScenarioPages(ulong Address, int Count)
{
    public const ulong Bytes = 4096;

    /// <summary>Upper-half pages belong to the kernel, which all processes share.</summary>
    public bool IsKernel => Address >> 63 != 0;
}

/// <summary>An address space that CR3 can name.</summary>
internal sealed record ScenarioProcess(ulong Root, ushort Pcid);

/// <summary>An EPT12 (NPT12) by its EPTP (nested CR3).</summary>
internal sealed record ScenarioEpt(string Name, ulong Eptp)
{
    /// <summary>The table without the EPTP's format bits.</summary>
    public ulong Root => Eptp & ~0xFFFul;
}

/// <summary>A vmcs12 (vmcb12) with what its fields say now, and its L2's control registers.</summary>
internal sealed class ScenarioVmcs(string name, ulong address)
{
    public string Name { get; } = name;

    public ulong Address { get; } = address;

    public VmControls Controls { get; set; }

    public uint Vpid { get; set; }

    public ScenarioEpt? Ept { get; set; }

    public ScenarioRegisters L2 { get; } = new();
}

/// <summary>Control registers of one guest.</summary>
internal sealed class ScenarioRegisters
{
    public ulong Root { get; set; }

    public Cr4Bits Cr4 { get; set; } = Cr4Bits.Pae | Cr4Bits.Pge;
}

/// <summary>A virtual CPU of L1 and where it is.</summary>
internal sealed class ScenarioVcpu(string name, ushort id, int lane)
{
    public string Name { get; } = name;

    public ushort Id { get; } = id;

    public int Lane { get; set; } = lane;

    public bool HasRun { get; set; }

    public bool InL2 { get; set; }

    /// <summary>The vmcs12 entered last.</summary>
    public ScenarioVmcs? Vmcs { get; set; }

    public ScenarioRegisters L1 { get; } = new();

    public int Level => InL2 ? 2 : 1;
}
