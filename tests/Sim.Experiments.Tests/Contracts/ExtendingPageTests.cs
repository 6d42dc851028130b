using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using System.Text.RegularExpressions;

namespace Sim.Experiments.Tests.Contracts;

/// <summary>docs/extending.md, done: each of its files is compiled as it stands, with the compiler of the SDK that runs this, and its contract is kept.</summary>
[TestFixture]
public sealed partial class ExtendingPageTests
{
    private static IEnumerable<TestCaseData> Snippets() => Page().Select(snippet => new TestCaseData(snippet.Path, snippet.Code).SetArgDisplayNames(snippet.Path));

    [TestCaseSource(nameof(Snippets))]
    public void A_file_of_the_page_compiles_as_it_stands_is_found_and_keeps_its_contract(string path, string code)
    {
        Assert.That(Directory.Exists(RepositoryFolder.Of(path.Split('/')[..^1])), $"the page names a folder that is not there: {path}");
        (string Name, IReadOnlyList<string> Broken)[] found = [.. Contract.Of(Compiled(path, code))];
        Assert.That(found, Has.Length.EqualTo(1), "one file, one component");
        Assert.That(found[0].Name, Is.EqualTo(Path.GetFileNameWithoutExtension(path)));
        Assert.That(found[0].Broken, Is.Empty);
    }

    [Test]
    public void The_page_has_a_whole_file_for_every_kind_that_has_a_contract()
    {
        string[] folders = [.. Page().Select(snippet => Path.GetDirectoryName(snippet.Path)!.Replace('\\', '/')).Order(StringComparer.Ordinal)];
        Assert.That(folders, Is.EqualTo(new[]
        {
            "Sim.Kvm/Interrupts/Apicv", "Sim.Kvm/Interrupts/Paths", "Sim.Kvm/Policies", "Sim.Reports/Charts", "Sim.Tlb/Invalidations", "Sim.Workloads/Formats", "Sim.Workloads/Generators",
        }));
    }

    // What the trial of strangers got wrong, each as a change of a file of the page.
    [TestCase("AddressListFormat", "throw Bad(\"a hexadecimal address\", $\"'{line}'\");", "throw new FormatException(line);", "address-list throws FormatException", "TraceFormatException, which says where")]
    [TestCase("AddressListFormat", "throw Bad($\"'{FirstLine}'\", first is null ? \"nothing\" : $\"'{first}'\");", "_line = 0;", "", "")]
    [TestCase("AddressListFormat", "head.StartsWith(\"#address-list 1\\n\"u8)", "head.Length > 0", "address-list takes", "its Sniff is too wide")]
    [TestCase("IpivOnly", "    /// <inheritdoc/>\n    public override Program? HardwareDevice => null;", "    /// <inheritdoc/>\n    public override Program? HardwareDevice => null;\n\n    /// <inheritdoc/>\n    public override Program Halt => SchedulerSteps.HaltPosted;", "ipiv-only on sapphire-rapids in x2APIC mode loses interrupts: an IPI for L1 of a vCPU that is halted", "allow for it")]
    [TestCase("InvvpidKeepingPcid", "    /// <inheritdoc/>\n    public override int? Cycles(OperationCosts costs) => costs.InvvpidSingle;\n\n", "", "InvvpidKeepingPcid costs nothing because nobody said what it costs", "override Cycles")]
    [TestCase("InvvpidKeepingPcid", "Coarsened => new InvvpidAll();", "Coarsened => new InvvpidAddress(Vpid, 0);", "The coarse form of InvvpidKeepingPcid", "keeps an entry that it drops itself")]
    [TestCase("InvvpidKeepingPcid", "\"invvpid_keeping_pcid\"", "\"Invvpid keeping\"", "InvvpidKeepingPcid: the name 'Invvpid keeping'", "snake_case")]
    [TestCase("WalksOfRuns", "        if (runs.Length == 0)\n        {\n            return Drawing.Without(\"No run took a walk in the measured window.\");\n        }\n\n", "        _ = runs[0];\n", "walks-of-runs throws IndexOutOfRangeException", "Drawing.Without")]
    [TestCase("WalksOfRuns", "Axis.Of(runs.Select(run => Category.Of(run.Run)))", "new Axis(AxisKind.Category, \"run\")", "walks-of-runs has an axis of names without names", "results with everything")]
    [TestCase("FlushOnExitOnly", "\"every_exit\"", "\"\"", "flush-on-exit-only flushes without a rule's name", "attributed")]
    [TestCase("FlushOnExitOnly", "if (!transition.IsEntry)", "if (++_calls % 2 == 0)", "flush-on-exit-only decides the same transition in two ways", "keeps a state")]
    [TestCase("EverySecondPage", "lane.Remaining > 0; i++", "i < 10; i++", "every-second-page ends with InvalidOperationException, 10 accesses instead of 3000", "")]
    [TestCase("EverySecondPage", "i % pages * 0x2000", "(ulong)Environment.TickCount64 + (_salt++ * 0x2000)", "every-second-page makes another trace from the same seed", "")]
    [TestCase("DeferredTwiceUpdate", "        update.WriteVmcs01OrDefer();\n        return 0;", "        throw new InvalidOperationException(\"no\");", "deferred-twice: APICv that is permitted while L2 runs: the run ends with InvalidOperationException", "")]
    public void A_file_that_does_what_a_contract_forbids_is_told_in_a_sentence(string file, string old, string changed, string begins, string says)
    {
        (string path, string code) = Page().Single(snippet => Path.GetFileNameWithoutExtension(snippet.Path) == file);
        Assert.That(code, Does.Contain(old));
        code = code.Replace(old, changed, StringComparison.Ordinal);
        code = file switch
        {
            "FlushOnExitOnly" when changed.Contains("_calls", StringComparison.Ordinal) => code.Replace("public sealed class FlushOnExitOnly : IFlushPolicy\n{", "public sealed class FlushOnExitOnly : IFlushPolicy\n{\n    private int _calls;\n", StringComparison.Ordinal),
            "EverySecondPage" when changed.Contains("_salt", StringComparison.Ordinal) => code.Replace("IWorkloadGenerator\n{", "IWorkloadGenerator\n{\n    private ulong _salt;\n", StringComparison.Ordinal),
            _ => code,
        };
        if (file == "IpivOnly")
        {
            // PostedPath does not let a path forget; one that stands on its own can.
            code = code.Replace(": PostedPath", ": PostedPath, IInterruptPath", StringComparison.Ordinal).Replace("public override Program Halt => ", "Program IInterruptPath.Halt => ", StringComparison.Ordinal);
        }

        IReadOnlyList<string> broken = Contract.Of(Compiled(path, code)).Single().Broken;
        if (begins.Length == 0)
        {
            Assert.That(broken, Is.Empty, "a format may be more lenient");
            return;
        }

        Assert.That(broken, Is.Not.Empty);
        Assert.That(broken[0], Does.StartWith(begins).And.Contain(says));
    }

