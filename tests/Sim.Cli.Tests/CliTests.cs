using System.Diagnostics;
using System.Text.RegularExpressions;
using Sim.Reports.Results;

namespace Sim.Cli.Tests;

/// <summary>The command in-process: exit codes, streams, files.</summary>
public sealed partial class CliTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Without_arguments_it_shows_two_commands_to_try()
    {
        (int code, string output, string error) = Run();

        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Does.Contain("nestsim compare traces/nested-sort.nst.gz").And.Contain("nestsim list policies"));
    }

    [TestCase("--help", "help.txt")]
    [TestCase("compare --help", "help-compare.txt")]
    [TestCase("config show --help", "help-config-show.txt")]
    [TestCase("interrupts --help", "help-interrupts.txt")]
    [TestCase("report --help", "help-report.txt")]
    [TestCase("trace --help", "help-trace.txt")]
    [TestCase("validate seed-1 --help", "help-validate-seed-1.txt")]
    [TestCase("trace cut --help", "help-trace-cut.txt")]
    [TestCase("trace events --help", "help-trace-events.txt")]
    [TestCase("trace lift --help", "help-trace-lift.txt")]
    [TestCase("validate seed-1", "seed-1.txt")]
    [TestCase("config show --profile zen-4", "config-show-zen-4.txt")]
    [TestCase("config show --profile skylake-sp", "config-show-skylake-sp.txt")]
    public void Help_resolved_profiles_and_the_table_of_seed_1_are_the_golden_text(string command, string golden)
    {
        (int code, string output, string error) = Run(command.Split(' '));

        Assert.That((code, error), Is.EqualTo((0, "")));
        Golden.Check(golden, output.Replace("testhost", "nestsim", StringComparison.Ordinal));
    }

    [Test]
    public void The_page_on_seed_1_shows_what_the_command_prints()
    {
        string page = File.ReadAllText(RepositoryFolder.Of("docs", "seed-1.md"));
        int start = page.IndexOf("```\nL0 EPT off", StringComparison.Ordinal) + 4;
        Assert.That(Run("validate", "seed-1").Output, Does.Contain("\n" + page[start..page.IndexOf("```", start, StringComparison.Ordinal)]));
    }

    [TestCase("comapre t.nst", "Unknown command 'comapre'. Did you mean compare, ")]
    [TestCase("trace inof t.nst", "Unknown command 'inof'. Did you mean info, ")]
    [TestCase("compare t.nst --polcies never", "Unknown option '--polcies'. Did you mean --policies, ")]
    [TestCase("compare --polcies never t.nst", "Unknown option '--polcies'. Did you mean --policies, ")]
    [TestCase("run --quite t.nst", "Unknown option '--quite'. Did you mean --quiet, ")]
    [TestCase("run t.nst u.nst", "'u.nst' is one argument too many for 'nestsim run'")]
    [TestCase("run", "Required argument missing for command: 'run'.")]
    [TestCase("run t.nst --progress sometimes", "'sometimes' not recognized. Must be one of: 'auto' 'never' See 'nestsim run --help'.")]
    [TestCase("trace", "Required command was not provided. See 'nestsim trace --help'.")]
    [TestCase("run t.nst --jobs 0", "--jobs: expected a number from 1 to 1024, found '0'")]
    [TestCase("run t.nst --policy nevre", "Unknown policy 'nevre'. Did you mean never, ")]
    [TestCase("run t.nst --policy kvm-6.21~no-sync-on-invlpg", "Unknown policy 'kvm-6.21'. Did you mean kvm-6.2, ")]
    [TestCase("compare t.nst -p kvm-6.12,kvm-6.12~no-sync-on-invplg", "Unknown mutant 'no-sync-on-invplg'. Did you mean no-sync-on-invlpg, ")]
    [TestCase("run t.nst --policy kvm-4.2~ignores-new-vpid12", "Mutant 'ignores-new-vpid12' changes nothing in policy 'kvm-4.2' on Intel hardware")]
    [TestCase("run t.nst --policy kvm-6.12~no-sync-on-invlpg~no-sync-on-invlpg", "changes nothing in policy 'kvm-6.12~no-sync-on-invlpg'")]
    [TestCase("run t.nst --profile zen-3 --policy always-guest~flush-all-by-invvpid", "No policy for AMD has it.")]
    [TestCase("run t.nst --profile zen-5", "Unknown profile 'zen-5'. Did you mean zen-2, zen-3, zen-4?")]
    [TestCase("run t.nst --set machine.l0_eptt=true", "machine.l0_eptt: Unknown member 'l0_eptt'. Did you mean l0_ept, ")]
    [TestCase("run t.nst --set seed", "--set 'seed': expected path=value")]
    [TestCase("run t.nst --set cost.x=1", "--set: cost: Unknown member 'cost'. Did you mean costs, ")]
    [TestCase("compare t.nst -p ,", "--policies: expected a,b,..., found ',', which names nothing. Leave the option out for its default.")]
    [TestCase("compare t.nst --irq-paths ,", "--irq-paths: expected a,b,..., found ',', which names nothing.")]
    [TestCase("interrupts --irq-paths ,", "--irq-paths: expected a,b,..., found ',', which names nothing.")]
    [TestCase("sweep t.nst --over second_level[0].ways=8,12", "found 8. Choose another rule with it, as in --set second_level[0].replacement=lru")]
    [TestCase("run t.nst --warm-up ten", "--warm-up: windows.warm_up: expected a count such as 10M")]
    [TestCase("list polices", "Unknown kind of thing to list 'polices'. Did you mean policies, ")]
    [TestCase("trace generate zipf x.nst", "Unknown workload generator 'zipf'. Did you mean ")]
    [TestCase("run no-such-file.nst", "The trace 'no-such-file.nst' cannot be opened")]
    [TestCase("config check no-such-file.json", "The file 'no-such-file.json' cannot be read")]
    [TestCase("run - --warm-up 5%", "a pipe does not tell beforehand")]
    public void A_mistake_is_answered_in_one_paragraph_on_standard_error_with_exit_code_2(string command, string message)
    {
        (int code, string output, string error) = Run(command.Split(' '));

        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.Contain(message).And.EndWith("\n"));
        Assert.That(error, Does.Not.Contain("   at "));
    }

    [TestCase("compare", "t.nst", "-p", "")]
    [TestCase("run", "t.nst", "-p", "")]
    public void An_empty_policy_is_not_the_default(params string[] command)
    {
        (int code, string output, string error) = Run(command);

        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.Contain("''"));
    }

    [Test]
    public void Lists_name_what_there_is()
    {
        Assert.That(Run("list", "policies").Output, Does.Contain("kvm-5.16 ").And.Contain("never "));
        Assert.That(Run("list", "mutants").Output, Does.Contain("no-sync-on-invlpg ").And.Contain("ignores-invlpga "));
        Assert.That(Run("list", "profiles").Output, Does.Contain("skylake-sp         Intel Skylake-SP"));
        Assert.That(Run("list", "formats").Output, Does.Contain("native ").And.Contain("lackey "));
        Assert.That(Run("list", "replacements").Output, Does.Contain("plru4-mru3\n"));
        Assert.That(Run("list", "invalidations").Output, Does.Contain("InvvpidSingle\n"));
        Assert.That(Run("list", "generators").Output, Does.Contain("nested-ping-pong "));
        Assert.That(Run("list", "footprints").Output, Does.StartWith("kvm-6.12-vmx  Linux 6.12 KVM"));
        Assert.That(Run("list", "stats").Output, Does.Contain("lane[0].stall_cycles").And.Contain("[cycles, counter]").And.Contain("irq.latency.p999 ").And.Contain("irq.stolen "));
        Assert.That(Run("list", "metrics").Output, Does.Contain("walks-per-access "));
        string[] kinds = [.. Run("list").Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')[0])];
        Assert.That(kinds, Has.Member("policies").And.Member("stats"));
        Assert.That(kinds.Where(kind => Run("list", kind).Code != 0), Is.Empty);
    }

    [Test]
    public void Interrupts_shows_seed_2_and_require_safe_tells_the_rule_that_stomps_vmcs02()
    {
        (int code, string output, string error) = Run("interrupts", "--irq-paths", "posted", "--apicv-update", "immediate", "--require-safe");
        Assert.That(code, Is.EqualTo(1));
        Assert.That(output, Does.Match(@"(?m)^posted +device +L1 +runs L2 ").And.Match("(?m)^immediate, un-inhibited +UNSAFE +3 +0 +4$").And.Contain("immediate, un-inhibited is unsafe: failed_vm_entry 1 time. The first:"));
        Assert.That(error, Does.StartWith("immediate, un-inhibited: unsafe: failed_vm_entry 1, interrupt_lost 3\nimmediate, inhibited: unsafe: interrupt_lost 2\n"));
        (code, output, error) = Run("interrupts", "--irq-paths", "none", "--apicv-update", "deferred,switch-vmcs", "--require-safe");
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Does.Match("(?m)^none +safe +2,300 +2,300 +0$").And.Match("(?m)^switch-vmcs, un-inhibited +safe +3 +3 +0$"));
        Assert.That(Run("interrupts", "--profile", "zen-4", "--apicv-update", "deferred").Code, Is.EqualTo(2));
        Assert.That(Run("interrupts", "--irq-paths", "avic").Code, Is.EqualTo(2), "not on Intel");
    }

    [Test]
    public void Config_show_gives_origin_and_source_of_every_value()
    {
        (int code, string output, _) = Run("config", "show", "--set", "costs.vm_exit=5", "--warm-up", "10K");

        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain("costs.vm_exit = 5  # --set\n"));
        Assert.That(output, Does.Contain("windows.warm_up = 10K  # --warm-up\n"));
        Assert.That(output, Does.Match(@"second_level\[0\]\.ways = 12  # profiles/skylake-sp\.json:\d+; docs/sources\.md#geometry-of-intel \[read R3\]: 1536 = 128 sets x 12 ways\n"));
        Assert.That(output, Does.Contain("machine.l0_ept = true  # default\n"));
        Assert.That(output, Does.Match("# configuration hash [0-9a-f]{64}\n$"));
    }

    [Test]
    public void Config_check_says_good_or_all_errors_with_their_lines()
    {
        string good = Write("good.json", Run("config", "show", "--profile", "zen-4", "--json").Output);
        string bad = Write("bad.json", "{\n  \"machine\": { \"l0_pages\": \"3M\" },\n  \"windows\": { \"skipp\": 1 }\n}");

        Assert.That(Run("config", "check", good).Output, Does.Contain("good. 4 policies on zen-4"));
        (int code, _, string error) = Run("config", "check", bad);
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("2 errors").And.Contain($"{bad}:2: machine.l0_pages: expected one of 4K, 2M, 1G, found '3M'").And.Contain($"{bad}:3: windows.skipp: Unknown member 'skipp'. Did you mean skip"));
    }

    [Test]
    public void The_doctor_passes_its_self_test()
    {
        (int code, string output, _) = Run("doctor");

        Assert.That(code, Is.Zero, output);
        Assert.That(output, Does.Contain("self-test passed").And.Contain("8 walks under never (expected 8), 400 under always-current (expected 400)"));
    }

    [Test]
    public void Compare_prints_results_on_standard_output_and_the_rest_on_standard_error()
    {
        (int code, string output, string error) = Run("compare", Nested(), "--warm-up", "10%", "-p", "never,always-guest", "-p", "kvm-6.12", "--reference", "kvm-6.12");

        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Match(@"^nested\.nst: 90,\d+ records after 10,\d+ of warm-up; skylake-sp; against kvm-6\.12\n"));
        Assert.That(output, Does.Match(@"(?m)^kvm-6\.12 +yes ").And.Match(@"(?m)^always-guest +yardstick ").And.Not.Contain("vs ref"));
        Assert.That(output.Split('\n')[^2], Does.StartWith("kvm-6.12 is the only choice; ").And.EqualTo(output.Split('\n')[1]), "the last line is the answer again");
        Assert.That(error, Does.Contain("3 policies in"));
    }

    [Test]
    public void Results_are_byte_identical_for_any_number_of_jobs()
    {
        string trace = Nested();
        string[] texts = [.. new[] { "1", "2", "5" }.Select(jobs => Compare(trace, jobs))];

        Assert.That(texts[1..], Is.All.EqualTo(texts[0]));
        Assert.That(RunSetJson.Read(texts[0], "x").Runs, Has.Count.EqualTo(6));

        string Compare(string path, string jobs)
        {
            string json = Path.Combine(_folder, $"r{jobs}.json");
            (int code, _, string error) = Run("compare", path, "--warm-up", "5K", "--jobs", jobs, "--json", json, "-q");
            Assert.That((code, error), Is.EqualTo((0, "")));
            return RunSetJson.ToText(RunSetJson.Read(File.ReadAllText(json), json), withSession: false);
        }
    }

    [Test]
    public void A_folder_of_results_has_json_csv_and_a_configuration_that_gives_them_again()
    {
        string trace = Nested();
        string folder = Path.Combine(_folder, "out");
        Assert.That(Run("run", trace, "--policy", "never", "--measure", "20K", "-o", folder).Code, Is.Zero);
        string first = Path.Combine(folder, "results.json");
        string again = Path.Combine(_folder, "again.json");

        Assert.That(Run("run", trace, "-c", Path.Combine(folder, "config.json"), "--json", again).Code, Is.Zero);

        RunSet set = RunSetJson.Read(File.ReadAllText(first), first);
        RunSet repeated = RunSetJson.Read(File.ReadAllText(again), again);
        Assert.That(RunSetCsv.Read(File.ReadAllText(Path.Combine(folder, "results.csv")), "c")[0].Statistics.Stats, Has.Count.EqualTo(set.Runs[0].Statistics.Stats.Count));
        Assert.That(repeated.Runs[0].Statistics.Stats, Is.EqualTo(set.Runs[0].Statistics.Stats));
        Assert.That(repeated.Provenance.ConfigurationHash, Is.EqualTo(set.Provenance.ConfigurationHash));
        Assert.That(set.Provenance.Windows, Is.EqualTo(new WindowCounts(0, 0, 20_000)));
        Assert.That(Directory.EnumerateFiles(folder).Select(Path.GetFileName).Order(), Is.EqualTo(new[] { "config.json", "results.csv", "results.json" }));
    }

    [Test]
    public void A_policy_for_the_other_vendor_is_a_usage_error()
    {
        (int code, string output, string error) = Run("run", Nested(), "--policy", "kvm-6.12", "--profile", "zen-3");

        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.StartWith("Policy kvm-6.12 does not run on AMD hardware, and profile 'zen-3' is AMD."));
        (_, _, error) = Run("run", Nested(), "--policy", "kvm-6.12~ignores-invvpid", "--profile", "zen-3");
        Assert.That(error, Does.StartWith("Policy kvm-6.12~ignores-invvpid does not run on AMD hardware"));
    }

    [Test]
    public void A_progress_line_has_the_share_and_the_time_left_if_they_are_known()
    {
        Assert.That(ProgressBar.Line(3_000_000, "records", 0.25, TimeSpan.FromSeconds(10)), Is.EqualTo("25%, 3.0 M records, 0.3 M/s, 10 s, 30 s left"));
        Assert.That(ProgressBar.Line(3_000_000, "records", 1, TimeSpan.FromSeconds(10)), Is.EqualTo("100%, 3.0 M records, 0.3 M/s, 10 s, 0 s left"));
        Assert.That(ProgressBar.Line(3_000_000, "lines", null, TimeSpan.FromSeconds(10)), Is.EqualTo("3.0 M lines, 0.3 M/s, 10 s"));
    }

    [Test]
    public void Exit_reasons_have_names_and_hints_that_are_the_same_for_all_runs_come_once()
    {
        string sort = RepositoryFolder.Of("traces", "nested-sort.nst.gz");
        (_, string output, _) = Run("run", sort, "--policy", "kvm-6.12", "--measure", "50K");
        Assert.That(output, Does.Match(@"(?m)^VMRESUME +\d+ ").And.Not.Match(@"(?m)^24 +\d+ "));

        (_, _, string error) = Run("compare", sort, "--measure", "2K");
        Assert.That(error.Split('\n').Count(line => line.Contains("nested transitions in the measured window", StringComparison.Ordinal)), Is.EqualTo(1));
        Assert.That(error, Does.Contain("hint: All runs: only "));
    }

    [Test]
    public void Interrupts_lists_IPI_virtualization_for_processors_that_have_it()
    {
        Assert.That(Run("interrupts").Output, Does.Contain("posted-device ").And.Not.Match("(?m)^ipiv "));
        Assert.That(Run("interrupts", "--profile", "sapphire-rapids").Output, Does.Match("(?m)^ipiv "));
        Assert.That(Run("interrupts", "--irq-paths", "ipiv").Output, Does.Match("(?m)^ipiv "), "who asks for it gets it");
    }

    [TestCase("empty")]
    [TestCase("truncated")]
    [TestCase("flipped")]
    [TestCase("text")]
    [TestCase("version")]
    public void A_damaged_trace_is_one_paragraph_with_exit_code_3_and_no_output_file(string damage)
    {
        byte[] bytes = File.ReadAllBytes(Nested());
        byte[] damaged = damage switch
        {
            "empty" => [],
            "truncated" => bytes[..(bytes.Length / 2)],
            "flipped" => [.. bytes.Select((b, i) => i == bytes.Length / 2 ? (byte)(b ^ 16) : b)],
            "text" => "what is this\n"u8.ToArray(),
            _ => [.. bytes.Select((b, i) => i == 8 ? (byte)99 : b)],
        };
        string trace = Path.Combine(_folder, "damaged.nst");
        File.WriteAllBytes(trace, damaged);
        string json = Path.Combine(_folder, "r.json");
        string copy = Path.Combine(_folder, "copy.nst");

        foreach (string[] command in new string[][] { ["compare", trace, "--json", json, "-o", Path.Combine(_folder, "out")], ["trace", "convert", trace, copy], ["trace", "verify", trace], ["trace", "info", trace] })
        {
            (int code, string output, string error) = Run(command);

            Assert.That((code, output), Is.EqualTo((3, "")), $"{string.Join(' ', command)}: {error}");
            Assert.That(error, Does.StartWith(trace + ": ").And.Contain("expected ").And.Contain("found "));
            Assert.That(error.TrimEnd('\n'), Does.Not.Contain("\n"));
        }

        Assert.That(Directory.EnumerateFileSystemEntries(_folder).Select(Path.GetFileName).Order(StringComparer.Ordinal), Is.EqualTo(new[] { "damaged.nst", "nested.nst" }));
    }

    [Test]
    public void A_window_longer_than_the_trace_names_both_counts_and_writes_nothing()
    {
        string json = Path.Combine(_folder, "r.json");

        (int code, string output, string error) = Run("run", Nested(), "--measure", "10M", "--json", json);

        Assert.That((code, output, File.Exists(json)), Is.EqualTo((2, "", false)));
        Assert.That(error, Does.Match(@"the trace ended after \d+ records: --measure wants 10000000 records and got \d+"));
    }

    [TestCase(130)]
    [TestCase(143)]
    public void Ctrl_c_and_SIGTERM_write_what_there_is_and_exit_with_128_and_their_number(int exitCode)
    {
        Interruption interruption = new();
        Assert.That(interruption.Signal(exitCode), Is.False, "nobody listens: the process ends at once");
        Assert.That(interruption.Token.IsCancellationRequested, Is.False);
        Assert.That((interruption.Signal(exitCode), interruption.Signal(exitCode)), Is.EqualTo((true, false)), "the second one ends the process");

        string json = Path.Combine(_folder, "r.json");
        using StringWriter output = new();
        using StringWriter error = new();

        int code = CliApplication.Run(["run", Nested(), "--json", json], Terminal.Of(output, error) with { Interruption = interruption });

        Assert.That(code, Is.EqualTo(exitCode));
        Assert.That(RunSetJson.Read(File.ReadAllText(json), json).Partial, Is.True);
        Assert.That(output.ToString(), Does.Contain("PARTIAL").And.Match(@"\nSo far: [^\n]+\n$"));
        Assert.That(error.ToString(), Does.Contain("interrupted"));
    }

    [Test]
    public void Traces_are_generated_shown_converted_cut_merged_woven_and_verified()
    {
        string nested = Nested();
        string text = Path.Combine(_folder, "t.txt");
        string back = Path.Combine(_folder, "back.nst");
        string cut = Path.Combine(_folder, "cut.nst");
        string merged = Path.Combine(_folder, "merged.nst");
        string program = Path.Combine(_folder, "program.nst");
        string woven = Path.Combine(_folder, "woven.nst");

        Assert.That(Run("trace", "head", nested, "-n", "3").Output.Split('\n'), Has.Length.EqualTo(4));
        Assert.That(Run("trace", "head", nested, "--events").Output, Does.Contain("VmEnter").And.Not.Contain("Read 0x"));
        Assert.That(Run("trace", "convert", nested, text).Code + Run("trace", "convert", text, back).Code, Is.Zero);
        Assert.That(File.ReadAllBytes(back), Is.EqualTo(File.ReadAllBytes(nested)));
        Assert.That(Run("trace", "cut", nested, cut, "--from-record", "5K", "--to-record", "6K").Error, Does.Contain("1,000 records kept"));
        Assert.That(Run("trace", "merge", merged, nested, cut).Error, Does.Contain("in 2 lanes"));
        Assert.That(Run("trace", "generate", "round-robin", program, "accesses=20k").Code, Is.Zero);
        Assert.That(Run("trace", "weave", program, woven, "every=1000").Error, Does.Contain("nested entries"));
        foreach (string trace in new[] { nested, cut, merged, woven })
        {
            Assert.That(Run("trace", "verify", trace).Code, Is.Zero, trace);
        }

        Assert.That(Run("trace", "info", woven).Output, Does.Contain("L2ToL1").And.Contain("warm-up ends"));
        Assert.That(Run("compare", merged, "-p", "never,kvm-6.12").Code, Is.Zero);
    }

    [Test]
    public void A_trace_with_a_broken_invariant_fails_verification_with_exit_code_1()
    {
        string text = Path.Combine(_folder, "t.txt");
        Run("trace", "convert", Nested(), text);
        string[] lines = [.. File.ReadAllLines(text).Where(line => !line.Contains("kind=L0ToL2", StringComparison.Ordinal))];
        lines[^1] = $"end {lines.Count(line => line.Contains('@', StringComparison.Ordinal))}";
        File.WriteAllText(text, string.Join('\n', lines) + "\n");

        (int code, string output, _) = Run("trace", "verify", text);

        Assert.That(code, Is.EqualTo(1), output);
        Assert.That(output, Does.Contain("V03 error at record"));
    }

    [Test]
    public void A_pipe_is_read_like_a_file()
    {
        string trace = Nested();
        string program = Path.Combine(AppContext.BaseDirectory, "nestsim.dll");
        using Process shell = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", $"cat '{trace}' | dotnet '{program}' run - --policy never -q"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        string piped = shell.StandardOutput.ReadToEnd();
        string error = shell.StandardError.ReadToEnd();
        shell.WaitForExit();

        Assert.That((shell.ExitCode, error), Is.EqualTo((0, "")));
        Assert.That(piped.Replace("stdin:", "nested.nst:", StringComparison.Ordinal), Is.EqualTo(Run("run", trace, "--policy", "never", "-q").Output));
    }

    [Test]
    public void Our_own_bugs_are_called_so_with_version_and_command()
    {
        string report = CliApplication.BugReport("InvalidOperationException: accesses = 1, but hits + misses = 2", "nestsim run x");

        Assert.That(report, Does.Contain("This is a bug in nestsim").And.Contain("accesses = 1").And.Contain("command: nestsim run x"));
        Assert.That(Version().IsMatch(report), Is.True, report);
    }

    [Test]
    public void Validate_mutants_says_what_caught_each_and_ends_with_1_if_one_survives()
    {
        string file = Write("no-sync.scenario", "nestsim-scenario 1\ntitle t\nmachine l0_ept=off\npage heap\nL1 reads heap\nL1 remaps heap\nL1 invlpg heap\nL1 reads heap\nexpect kvm-6.12~no-sync-on-invlpg unsafe stale_use\n");
        (int code, string output, string error) = Run("validate", "mutants", file, "-v");
        Assert.That((code, error), Is.EqualTo((1, "")), "the others survive");
        Assert.That(output, Does.Match(@"(?m)^kvm-6\.12~no-sync-on-invlpg +no-sync +5 +stale_use 1$").And.Match("(?m)^ignores-invvpid +NOTHING: no scenario has it$"));
        Assert.That(output, Does.Contain("kvm-6.12~no-sync-on-invlpg in no-sync (2.8): ").And.Contain("\n  used: vCPU 0 in L1 "));
    }

    [Test]
    public void A_mutant_stands_beside_its_policy_in_a_comparison_and_is_told_from_it()
    {
        string file = Write("h1.scenario", "nestsim-scenario 1\ntitle t\nmachine l0_ept=off\nvmcs A vpid=1\npage heap\nL1 enters A\nL2 reads heap\nL2 exits\nL1 remaps heap of L2\nL1 enters A vpid=new\nL2 reads heap\n");
        (int code, string output, string error) = Run("compare", file, "-p", "kvm-6.12,kvm-6.12~ignores-new-vpid12", "--require-safe", "-q");
        Assert.That(code, Is.EqualTo(1));
        Assert.That(output, Does.Match(@"(?m)^kvm-6\.12~ignores-new-vpid12 "));
        Assert.That(error, Is.EqualTo("kvm-6.12~ignores-new-vpid12: unsafe: stale_use 1\n"));
    }

    [Test]
    public void Validate_scenarios_says_what_held_and_ends_with_1_if_something_did_not()
    {
        const string Good = "nestsim-scenario 1\ntitle t\nmachine l0_ept=off\nvmcs A vpid=1\nL1 enters A\nL2 exits\n---\nL1 enters A vpid=2\nexpect kvm-5.14 flushes INVVPID(vpid02) at nested_entry\n";
        string file = Path.Combine(_folder, "mine.scenario");
        File.WriteAllText(file, Good);
        (int code, string output, string error) = Run("validate", "scenarios", file, "-v");
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Does.Match(@"(?m)^mine +1 +1 +1 +0 +good$").And.Contain("mine.scenario:9: kvm-5.14: as expected, INVVPID(vpid02) at nested_entry"));

        File.WriteAllText(file, Good.Replace("vpid02", "vpid01", StringComparison.Ordinal));
        (code, output, _) = Run("validate", "scenarios", _folder);
        Assert.That(code, Is.EqualTo(1));
        Assert.That(output, Does.Match(@"(?m)^mine +1 +1 +0 +1 +BAD$").And.Contain("expected 'kvm-5.14 flushes INVVPID(vpid01) at nested_entry', found INVVPID(vpid02) at nested_entry"));

        File.WriteAllText(file, Good.Replace("L1 enters A vpid=2", "L1 entres A", StringComparison.Ordinal));
        (code, _, error) = Run("validate", "scenarios", file);
        Assert.That((code, error), Is.EqualTo((3, $"{file}: line 8: expected what L1 does, found 'entres'. Did you mean enters, exits, sends?\n")));
        Assert.That(Run("validate", "scenarios", Path.Combine(_folder, "no.scenario")).Code, Is.EqualTo(2));
    }

    [Test]
    public void Validate_seed_1_writes_its_scenarios_and_they_tell_what_its_rows_tell()
    {
        string csv = Path.Combine(_folder, "rows.csv");
        string json = Path.Combine(_folder, "rows.json");
        Assert.That(Run("validate", "seed-1", "--policies", "kvm-5.14", "--csv", csv, "--json", json, "--scenarios", Path.Combine(_folder, "scenarios")).Code, Is.Zero);
        Assert.That(Directory.GetFiles(Path.Combine(_folder, "scenarios")), Has.Length.EqualTo(64));
        Assert.That(File.ReadAllLines(csv), Has.Length.EqualTo(65));
        Assert.That(File.ReadAllText(json), Does.StartWith("{\n  \"schema\": \"nestsim-seed-1\","));
        string scenario = Path.Combine(_folder, "scenarios", "seed-1-no-ept-no-ept12-vpid-changed-nested-entry-edit.scenario");
        Assert.That(Run("compare", scenario, "--policies", "kvm-5.14", "--require-safe").Code, Is.EqualTo(1));
        Assert.That(Run("compare", scenario, "--policies", "kvm-5.16", "--require-safe").Code, Is.Zero);
        Assert.That(Run("validate", "seed-1", "--profile", "zen-4").Code, Is.EqualTo(2));
        Assert.That(Run("validate", "seed-1", "--policies", "kvm-5.41").Error, Does.Contain("Unknown policy 'kvm-5.41'"));
    }

    [Test]
    public void A_scenario_runs_as_a_trace_on_the_machine_that_it_names_unless_an_option_says_otherwise()
    {
        string file = Path.Combine(_folder, "mine.scenario");
        File.WriteAllText(file, "nestsim-scenario 1\ntitle t\nmachine l0_ept=off\nprocess P\npage heap\nL1 loads P\nL1 reads heap\n");
        Assert.That(Run("run", file, "--policy", "kvm-6.12", "-v", "-q").Output, Does.Match(@"vm\.implied_exits +1\b"), "shadow paging intercepts MOV to CR3");
        Assert.That(Run("run", file, "--policy", "kvm-6.12", "-v", "-q", "--set", "machine.l0_ept=true").Output, Does.Match(@"vm\.implied_exits +0\b"));
    }

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = CliApplication.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }

    private string Nested()
    {
        string path = Path.Combine(_folder, "nested.nst");
        Assert.That(Run("trace", "generate", "nested-ping-pong", path, "accesses=100k", "seed=7").Code, Is.Zero);
        return path;
    }

    private string Write(string name, string text)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    [GeneratedRegex(@"version: \d+\.\d+\.\d+ \(")]
    private static partial Regex Version();
}
