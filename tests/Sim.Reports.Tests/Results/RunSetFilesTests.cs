using Sim.Core;
using Sim.Core.Stats;
using Sim.Reports.Results;

namespace Sim.Reports.Tests.Results;

public sealed class RunSetFilesTests
{
    [Test]
    public void Json_is_read_back_as_it_was()
    {
        string text = RunSetJson.ToText(Sample.Set());

        RunSet again = RunSetJson.Read(text, "r.json");

        Assert.That(RunSetJson.ToText(again), Is.EqualTo(text));
        Assert.That(again.Session, Is.EqualTo(Sample.Set().Session));
        Assert.That(again.Runs[1].FailedVmEntries, Is.EqualTo(Sample.Set().Runs[1].FailedVmEntries));
        Assert.That(again.Runs[0].Statistics.Stats, Is.EqualTo(Sample.Set().Runs[0].Statistics.Stats));
    }

    [Test]
    public void Parameters_that_set_runs_apart_are_read_back_in_their_order()
    {
        RunParameter[] parameters = [new("second_level[0].ways", "8"), new("machine.seed", "2")];
        RunSet set = Sample.Set() with { Runs = [Sample.Set().Runs[0] with { Run = "a, ways=8", Parameters = parameters }, Sample.Set().Runs[1]] };

        RunSet again = RunSetJson.Read(RunSetJson.ToText(set), "r.json");

        Assert.That(again.Runs[0].Parameters, Is.EqualTo(parameters));
        Assert.That(again.Runs[1].Parameters, Is.Empty);
    }

    [Test]
    public void Doubts_are_read_back_and_older_files_have_none()
    {
        string text = RunSetJson.ToText(Sample.Set());
        string old = string.Join('\n', text.Split('\n').Where(line => !line.Contains("\"sentence\"", StringComparison.Ordinal)))
            .Replace(",\n    \"doubts\": [\n    ]", "", StringComparison.Ordinal).Replace("\"1.3\"", "\"1.2\"", StringComparison.Ordinal);

        Assert.That(RunSetJson.Read(text, "r.json").Provenance.Doubts, Is.EqualTo(Sample.Set().Provenance.Doubts));
        Assert.That(old, Does.Not.Contain("doubts"));
        Assert.That(RunSetJson.Read(old, "r.json").Provenance.Doubts, Is.Empty);
    }

    [Test]
    public void The_session_comes_last_and_can_be_left_out()
    {
        string whole = RunSetJson.ToText(Sample.Set());
        string bare = RunSetJson.ToText(Sample.Set(), withSession: false);

        Assert.That(whole, Does.StartWith(bare[..^3]));
        Assert.That(bare, Does.Not.Contain("elapsed").And.Not.Contain("command_line"));
    }

    [Test]
    public void Json_is_the_golden_text()
    {
        StatSheet sheet = One("x[0].n", "k=v", 5);
        sheet.Add(new Series("x[0].wait", "k=v", "cycles", "events", SeriesKind.Histogram, "W.", [new SeriesPoint(1, 5), new SeriesPoint(2, -7)]));
        RunResult unsafeRun = new("a", "a", sheet, [], Safety: new SafetyVerdict([new SafetyFinding("stale_use", 2, ["first", "then"])], 3));
        RunSet small = Sample.Set() with { Runs = [unsafeRun, Sample.Set().Runs[2]] };

        Assert.That(RunSetJson.ToText(small, withSession: false), Is.EqualTo("""
            {
              "schema": "nestsim-results",
              "schema_version": "1.3",
              "partial": false,
              "provenance": {
                "tool": {
                  "version": "0.1.0",
                  "commit": "abcdef",
                  "dirty": false
                },
                "profile": "skylake-sp",
                "reference": "a",
                "configuration_hash": "00ff",
                "configuration": {
                  "machine": {
                    "seed": 1
                  },
                  "profile": "skylake-sp"
                },
                "configuration_origins": {
                  "machine.seed": "--seed"
                },
                "trace": {
                  "name": "t.nst",
                  "format": "native",
                  "sha256": null,
                  "lanes": 1,
                  "folded": true,
                  "properties": {
                    "source": "weave"
                  }
                },
                "windows": {
                  "skipped_records": 1,
                  "warm_up_records": 20000,
                  "measured_records": 300
                },
                "doubts": [
                  {"kind":"handlers","sentence":"3 of 40 stays have strange footprints","count":3,"of":40},
                  {"kind":"clock","sentence":"the clock is none"}
                ]
              },
              "statistics": [
                {"path":"x[0].n","unit":"events","kind":"counter","help":"H."}
              ],
              "series": [
                {"path":"x[0].wait","x_unit":"cycles","unit":"events","kind":"histogram","help":"W."}
              ],
              "runs": [
                {
                  "run": "a",
                  "policy": "a",
                  "safety": {
                    "permitted_stale_uses": 3,
                    "findings": [
                      {
                        "kind": "stale_use",
                        "count": 2,
                        "story": [
                          "first",
                          "then"
                        ]
                      }
                    ]
                  },
                  "failed_vm_entries": [],
                  "values": [
                    {"path":"x[0].n","label":"k=v","value":5}
                  ],
                  "series": [
                    {"path":"x[0].wait","label":"k=v","points":[[1,5],[2,-7]]}
                  ]
                },
                {
                  "run": "c",
                  "policy": "c",
                  "failure": {
                    "exit_code": 4,
                    "message": "broken, \"law\"\nand more"
                  },
                  "failed_vm_entries": [],
                  "values": [],
                  "series": []
                }
              ]
            }

            """.ReplaceLineEndings("\n")));
    }

