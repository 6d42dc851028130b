namespace Sim.Validation.Tests;

/// <summary>
/// What docs/rules.md#requests to #shadow-mmu says of one row of the first seed thread's table, worked out by rules that share nothing with the simulator. Both VPID and, if the situation says so, EPT are on in
/// L0; vpid02 is not 0.
/// </summary>
internal sealed class NestedEntryRules(string policy, NestedEntrySituation situation, Seed1Story story)
{
    private bool NoVpid12 => situation.Vpid12 == Vpid12Use.Off;

    /// <summary>last_vpid differs from vpid12 at the entry: "used before" makes no difference to KVM (docs/rules.md#transition-tables).</summary>
    private bool IsNewVpid12 => situation.Vpid12 is Vpid12Use.Changed or Vpid12Use.NewThenOld;

    private bool IsEdit => story == Seed1Story.Edit;

    /// <summary>FLUSH_GUEST without EPT drops all roots of both levels (2.4: 5.14 and 5.15).</summary>
    private bool UnloadsRoots => policy is "kvm-5.14";

    /// <summary>KVM offers EPT only if it uses it itself, so an L1 that enables it anyhow gets no L2.</summary>
    public bool Fails => situation.L1Ept && !situation.L0Ept;

    /// <summary>2.6: nested_vmx_transition_tlb_flush.</summary>
    public string Request => Decision(situation.IsEntry);

    /// <summary>docs/rules.md#flush-functions and #shadow-mmu: what becomes of the request, then of a root that was not cached, then of the sync.</summary>
    public IEnumerable<string> Invalidations
    {
        get
        {
            string current = situation.IsEntry ? "02" : "01";
            string runs = situation.IsEntry && !NoVpid12 ? "02" : "01";
            switch (Request)
            {
                case "TLB_FLUSH":
                    yield return situation.L0Ept ? "INVEPT(all)" : "INVVPID(all)";
                    break;
                case "at once":
                    yield return "INVVPID(vpid02)";
                    break;
                case "FLUSH_CURRENT":
                    yield return situation.L0Ept ? $"INVEPT(eptp{current})" : $"INVVPID(vpid{runs})";
                    break;
                case "FLUSH_GUEST" when situation.L0Ept:
                    // Up to 5.15.6 always vpid01; up to 6.11 vpid02 while L2 is active, used or not (H2).
                    yield return $"INVVPID(vpid{policy switch { "kvm-5.14" => "01", "kvm-5.16" => current, _ => runs }})";
                    break;
                case "FLUSH_GUEST" when UnloadsRoots:
                    // The flush is that of the root load: flush_current, which up to 6.11 names vpid02 while L2 is active.
                    yield return $"INVVPID(vpid{current})";
                    break;
                case "FLUSH_GUEST":
                    yield return $"INVVPID(vpid{(policy == "kvm-5.16" ? current : runs)})";
                    break;
                default:
                    break;
            }

            if (RootIsGone && !(UnloadsRoots && Request == "FLUSH_GUEST"))
            {
                yield return $"INVVPID(vpid{runs})";
            }

            // A sync write-protects the guest's tables again, and flushes remotely for that (docs/rules.md#shadow-mmu): a TLB_FLUSH, unless there is one already.
            if (SyncedPages > 0 && Request != "TLB_FLUSH")
            {
                yield return "INVVPID(all)";
            }
        }
    }

    /// <summary>docs/rules.md#requests, #shadow-mmu: one unsync shadow page, compared by whatever syncs the root that is entered. No shadow of the edited table with EPT in L0.</summary>
    public long SyncedPages => IsEdit && !situation.L0Ept && (Request == "FLUSH_GUEST" || (policy == "kvm-5.8" && NoVpid12) || RootIsGone) ? 1 : 0;

    /// <summary>
    /// 2.12: the edit must be seen if the virtual CPU cannot hold the old translation: without vpid12 each transition drops VPID 0, which is what L1 and then L2 ran under; a vpid12 never used holds
    /// nothing; the others hold what they held.
    /// </summary>
    public long StaleUses => IsEdit && (NoVpid12 || (situation.IsEntry && situation.Vpid12 == Vpid12Use.Changed)) && OldSurvives ? 1 : 0;

    /// <summary>2.12: the same, where it is allowed.</summary>
    public long PermittedOldUses => IsEdit && StaleUses == 0 && OldSurvives ? 1 : 0;

    /// <summary>2.1, H2: L1 and L2 share all tags without EPT in L0 and without vpid12; only an invalidation of vpid01 keeps them apart then.</summary>
    public long ForeignUses => !IsEdit && !situation.L0Ept && NoVpid12 && !Reaches(this, "01") ? 1 : 0;

    /// <summary>
    /// Roots that are looked up, once at least: a root that an unload drops after it was found is looked up again (docs/rules.md#tags-of-l1-and-l2, #requests).
    /// </summary>
    public int RootLookups => !situation.L0Ept && UnloadsRoots && Request == "FLUSH_GUEST" && !WasUnloadedBefore ? 2 : 1;

    private string Decision(bool isEntry) => policy switch
    {
        "always-current" => "FLUSH_CURRENT",
        "always-guest" => "FLUSH_GUEST",
        "never" => "-",
        "kvm-5.8" when NoVpid12 => "TLB_FLUSH",
        _ when NoVpid12 => "FLUSH_GUEST",
        "kvm-5.8" or "kvm-5.14" when isEntry && IsNewVpid12 => "at once",
        _ when isEntry && IsNewVpid12 => "FLUSH_GUEST",
        _ => "-",
    };

    /// <summary>
    /// The root that is entered is not cached. At an exit: the guest flush of the entry before dropped L1's, with all others (unload), or because L1's edit made it unsync (2.8, sync_prev_roots).
    /// </summary>
    private bool RootIsGone => !situation.L0Ept && !situation.IsEntry && Decision(isEntry: true) == "FLUSH_GUEST" && (UnloadsRoots || IsEdit);

    /// <summary>The guest flush of the transition before left no root of the other level.</summary>
    private bool WasUnloadedBefore => NoVpid12 || RootIsGone;

    /// <summary>The old translation can still be found: in the shadow table, or with EPT in the TLB, where this transition or (for an L2 without vpid12, or L1) the one before may have dropped it.</summary>
    private bool OldSurvives
    {
        get
        {
            if (!situation.L0Ept)
            {
                return SyncedPages == 0;
            }

            string tag = situation.IsEntry && !NoVpid12 ? "02" : "01";
            NestedEntryRules before = new(policy, situation with { IsEntry = !situation.IsEntry }, story);
            return !Reaches(this, tag) && !((NoVpid12 || !situation.IsEntry) && Reaches(before, tag));
        }
    }

    /// <summary>The invalidations of a transition reach combined mappings of a VPID under the destination's EP4TA, or its linear ones.</summary>
    private bool Reaches(NestedEntryRules transition, string vpid) => transition.Invalidations.Any(name =>
        name is "INVEPT(all)" or "INVVPID(all)" || name == $"INVVPID(vpid{vpid})" || name == (situation.IsEntry ? "INVEPT(eptp02)" : "INVEPT(eptp01)"));
}
