using Sim.Core.Traces;

namespace Sim.Workloads.Importers;

/// <summary>
/// The transitions between accesses of which only the level is known: the shortest way that an L1 vCPU, one per lane, can go under VMX. Their reasons, vmcs12, VPID12 and EPTP12 are made up.
/// </summary>
/// <param name="vcpu">The vCPU.</param>
internal sealed class LevelChanges(ushort vcpu)
{
    /// <summary>Most events of one change.</summary>
    public const int MostEvents = 5;

    private const uint Cpuid = 10;
    private const uint Vmlaunch = 20;
    private const uint Vmresume = 24;
    private const ulong Vmcs12 = 0x1000;
    private const ulong Eptp12 = 0x2000 | 0x1E;

    private byte _level;
    private bool _inL2;
    private bool _hasRun;

    /// <summary>Appends what leads from the level that runs to another.</summary>
    public void Move(TraceBlock block, ulong time, byte to)
    {
        if (to == _level)
        {
            return;
        }

        if (_level == 1)
        {
            block.AddEvent(TraceEvent.VmExit(time, TransitionKind.L1ToL0, vcpu, Vmresume));
        }
        else if (_level == 2)
        {
            block.AddEvent(TraceEvent.VmExit(time, TransitionKind.L2ToL0, vcpu, Cpuid));
        }

        if (to == 1)
        {
            if (_inL2)
            {
                block.AddEvent(TraceEvent.VmExit(time, TransitionKind.L2ToL1, vcpu, Cpuid));
                _inL2 = false;
            }

            block.AddEvent(TraceEvent.VmEnter(time, TransitionKind.L0ToL1, vcpu));
        }
        else if (to == 2)
        {
            if (!_hasRun)
            {
                block.AddEvent(TraceEvent.VmEnter(time, TransitionKind.L0ToL1, vcpu));
                block.AddEvent(TraceEvent.VmExit(time, TransitionKind.L1ToL0, vcpu, Vmlaunch));
            }

            if (!_inL2)
            {
                block.AddEvent(TraceEvent.NestedEnter(time, vcpu, Vmcs12, VmControls.EnableVpid | VmControls.EnableEpt, 1, Eptp12));
                _inL2 = true;
            }

            block.AddEvent(TraceEvent.VmEnter(time, TransitionKind.L0ToL2, vcpu));
        }

        _hasRun |= to > 0;
        _level = to;
    }
}
