using Sim.Core;

namespace Sim.Kvm;

/// <summary>All vCPUs of a machine, and who has which VPID or ASID.</summary>
/// <param name="spec">The machine.</param>
/// <param name="rules">How the kernel hands out tags.</param>
/// <param name="policy">How many tags an L2 gets.</param>
/// <param name="created">Told of every new vCPU.</param>
internal sealed class VCpus(MachineSpec spec, KernelRules rules, IFlushPolicy policy, Action<VCpu> created)
{
    private readonly SortedDictionary<ushort, VCpu> _vcpus = [];
    private ushort _nextTag = 1;

    /// <summary>Every vCPU named so far, by number.</summary>
    public IEnumerable<VCpu> All => _vcpus.Values;

    /// <summary>The vCPU with this number; made, with the tags that the kernel gives it, when it is first named.</summary>
    /// <exception cref="Core.ConfigurationException">The profile has no tag left for it.</exception>
    public VCpu Of(ushort id)
    {
        if (!_vcpus.TryGetValue(id, out VCpu? vcpu))
        {
            vcpu = rules.Tags switch
            {
                TagAllocation.PerCpu => new VCpu(id, 0, new L2Tags()),
                TagAllocation.PerVm when _vcpus.Count > 0 => new VCpu(id, _vcpus.Values.First().Vpid01, new L2Tags(_vcpus.Values.First().Tags.All)),
                _ => WithTagsOfItsOwn(id),
            };
            _vcpus.Add(id, vcpu);
            created(vcpu);
        }

        return vcpu;
    }

    /// <summary>The vCPU that entered last on a CPU; vCPU 0 before the first entry.</summary>
    public VCpu RunningOn(Lane lane) => lane.Vcpu ?? Of(0);

    /// <summary>KVM's name for a tag: 01 or 02, with the slot of a pool and the vCPU if it is not 0.</summary>
    public string NameOfTag(ushort tag)
    {
        foreach (VCpu vcpu in _vcpus.Values)
        {
            string owner = vcpu.Id == 0 ? "" : $"(v{vcpu.Id})";
            int slot = vcpu.Tags.All.TakeWhile(other => other != tag).Count();
            if (tag == vcpu.Vpid01 || slot < vcpu.Tags.All.Count)
            {
                return (tag == vcpu.Vpid01 ? "01" : slot == 0 ? "02" : $"02.{slot}") + owner;
            }
        }

        return $"-{tag}";
    }

    /// <summary>VPIDs or ASIDs that nobody has; 0 is the host's. An L2 that gets none shares L1's (vpid02 = 0).</summary>
    private int TagsLeft => spec.Profile.AddressSpaceIds - _nextTag;

    private VCpu WithTagsOfItsOwn(ushort id)
    {
        if (spec.L0Vpid && TagsLeft == 0)
        {
            throw new ConfigurationException(
                $"The trace's vCPU {id} finds no VPID or ASID left of the profile's {spec.Profile.AddressSpaceIds} (address_space_ids). Give the profile more.");
        }

        ushort vpid01 = spec.L0Vpid ? _nextTag++ : (ushort)0;
        int wanted = spec.L0Vpid && rules.OffersVpid ? policy.L2Tags(spec.Vpid02Pool) : 0;
        return new VCpu(id, vpid01, new L2Tags(Enumerable.Range(0, Math.Min(wanted, TagsLeft)).Select(_ => _nextTag++).ToArray()));
    }
}