    private static IReadOnlyList<(string Path, string Code)> Page() =>
        [.. Snippet().Matches(File.ReadAllText(RepositoryFolder.Of("docs", "extending.md")).ReplaceLineEndings("\n")).Select(match => (match.Groups["path"].Value, match.Groups["code"].Value))];

    /// <summary>The file, compiled as the library's tests see the library: warnings, missing documentation among them, are errors.</summary>
    private static Assembly Compiled(string path, string code)
    {
        string folder = Directory.CreateTempSubdirectory("nestsim-extending").FullName;
        try
        {
            string library = path.Split('/')[0];
            string source = Path.Combine(folder, Path.GetFileName(path));
            string dll = Path.Combine(folder, $"{library}.Tests.dll");
            File.WriteAllText(source, code);
            File.WriteAllText(Path.Combine(folder, "Usings.cs"), "global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq;\n");
            string[] arguments =
            [
                "-nologo", "-noconfig", "-target:library", "-nullable:enable", "-langversion:latest", "-warnaserror", $"-out:\"{dll}\"", $"-doc:\"{Path.Combine(folder, "doc.xml")}\"",
                .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Where(IsNeeded).Select(reference => $"-reference:\"{reference}\""),
                $"\"{source}\"", $"\"{Path.Combine(folder, "Usings.cs")}\"",
            ];
            File.WriteAllLines(Path.Combine(folder, "arguments.rsp"), arguments);
            using Process compiler = Process.Start(new ProcessStartInfo(DotNet(), [Compiler(), "-noconfig", $"@{Path.Combine(folder, "arguments.rsp")}"]) { RedirectStandardOutput = true })!;
            string output = compiler.StandardOutput.ReadToEnd();
            compiler.WaitForExit();
            Assert.That(compiler.ExitCode, Is.Zero, output);
            return new AssemblyLoadContext(path).LoadFromStream(new MemoryStream(File.ReadAllBytes(dll)));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // Another assembly of the page's name must not be there twice.
    private static bool IsNeeded(string reference) => !Path.GetFileName(reference).EndsWith(".Tests.dll", StringComparison.Ordinal);

    private static string Root() => Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

    private static string DotNet() => Path.Combine(Root(), OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet");

    private static string Compiler()
    {
        string[] found = [.. Directory.GetDirectories(Path.Combine(Root(), "sdk")).Select(sdk => Path.Combine(sdk, "Roslyn", "bincore", "csc.dll")).Where(File.Exists).Order(StringComparer.Ordinal)];
        return found.Length > 0 ? found[^1] : throw new AssertionException($"There is no .NET SDK below {Root()}: tests run with the SDK that builds them.");
    }

    [GeneratedRegex(@"^`(?<path>Sim\.[\w./]+\.cs)`\n\n```csharp\n(?<code>.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Snippet();
}