    [TestCase("", "JSON")]
    [TestCase("[]", "no schema")]
    [TestCase("""{"schema":"other"}""", "expected nestsim-results, found other")]
    [TestCase("""{"schema":"nestsim-results","schema_version":"2.0"}""", "expected 1.3 or another of its major version, found 2.0")]
    [TestCase("""{"schema":"nestsim-results","schema_version":"1.7"}""", "those of nestsim-results 1.3")]
    public void What_is_no_result_file_is_refused(string text, string message) =>
        Assert.That(() => RunSetJson.Read(text, "r.json"), Throws.TypeOf<TraceFormatException>().With.Message.StartsWith("r.json: ").And.Message.Contains(message));

    [Test]
    public void The_way_to_deliver_interrupts_survives_JSON_and_CSV_and_a_file_without_it_is_read()
    {
        RunResult posted = new("p posted/deferred", "p", One("x", "", 1), []) { InterruptPath = "posted", ApicvUpdate = "deferred" };
        RunResult none = new("p none", "p", One("x", "", 1), []) { InterruptPath = "none" };
        RunSet set = Sample.Set() with { Runs = [posted, none, new RunResult("p", "p", One("x", "", 1), [])] };
        (string?, string?, string)[] expected = [("posted", "deferred", "p posted/deferred"), ("none", null, "p none"), (null, null, "p")];

        Assert.That(RunSetJson.Read(RunSetJson.ToText(set), "r.json").Runs.Select(run => (run.InterruptPath, run.ApicvUpdate, run.Case)), Is.EqualTo(expected));
        Assert.That(RunSetCsv.Read(RunSetCsv.ToText(set), "r.csv").Select(run => (run.InterruptPath, run.ApicvUpdate, run.Case)), Is.EqualTo(expected));
        Assert.That(RunSetCsv.Read("run,policy,path,label,kind,unit,value,x,x_unit\na,a,x,,counter,events,1,,\n", "old.csv").Single().InterruptPath, Is.Null, "version 1.1 had no such column");
    }

    [Test]
    public void Csv_has_one_row_for_each_number_and_is_read_back()
    {
        string text = RunSetCsv.ToText(Sample.Set());

        IReadOnlyList<RunResult> again = RunSetCsv.Read(text, "r.csv");

        Assert.That(text, Does.StartWith("run,policy,path,label,kind,unit,value,x,x_unit,interrupt_path,apicv_update\na,a,cycles.trace,,counter,cycles,10000,,,,\n"));
        Assert.That(text, Does.Contain("\na,a,lane[0].accesses,\"level=2,side=load\",counter,accesses,999,,,,\n"));
        Assert.That(again.Select(run => run.Policy), Is.EqualTo(new[] { "a", "b", "c" }));
        Assert.That(again[1].Statistics.Stats.Select(stat => (stat.Key, stat.Unit, stat.Kind, stat.Value)), Is.EqualTo(Sample.Set().Runs[1].Statistics.Stats.Select(stat => (stat.Key, stat.Unit, stat.Kind, stat.Value))));
        Assert.That(again[2].Failure, Is.EqualTo(Sample.Set().Runs[2].Failure));
    }

