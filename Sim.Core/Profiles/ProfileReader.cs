using System.Numerics;
using Sim.Core.Configuration;

namespace Sim.Core.Profiles;

/// <summary>Reads CPU profiles: strict JSON in lower snake case, every number, flag and null with its source beside it.</summary>
public static class ProfileReader
{
    /// <summary>Most cycles that any one operation may cost.</summary>
    public const int MaximumCycles = 100_000_000;

    private const int MaximumEntries = 1 << 20;

    private static readonly (string, Vendor)[] Vendors = [("intel", Vendor.Intel), ("amd", Vendor.Amd)];
    private static readonly (string, AccessSides)[] Sides = [("load", AccessSides.Load), ("store", AccessSides.Store), ("fetch", AccessSides.Fetch)];
    private static readonly (string, IndexHash)[] Hashes = [("linear", IndexHash.Linear), ("xor", IndexHash.Xor)];
    private static readonly (string, InvalidationPrecision)[] Precisions = [("exact", InvalidationPrecision.Exact), ("coarse", InvalidationPrecision.Coarse)];

    /// <summary>The words of page sizes: 4K, 2M, 1G.</summary>
    public static IReadOnlyList<(string Word, PageSize Size)> PageSizes { get; } = [("4K", PageSize.Size4K), ("2M", PageSize.Size2M), ("1G", PageSize.Size1G)];

    /// <summary>Reads and checks one profile.</summary>
    /// <param name="path">Path of the JSON file.</param>
    /// <param name="replacements">Names of the replacement rules that exist.</param>
    /// <exception cref="ConfigurationException">Anything is wrong; the message has all errors, with line and path.</exception>
    public static CpuProfile Read(string path, IReadOnlyCollection<string> replacements)
    {
        List<string> errors = [];
        SettingsReader root = new(Parse(path, path, errors), errors);
        CpuProfile profile = Bind(root, replacements);
        root.Close();
        SettingsReader.ThrowIfAny($"Profile {path}", errors);
        return profile;
    }

    /// <summary>Reads the file as a settings tree and checks that every number, flag and null has a source. No other checks: see <see cref="Bind"/>.</summary>
    /// <param name="path">Path of the JSON file.</param>
    /// <param name="name">How origins and errors name it.</param>
    /// <param name="errors">Receives what is wrong although the JSON can be read.</param>
    /// <exception cref="ConfigurationException">The file cannot be read or is no JSON.</exception>
    public static SettingsNode Parse(string path, string name, ICollection<string> errors)
    {
        SettingsNode root = SettingsNode.ParseFile(path, name, errors);
        foreach (SettingsNode leaf in root.Leaves())
        {
            if (leaf.Kind != SettingsKind.Text && string.IsNullOrWhiteSpace(leaf.Source))
            {
                errors.Add($"{leaf.Origin}: {leaf.Path}: expected {{ \"value\": {leaf.Text}, \"source\": \"...\" }}, found {leaf.Text} without a source. Say where it is from, or 'assumed: reason'.");
            }
        }

        return root;
    }

    /// <summary>Reads the members of a profile out of an object that may have others; <see cref="SettingsReader.Close"/> is the caller's.</summary>
    /// <param name="root">The object.</param>
    /// <param name="replacements">Names of the replacement rules that exist.</param>
    public static CpuProfile Bind(SettingsReader root, IReadOnlyCollection<string> replacements)
    {
        CpuProfile profile = new()
        {
            Name = root.Text("name"),
            Summary = root.Text("summary"),
            Vendor = root.Choice("vendor", Vendors),
            ReferenceKilohertz = root.Integer("reference_kilohertz", 1, 100_000_000),
            BoostKilohertz = root.Has("boost_kilohertz") ? root.Integer("boost_kilohertz", 1, 100_000_000) : null,
            FirstLevel = [.. root.Objects("first_level").Select(array => Structure(array, replacements))],
            SecondLevel = [.. root.Objects("second_level").Select(array => Structure(array, replacements))],
            SecondLevelIsInclusive = root.Flag("second_level_is_inclusive"),
            IpiVirtualization = root.OptionalFlag("ipi_virtualization"),
            FiveLevelEpt = root.OptionalFlag("five_level_ept"),
            X2Avic = root.OptionalFlag("x2avic"),
            SecondLevelHitCycles = Cycles(root, "second_level_hit_cycles"),
            WalkStartCycles = Cycles(root, "walk_start_cycles"),
            Psc = Psc(root, "psc"),
            GuestPhysicalPsc = Psc(root, "guest_physical_psc"),
            GuestPhysicalEntries = (int)root.Integer("guest_physical_entries", 0, MaximumEntries),
            PteLineCaches = [.. root.Objects("pte_line_caches").Select(LineCache)],
            MemoryCycles = Cycles(root, "memory_cycles"),
            Precision = root.Choice("precision", Precisions),
            AddressSpaceIds = (int)root.Integer("address_space_ids", 2, 65_536),
            FlushByAsid = root.Flag("flush_by_asid"),
            Costs = Costs(root.Object("costs")),
            InterruptCosts = InterruptCosts(root.Object("interrupt_costs")),
            RoundTrips = root.Has("round_trips") ? RoundTrips(root.Object("round_trips")) : new Dictionary<int, RoundTripCosts>(),
            Sources = root.Sources(),
        };
        if (profile.BoostKilohertz is { } boost && boost < profile.ReferenceKilohertz)
        {
            root.Report("boost_kilohertz", $"is below the reference clock's {profile.ReferenceKilohertz}");
        }

        CheckHomes(root, profile);
        CheckLatencies(root, profile);
        return profile;
    }

