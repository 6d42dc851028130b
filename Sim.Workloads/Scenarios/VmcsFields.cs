using Sim.Core.Traces;

namespace Sim.Workloads.Scenarios;

/// <summary>The fields of a vmcs12 (vmcb12) as a scenario writes them: vpid=1 ept=P controls=tpr-shadow.</summary>
internal static class VmcsFields
{
    /// <summary>Takes the words FIELD=VALUE that follow.</summary>
    public static void Set(ScenarioLine line, ScenarioVmcs vmcs, ScenarioDeclarations names, ScenarioRecorder recorder)
    {
        foreach ((string key, string value) in line.Options())
        {
            switch (key)
            {
                case "vpid" or "asid":
                    SetVpid(line, vmcs, value, recorder);
                    break;
                case "ept" or "npt":
                    vmcs.Ept = value == "off" ? null : names.Ept(line, value);
                    vmcs.Controls = Toggle(vmcs.Controls, VmControls.EnableEpt, vmcs.Ept is not null);
                    break;
                case "tlb_control":
                    vmcs.Controls = vmcs.Controls.With(line.Choose(value, "a TLB_CONTROL", ScenarioWords.TlbControls));
                    break;
                case "controls":
                    VmControls kept = vmcs.Controls & (VmControls.EnableVpid | VmControls.EnableEpt | VmControls.TlbControlMask);
                    vmcs.Controls = value == "none" ? kept : value.Split(',').Aggregate(kept, (all, word) => all | line.Choose(word, "a control", ScenarioWords.Controls));
                    break;
                default:
                    throw line.Unknown("a field of a vmcs", key, ["vpid", "ept", "controls", "asid", "npt", "tlb_control"]);
            }
        }
    }

    private static void SetVpid(ScenarioLine line, ScenarioVmcs vmcs, string value, ScenarioRecorder recorder)
    {
        vmcs.Vpid = value switch
        {
            "off" => 0,
            "new" => recorder.LargestVpid + 1,
            _ => (uint)line.Number64(value, "'off', 'new' or a number", ushort.MaxValue),
        };
        recorder.LargestVpid = Math.Max(recorder.LargestVpid, vmcs.Vpid);
        vmcs.Controls = Toggle(vmcs.Controls, VmControls.EnableVpid, value != "off");
    }

    private static VmControls Toggle(VmControls controls, VmControls bit, bool on) => on ? controls | bit : controls & ~bit;
}