    [Test]
    public void Series_and_safety_are_read_back_from_both_kinds_of_file()
    {
        RunSet set = Sample.Set() with { Runs = [Timed("a", safe: true), Timed("b", safe: false), Sample.Set().Runs[0] with { Run = "c" }] };

        foreach (IReadOnlyList<RunResult> again in new[] { RunSetJson.Read(RunSetJson.ToText(set), "r.json").Runs, RunSetCsv.Read(RunSetCsv.ToText(set), "r.csv") })
        {
            Assert.That(again[0].Safety!.IsSafe, Is.True);
            Assert.That(again[0].Safety!.PermittedStaleUses, Is.EqualTo(4));
            Assert.That(again[1].Safety!.Findings.Select(finding => (finding.Kind, finding.Count)), Is.EqualTo(new[] { ("stale_use", 17L), ("interrupt_lost", 1L) }));
            Assert.That(again[1].Safety!.Findings[0].Story, Is.EqualTo(new[] { "=L1 maps 0x1000, with \"quotes\"", "L2 reads it" }));
            Assert.That(again[1].Safety!.Findings[1].Story, Is.Empty);
            Assert.That(again[2].Safety, Is.Null, "nobody watched");
            Assert.That(again[2].Statistics.Series, Is.Empty);
            foreach (int run in new[] { 0, 1 })
            {
                Assert.That(again[run].Statistics.Series.Select(series => (series.Key, series.XUnit, series.Unit, series.Kind)), Is.EqualTo(set.Runs[run].Statistics.Series.Select(series => (series.Key, series.XUnit, series.Unit, series.Kind))));
                Assert.That(again[run].Statistics.Series.Select(series => series.Points), Is.EqualTo(set.Runs[run].Statistics.Series.Select(series => series.Points)));
            }
        }
    }

    [Test]
    public void The_pages_of_a_finding_are_in_the_JSON_and_a_file_without_them_is_read()
    {
        SafetyPage page = new(0xffff_8000_0000_1000, 3, 2, "VPID 1, PCID 0", 0x7000, 40, 12, "Changed in table L2 at record 8", "INVVPID(vpid12 1) by L1");
        SafetyFinding finding = new("stale_use", 42, ["used"]) { Pages = [page], PageCount = 2 };
        string text = RunSetJson.ToText(Sample.Set() with { Runs = [Sample.Set().Runs[0] with { Safety = new SafetyVerdict([finding, new SafetyFinding("interrupt_lost", 1, [])], 0) }] });

        SafetyFinding again = RunSetJson.Read(text, "r.json").Runs[0].Safety!.Findings[0];
        Assert.That((again.PageCount, again.Pages.Single()), Is.EqualTo((2, page)));
        Assert.That(text.Split('\n').Count(line => line.Contains("\"page_count\"", StringComparison.Ordinal)), Is.EqualTo(1), "an interrupt has no page");
        string old = string.Join('\n', text.Split('\n').Where(line => !line.Contains("\"page\":", StringComparison.Ordinal))).Replace("],\n            \"page_count\": 2,\n            \"pages\": [\n            ]", "]", StringComparison.Ordinal);
        Assert.That(old, Does.Not.Contain("page"));
        Assert.That(RunSetJson.Read(old, "r.json").Runs[0].Safety!.Findings[0].Pages, Is.Empty);
    }

    [Test]
    public void A_file_of_version_1_0_has_neither_series_nor_safety_and_is_read()
    {
        string text = RunSetJson.ToText(Sample.Set()).Replace("\"1.3\"", "\"1.0\"", StringComparison.Ordinal);
        string old = string.Join('\n', text.Split('\n').Where(line => !line.Contains("\"series\": []", StringComparison.Ordinal)));

        RunSet again = RunSetJson.Read(old.Replace("],\n    }", "]\n    }", StringComparison.Ordinal), "r.json");

        Assert.That(old, Does.Not.Contain("series"));
        Assert.That(again.Runs[0].Statistics.Stats, Is.EqualTo(Sample.Set().Runs[0].Statistics.Stats));
        Assert.That(RunSetCsv.Read("run,policy,path,label,kind,unit,value\na,a,p,,counter,events,7\n", "r.csv")[0].Statistics["p"], Is.EqualTo(7));
    }

    [TestCase("=1+1", "'=1+1")]
    [TestCase("+1", "'+1")]
    [TestCase("-1", "-1")]
    [TestCase("-1+2", "'-1+2")]
    [TestCase("@x", "'@x")]
    [TestCase("'=1", "''=1")]
    [TestCase("x=1", "x=1")]
    public void A_label_that_a_spreadsheet_would_run_is_made_text_and_read_back_as_it_was(string label, string written)
    {
        string text = RunSetCsv.ToText(Sample.Set() with { Runs = [new RunResult("a", "a", One("p", label, -3), [])] });

        Assert.That(text, Is.EqualTo($"run,policy,path,label,kind,unit,value,x,x_unit,interrupt_path,apicv_update\na,a,p,{written},counter,events,-3,,,,\n"));
        Assert.That(RunSetCsv.Read(text, "r.csv")[0].Statistics.Stats.Single().Label, Is.EqualTo(label));
    }

