using System.Collections.Concurrent;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Kvm;

/// <summary>What a set of dated rules makes of the kernel around a policy, and of the policy: a kernel is the rules that it has.</summary>
internal static class KernelComposition
{
    private const Cr4Bits NarrowRole = Cr4Bits.Pse | Cr4Bits.Pae | Cr4Bits.La57 | Cr4Bits.Smep | Cr4Bits.Smap | Cr4Bits.Pke;
    private const Cr4Bits WideRole = Cr4Bits.Pge | Cr4Bits.Pse | Cr4Bits.Pae | Cr4Bits.Smep | Cr4Bits.Smap | Cr4Bits.Pke;

    private static readonly ConcurrentDictionary<(Vendor Vendor, string Version), KernelRules> Composed = new();

    /// <summary>The rules of a release of mainline or of a stable series, for the policies that are files. What is not known of it counts as absent.</summary>
    public static KernelRules Of(Vendor vendor, string version) => Composed.GetOrAdd((vendor, version), static key =>
    {
        KernelVersion release = KernelVersion.Parse(key.Version);
        return Rules(key.Vendor, id => Has(release, id));
    });

    /// <summary>Whether a kernel has a rule, as far as is known.</summary>
    public static bool Has(KernelVersion release, string id) => KernelTable.Shipped.Find(id)!.In(release).IsPresent();

    /// <summary>The kernel with these rules.</summary>
    public static KernelRules Rules(Vendor vendor, Func<string, bool> has)
    {
        KernelRules common = new()
        {
            UnloadsWhenPcidIsEnabled = has("M3"),
            FreesRootsWithoutPcids = has("M4"),
            Cr4BitsThatResetMmu = has("M5") ? NarrowRole : WideRole,
            ResetsMmuOnPcideCleared = !has("M5"),
            RequestsFlushesOnCr4 = has("M6"),
            UnloadsOnInvpcidAll = !has("M8"),
            FlushesGuestOnSetSregs = has("M12"),
            ReloadDropsAllRoots = has("R3"),
            FlushesOnShadowedWrite = has("R4"),
            ShadowGuestFlush = has("M1b") ? ShadowGuestFlush.Sync : has("M1a") ? ShadowGuestFlush.Unload : ShadowGuestFlush.HardwareOnly,
        };
        return vendor == Vendor.Intel ? Vmx(common, has) : Svm(common, has);
    }

    /// <summary>What the kernel with these rules decides at a nested transition.</summary>
    public static Action<NestedTransition, FlushDecision> Decisions(Vendor vendor, Func<string, bool> has)
    {
        if (vendor == Vendor.Amd)
        {
            return has("S2") ? Decide(new Nsvm58()) : Decide(new Nsvm510());
        }

        if (!has("V3"))
        {
            return Decide(has("V2") ? new Kvm420() : has("V1") ? new Kvm44() : new Kvm42());
        }

        (bool isGuestFlush, bool newVpid12IsGuestFlush, bool half) = (has("V4b"), has("V5"), has("V4c"));
        return (isGuestFlush, newVpid12IsGuestFlush, half) switch
        {
            (true, true, _) => Decide(new Kvm516()),
            (true, false, _) => Decide(new Kvm514()),
            (false, false, false) => Decide(new Kvm58()),
            _ => (transition, decision) => FlushWithoutVpid12.Decide(transition, decision, half, newVpid12IsGuestFlush),
        };

        static Action<NestedTransition, FlushDecision> Decide(IFlushPolicy policy) => (transition, decision) => policy.OnTransition(transition, decision);
    }

    private static KernelRules Vmx(KernelRules common, Func<string, bool> has)
    {
        bool three = has("V3");
        return common with
        {
            OffersVpid = has("V1"),
            L2HasOwnDirectRoot = has("V2"),
            RootSwitch = three ? RootSwitch.Cached : has("V2") ? RootSwitch.CachedAndFlush : RootSwitch.ReloadAndFlush,
            Primitive = three ? FlushPrimitive.ByRequest : has("V2") ? FlushPrimitive.ActiveEptpElseVpid01 : FlushPrimitive.Vpid01AndActiveEptp,
            FlushCurrentVpid = !three || has("V8") ? CurrentVpid.Vpid02IfVpid12 : CurrentVpid.Vpid02InGuestMode,
            FlushGuestVpid = !three ? CurrentVpid.Vpid02IfVpid12 : !has("V7") ? CurrentVpid.Vpid01 : has("V8") ? CurrentVpid.Vpid02IfVpid12 : CurrentVpid.Vpid02InGuestMode,
            ServicesCurrentBeforeSwitch = three,
            ServicesGuestBeforeSwitch = has("V6"),
            ServicesRequestsOnFailedEntry = has("V10"),
            ShadowGuestFlush = three ? common.ShadowGuestFlush : ShadowGuestFlush.Sync,
            Invvpid = !has("V1") ? InvvpidEmulation.NotOffered
                : three ? has("V12") ? InvvpidEmulation.FlushVpid02FreeGuestRoots : InvvpidEmulation.FlushVpid02FreeRoots
                : has("V2") ? InvvpidEmulation.FlushVpid02 : InvvpidEmulation.FlushVpid02AndEptp,
            InvvpidOnVmcs02Cpu = has("V11"),
            ForgetsVpid12AtVmxon = has("V9"),
            Invept = three ? InveptEmulation.FreeRoots : has("I1") ? InveptEmulation.Nothing : InveptEmulation.SyncAndFlush,
            ZapsReflectedAddress = has("R1"),
            FlushesProtectedMapping = has("R2"),
            SyncsRootWithoutVpid12 = has("M2"),
        };
    }

    private static KernelRules Svm(KernelRules common, Func<string, bool> has) => common with
    {
        Primitive = FlushPrimitive.Asid,
        Tags = TagAllocation.PerCpu,
        RootSwitch = has("S2") ? RootSwitch.Cached : RootSwitch.CachedAndFlush,
        FlushesOnPgeChange = has("S3"),
        HasOneVmcb = !has("S1"),
        AddressFlushTakesAsid = has("S7"),
        FreesRootsAtVmptrld = false,
        ServicesCurrentBeforeSwitch = has("S9"),
        ServicesGuestBeforeSwitch = has("S9"),
        BumpsAsidGenerationAtOnline = has("S4"),
        RenewsBothAsids = has("S5"),
        KeepsFlushOfFailedRun = has("S6"),
        FlushesOnForcedLeave = has("S8"),
        FlushesOnXAvic = has("A3x"),
        FlushesOnX2Avic = has("A3"),
    };
}