    private static SortedDictionary<int, RoundTripCosts> RoundTrips(SettingsReader reader)
    {
        SortedDictionary<int, RoundTripCosts> levels = [];
        foreach (int level in new[] { 1, 2 })
        {
            if (reader.Has($"l{level}"))
            {
                levels.Add(level, Level(reader.Object($"l{level}")));
            }
        }

        reader.Close();
        return levels;
    }

    private static RoundTripCosts Level(SettingsReader level)
    {
        SortedDictionary<RoundTripReason, RoundTripCost> costs = [];
        RoundTripCosts result = new(level.Text("kernel"), costs);
        foreach ((string word, RoundTripReason reason) in RoundTripReasons.Words)
        {
            if (level.Has(word))
            {
                SettingsReader cost = level.Object(word);
                (long least, long most) = (cost.Integer("least", 1, MaximumCycles), cost.Integer("most", 1, MaximumCycles));
                if (most < least)
                {
                    cost.Report("most", $"is below the {least} of 'least'");
                }

                cost.Close();
                string[] sources = [.. cost.Sources().Values];
                costs.Add(reason, new RoundTripCost(least, most, Array.Find(sources, source => source.StartsWith("assumed", StringComparison.Ordinal)) ?? sources[0]));
            }
        }

        level.Close();
        return result;
    }

    private static TlbStructure Structure(SettingsReader array, IReadOnlyCollection<string> replacements)
    {
        IReadOnlyList<AccessSides> sides = array.Choices("sides", Sides);
        TlbStructure structure = new(
            array.Text("name"),
            sides.Aggregate(AccessSides.None, (all, side) => all | side),
            array.Choices("sizes", PageSizes),
            (int)array.Integer("sets", 1, MaximumEntries),
            (int)array.Integer("ways", 1, 1024),
            array.Choice("index", Hashes),
            array.Text("replacement"),
            array.OptionalInteger("kept_pcids", 0, 4096),
            array.OptionalInteger("kept_vpids", 0, 65_536));
        array.Close();

        if (sides.Distinct().Count() != sides.Count)
        {
            array.Report("sides", "names a side twice");
        }

        if (structure.Sizes.Distinct().Count() != structure.Sizes.Count)
        {
            array.Report("sizes", "names a size twice");
        }

        if ((long)structure.Sets * structure.Ways > MaximumEntries)
        {
            array.Report("sets", $"{structure.Sets} sets of {structure.Ways} ways are more than {MaximumEntries} entries");
        }

        if (structure.Index == IndexHash.Xor && !BitOperations.IsPow2(structure.Sets))
        {
            array.Report("sets", $"the xor index needs a power of two sets, found {structure.Sets}");
        }

        if (!replacements.Contains(structure.Replacement))
        {
            array.Report("replacement", NearestNames.Unknown("replacement rule", structure.Replacement, replacements));
        }

        if (structure.Replacement == "tree-plru" && !BitOperations.IsPow2(structure.Ways))
        {
            array.Report("ways", $"tree-plru needs a power of two ways, found {structure.Ways}. Choose another rule with it, as in --set {array.PathOf("replacement")}=lru");
        }

        if (structure.Replacement == "plru4-mru3" && structure.Ways != 12)
        {
            array.Report("ways", $"plru4-mru3 is a rule for 12 ways (three groups of four), found {structure.Ways}. Choose another rule with it, as in --set {array.PathOf("replacement")}=lru");
        }

        return structure;
    }

    private static PscGeometry Psc(SettingsReader root, string name)
    {
        SettingsReader psc = root.Object(name);
        PscGeometry geometry = new(Entries(psc, "pml5e"), Entries(psc, "pml4e"), Entries(psc, "pdpte"), Entries(psc, "pde"));
        psc.Close();
        return geometry;
    }

    private static PteLineCache LineCache(SettingsReader cache)
    {
        PteLineCache made = new(cache.Text("name"), (int)cache.Integer("lines", 1, 1 << 26), Cycles(cache, "cycles"));
        cache.Close();
        return made;
    }

