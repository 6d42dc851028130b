using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>All vCPUs of a machine, and who has which VPID or ASID.</summary>
/// <param name="spec">The machine.</param>
/// <param name="rules">How the kernel hands out tags.</param>
/// <param name="policy">How many tags an L2 gets.</param>
/// <param name="vcpuOf">Gives the vCPU with a number that is named for the first time.</param>
/// <param name="created">Told of every new vCPU.</param>
internal sealed class Vcpus(MachineSpec spec, KernelRules rules, IFlushPolicy policy, Func<ushort, Vcpu> vcpuOf, Action<Vcpu> created)
{
    private readonly SortedDictionary<ushort, Vcpu> _vcpus = [];
    private readonly SortedSet<ushort> _freedTags = [];
    private ushort _nextTag = 1;

    /// <summary>Every vCPU named so far, by number.</summary>
    public IEnumerable<Vcpu> All => _vcpus.Values;

    /// <summary>The vCPU with this number; made, with the tags that the kernel gives it, when it is first named.</summary>
    /// <exception cref="Core.ConfigurationException">AMD: the profile has no ASID left for it. On Intel it runs without VPID.</exception>
    public Vcpu Of(ushort id)
    {
        if (!_vcpus.TryGetValue(id, out Vcpu? vcpu))
        {
            (ushort vpid01, L2Tags tags) = rules.Tags switch
            {
                TagAllocation.PerCpu => ((ushort)0, new L2Tags()),
                TagAllocation.PerVm when _vcpus.Count > 0 => (_vcpus.Values.First().Vpid01, new L2Tags(_vcpus.Values.First().Tags.All)),
                _ => TagsOfItsOwn(id),
            };
            vcpu = vcpuOf(id);
            vcpu.Create(id, vpid01, tags, rules.HasOneVmcb);
            _vcpus.Add(id, vcpu);
            created(vcpu);
        }

        return vcpu;
    }

    /// <summary>The thread of a vCPU comes to a CPU that is in L0: what L0 does there now is for it.</summary>
    public void ComesTo(Lane lane, ushort id)
    {
        if (lane.Level == 0 && _vcpus.TryGetValue(id, out Vcpu? vcpu))
        {
            lane.Vcpu = vcpu;
        }
    }

    /// <summary>The vCPU that entered last on a CPU, or came to it since; vCPU 0 before the first entry.</summary>
    public Vcpu RunningOn(Lane lane) => lane.Vcpu ?? Of(0);

    /// <summary>
    /// handle_vmxon, enter_vmx_operation: vmcs02 is a new one that no CPU has loaded, and L2 gets VPIDs if it gave them back. VPIDs are not flushed when they change hands.
    /// </summary>
    public void EnterVmxOperation(Vcpu vcpu)
    {
        vcpu.Vmcs02.LoadedOn = -1;
        if (!vcpu.Tags.Any)
        {
            vcpu.Tags.Take(TakeTagsOfL2());
        }

        if (rules.ForgetsVpid12AtVmxon)
        {
            vcpu.Tags.Forget();
        }
    }

    /// <summary>handle_vmxoff, free_nested: vpid02 is free for others, and the roots of nested EPT go. last_vpid stays.</summary>
    public void LeaveVmxOperation(Vcpu vcpu)
    {
        _freedTags.UnionWith(vcpu.Tags.All);
        vcpu.Tags.Release();
        vcpu.GuestMmu.Free(_ => true);
    }

    /// <summary>KVM's name for a tag: 01 or 02, with the slot of a pool and the vCPU if it is not 0.</summary>
    public string NameOfTag(ushort tag)
    {
        foreach (Vcpu vcpu in _vcpus.Values)
        {
            string owner = vcpu.Number == 0 ? "" : $"(v{vcpu.Number})";
            int slot = vcpu.Tags.All.TakeWhile(other => other != tag).Count();
            if (tag == vcpu.Vpid01 || slot < vcpu.Tags.All.Count)
            {
                return (tag == vcpu.Vpid01 ? "01" : slot == 0 ? "02" : $"02.{slot}") + owner;
            }
        }

        return $"-{tag}";
    }

    /// <summary>VPIDs or ASIDs that nobody has; 0 is the host's. An L2 that gets none shares L1's (vpid02 = 0).</summary>
    private int TagsLeft => spec.Profile.AddressSpaceIds - _nextTag + _freedTags.Count;

    private (ushort Vpid01, L2Tags Tags) TagsOfItsOwn(ushort id)
    {
        if (spec.L0Vpid && TagsLeft == 0)
        {
            // allocate_vpid: 0, and vmx_secondary_exec_control clears ENABLE_VPID. An ASID of 0 is no guest's.
            return spec.Profile.Vendor == Vendor.Intel
                ? ((ushort)0, new L2Tags())
                : throw new ConfigurationException($"The trace's vCPU {id} finds no ASID left of the profile's {spec.Profile.AddressSpaceIds} (address_space_ids). Give the profile more.");
        }

        return (spec.L0Vpid ? TakeTag() : (ushort)0, new L2Tags(TakeTagsOfL2()));
    }

    private ushort[] TakeTagsOfL2()
    {
        int wanted = spec.L0Vpid && rules.OffersVpid ? policy.L2Tags(spec.Vpid02Pool) : 0;
        return [.. Enumerable.Range(0, Math.Min(wanted, TagsLeft)).Select(_ => TakeTag())];
    }

    /// <summary>allocate_vpid: the lowest number that is free.</summary>
    private ushort TakeTag()
    {
        if (_freedTags.Count == 0)
        {
            return _nextTag++;
        }

        ushort freed = _freedTags.Min;
        _freedTags.Remove(freed);
        return freed;
    }
}