    /// <summary>Markup, a formula, line feeds, a change of direction and a quote, as a label, a name, a failure and a story.</summary>
    [TestCase("<script>alert(1)</script>")]
    [TestCase("=HYPERLINK(\"http://x\")\r\n\"quoted\"")]
    [TestCase("\u202Etxt.exe\t\u0000\u2028")]
    public void Hostile_text_is_data_in_both_kinds_of_file_and_read_back_as_it_was(string hostile)
    {
        RunResult run = new(hostile, hostile, One("p", hostile, 1), [new FailedEntry(1, 0, 0, 0, hostile)], Safety: new SafetyVerdict([new SafetyFinding("stale_use", 1, [hostile.ReplaceLineEndings("")])], 0));
        RunSet set = Sample.Set() with { Runs = [run, new RunResult("f", "f", new StatSheet(), [], new RunFailure(3, hostile))] };

        string json = RunSetJson.ToText(set);
        RunSet fromJson = RunSetJson.Read(json, "r.json");
        string csv = RunSetCsv.ToText(set);
        IReadOnlyList<RunResult> fromCsv = RunSetCsv.Read(csv, "r.csv");

        Assert.That(json.Count(c => c == '\n'), Is.EqualTo(RunSetJson.ToText(set with { Runs = [run with { Run = "a", Policy = "a", Statistics = One("p", "a", 1), FailedVmEntries = [new FailedEntry(1, 0, 0, 0, "a")], Safety = new SafetyVerdict([new SafetyFinding("stale_use", 1, ["a"])], 0) }, set.Runs[1] with { Failure = new RunFailure(3, "a") }] }).Count(c => c == '\n')), "no text breaks a line of the JSON");
        Assert.That(csv.Split('\n').Any(line => line.StartsWith('=')), Is.False);
        foreach (IReadOnlyList<RunResult> again in new[] { fromJson.Runs, fromCsv })
        {
            Assert.That((again[0].Run, again[0].Policy, again[0].Statistics.Stats.Single().Label, again[1].Failure!.Message), Is.EqualTo((hostile, hostile, hostile, hostile)));
            Assert.That(again[0].Safety!.Findings[0].Story, Is.EqualTo(new[] { hostile.ReplaceLineEndings("") }));
        }
    }

    [TestCase("run,policy,path\na,a,p\n")]
    [TestCase("run,policy,path,label,kind,unit,value\na,a,p,,counter,events,many\n")]
    [TestCase("run,policy,path,label,kind,unit,value\na,a,p,,counter\n")]
    [TestCase("run,policy,path,label,kind,unit,value\na,a,p,,histogram,events,1\n")]
    public void Damaged_csv_is_refused(string text) => Assert.That(() => RunSetCsv.Read(text, "r.csv"), Throws.TypeOf<TraceFormatException>().With.Message.StartsWith("r.csv: line "));

    [Test]
    public void A_file_that_cannot_be_written_leaves_nothing_behind()
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        Directory.CreateDirectory(Path.Combine(folder, "taken"));

        Assert.That(() => ResultFiles.Write(Path.Combine(folder, "taken"), "x"), Throws.TypeOf<ConfigurationException>().With.Message.Contains("cannot be written"));
        Assert.That(() => ResultFiles.Write(Path.Combine(folder, "no", "file"), "x"), Throws.TypeOf<ConfigurationException>());
        Assert.That(Directory.EnumerateFiles(folder), Is.Empty);
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>A run with a histogram, two series over time under one path, and a verdict.</summary>
    private static RunResult Timed(string name, bool safe)
    {
        StatSheet sheet = One("p", "", name.Length);
        sheet.Add(new Series("lane[0].wait", "kind=posted,level=2", "cycles", "events", SeriesKind.Histogram, "H.", [new SeriesPoint(0, 3), new SeriesPoint(1024, long.MaxValue)]));
        sheet.Add(new Series("lane[0].live", "level=1", "records", "entries", SeriesKind.OverTime, "H.", [new SeriesPoint(5, 3), new SeriesPoint(9, -1)]));
        sheet.Add(new Series("lane[0].live", "level=2", "records", "entries", SeriesKind.OverTime, "H.", [new SeriesPoint(5, 0)]));
        SafetyFinding[] findings = [new SafetyFinding("stale_use", 17, ["=L1 maps 0x1000, with \"quotes\"", "L2 reads it"]), new SafetyFinding("interrupt_lost", 1, [])];
        return new RunResult(name, "never", sheet, [], Safety: new SafetyVerdict(safe ? [] : findings, 4));
    }

    private static StatSheet One(string path, string label, long value)
    {
        StatSheet sheet = new();
        sheet.Counter(path, "events", "H.", value, label);
        return sheet;
    }
}