    private static OperationCosts Costs(SettingsReader costs)
    {
        OperationCosts made = new()
        {
            VmEntry = Cycles(costs, "vm_entry"),
            VmExit = Cycles(costs, "vm_exit"),
            KvmExitHandling = Cycles(costs, "kvm_exit_handling"),
            KvmNestedEntry = Cycles(costs, "kvm_nested_entry"),
            KvmNestedExit = Cycles(costs, "kvm_nested_exit"),
            Vmptrld = Cycles(costs, "vmptrld"),
            MovToCr3 = Cycles(costs, "mov_to_cr3"),
            MovToCr3NoFlush = Cycles(costs, "mov_to_cr3_no_flush"),
            MovToCr4 = Cycles(costs, "mov_to_cr4"),
            Invlpg = Cycles(costs, "invlpg"),
            InvpcidSingle = Cycles(costs, "invpcid_single"),
            InvpcidAll = Cycles(costs, "invpcid_all"),
            InvvpidAddress = Cycles(costs, "invvpid_address"),
            InvvpidSingle = Cycles(costs, "invvpid_single"),
            InvvpidAll = Cycles(costs, "invvpid_all"),
            InveptSingle = Cycles(costs, "invept_single"),
            InveptGlobal = Cycles(costs, "invept_global"),
            TlbControlAsid = Cycles(costs, "tlb_control_asid"),
            TlbControlAll = Cycles(costs, "tlb_control_all"),
            KvmRootLookup = Cycles(costs, "kvm_root_lookup"),
            KvmSyncPage = Cycles(costs, "kvm_sync_page"),
        };
        costs.Close();
        return made;
    }

    private static InterruptCosts InterruptCosts(SettingsReader costs)
    {
        InterruptCosts made = new()
        {
            Ipi = Cycles(costs, "ipi"),
            Doorbell = Cycles(costs, "doorbell"),
            IcrFence = Cycles(costs, "icr_fence"),
            SharedLine = Cycles(costs, "shared_line"),
            PostedInterruptProcessing = Cycles(costs, "posted_interrupt_processing"),
            Delivery = Cycles(costs, "delivery"),
            VirtualEoi = Cycles(costs, "virtual_eoi"),
            KvmIcrWrite = Cycles(costs, "kvm_icr_write"),
            KvmApicMmio = Cycles(costs, "kvm_apic_mmio"),
            KvmHostIpi = Cycles(costs, "kvm_host_ipi"),
            KvmIrqfd = Cycles(costs, "kvm_irqfd"),
            KvmInjection = Cycles(costs, "kvm_injection"),
            KvmWakeUp = Cycles(costs, "kvm_wake_up"),
            KvmContextSwitch = Cycles(costs, "kvm_context_switch"),
            KvmApicvUpdate = Cycles(costs, "kvm_apicv_update"),
            KvmIrteUpdate = Cycles(costs, "kvm_irte_update"),
            KvmGaLog = Cycles(costs, "kvm_ga_log"),
        };
        costs.Close();
        return made;
    }

    /// <summary>A page must have one home in the first level for each side, and at most two in the second.</summary>
    private static void CheckHomes(SettingsReader root, CpuProfile profile)
    {
        foreach ((string side, AccessSides flag) in Sides)
        {
            foreach ((string word, PageSize size) in PageSizes)
            {
                int first = profile.FirstLevel.Count(array => array.Sides.HasFlag(flag) && array.Sizes.Contains(size));
                if (first != 1)
                {
                    root.Report("first_level", $"expected one array for a {side} of a {word} page, found {first}");
                }

                int second = profile.SecondLevel.Count(array => array.Sides.HasFlag(flag) && array.Sizes.Contains(size));
                if (second > 2)
                {
                    root.Report("second_level", $"expected at most two arrays for a {side} of a {word} page, found {second}");
                }
            }
        }

        foreach (IGrouping<string, TlbStructure> twins in profile.FirstLevel.Concat(profile.SecondLevel).GroupBy(array => array.Name, StringComparer.Ordinal).Where(group => group.Count() > 1))
        {
            root.Report("first_level", $"two arrays are called '{twins.Key}'");
        }
    }

    private static void CheckLatencies(SettingsReader root, CpuProfile profile)
    {
        int nearer = 0;
        foreach (PteLineCache cache in profile.PteLineCaches.Append(new PteLineCache("memory", 1, profile.MemoryCycles)))
        {
            if (cache.Cycles < nearer)
            {
                root.Report("pte_line_caches", $"'{cache.Name}' takes {cache.Cycles} cycles, fewer than the {nearer} of the cache before it; list the nearest first");
            }

            nearer = cache.Cycles;
        }
    }

    private static int Entries(SettingsReader reader, string name) => (int)reader.Integer(name, 0, MaximumEntries);

    private static int Cycles(SettingsReader reader, string name) => (int)reader.Integer(name, 0, MaximumCycles);
}
