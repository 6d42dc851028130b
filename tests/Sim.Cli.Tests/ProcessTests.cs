using System.Diagnostics;
using System.Globalization;
using Sim.Reports.Results;

namespace Sim.Cli.Tests;

/// <summary>The command as a process of its own: signals, pipes, standard input, sudden death.</summary>
[NonParallelizable]
public sealed class ProcessTests
{
    private static readonly TimeSpan Most = TimeSpan.FromSeconds(30);

    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase("INT", 130, "trace generate zipf-pages {o}/x.nst accesses=100G")]
    [TestCase("TERM", 143, "trace generate zipf-pages {o}/x.nst accesses=100G")]
    [TestCase("INT", 130, "trace convert {fifo} {o}/x.nst --format native")]
    [TestCase("TERM", 143, "trace info {fifo}")]
    [TestCase("INT", 130, "run {big} -p kvm-6.12 --irq-path posted -o {o}/results")]
    [TestCase("TERM", 143, "compare {big} -p kvm-6.12,never -o {o}/results")]
    public void A_signal_ends_every_command_and_nothing_unfinished_stays(string signal, int exitCode, string line)
    {
        Directory.CreateDirectory(At("o"));
        if (line.Contains("{big}", StringComparison.Ordinal))
        {
            Assert.That(Start("trace generate nested-ping-pong {0} accesses=30M seed=1 fold=off", At("big.nst")).ExitCode(Most), Is.Zero);
        }

        Shell($"mkfifo {At("fifo")}").ExitCode(Most);
        using Process keepsOpen = Shell($"sleep 60 > {At("fifo")}").Process;
        using Run run = Start(line.Replace("{o}", At("o"), StringComparison.Ordinal).Replace("{fifo}", At("fifo"), StringComparison.Ordinal).Replace("{big}", At("big.nst"), StringComparison.Ordinal));
        bool isReplay = line.Contains("results", StringComparison.Ordinal);
        for (int waits = 0; isReplay && waits < 300 && !Directory.Exists(At("o/results")); waits++)
        {
            Thread.Sleep(100);
        }

        Thread.Sleep(isReplay ? 300 : 1_500);
        Assert.That(run.Process.HasExited, Is.False, "it is at work");

        Shell($"kill -{signal} {run.Process.Id.ToString(CultureInfo.InvariantCulture)}").ExitCode(Most);
        int code = run.ExitCode(TimeSpan.FromSeconds(15));
        keepsOpen.Kill(entireProcessTree: true);

        Assert.That(code, Is.EqualTo(exitCode), run.Error);
        string[] left = [.. Directory.EnumerateFiles(At("o"), "*", SearchOption.AllDirectories)];
        Assert.That(left.Where(path => Path.GetFileName(path).StartsWith(".nestsim", StringComparison.Ordinal) || path.EndsWith(".nst", StringComparison.Ordinal)), Is.Empty);
        if (isReplay)
        {
            Assert.That(ResultFiles.Read(At("o/results/results.json")).Partial, Is.True);
        }
    }

    [Test]
    public void A_pipe_that_nobody_reads_any_more_ends_what_is_made_for_it()
    {
        using Run run = Shell($"{Command} trace generate zipf-pages - accesses=100G 2> {At("error")} | head -c 1000 > {At("head")}; echo ${{PIPESTATUS[0]}}");
        Assert.That(run.ExitCode(Most), Is.Zero);
        Assert.That(run.Output.Trim(), Is.EqualTo("141"), File.ReadAllText(At("error")));
        Assert.That(File.ReadAllText(At("error")), Does.Not.Contain(" records"));
    }

    [TestCase("trace info -")]
    [TestCase("run -")]
    [TestCase("trace events -")]
    [TestCase("report -")]
    public void Without_standard_input_there_is_a_sentence(string line)
    {
        using Run run = Shell($"{Command} {line} <&-");
        Assert.That(run.ExitCode(Most), Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("Standard input is closed"));
    }

    [Test]
    public void A_redirected_standard_output_gets_the_bytes_of_a_file()
    {
        Assert.That(Start("trace generate zipf-pages {0} accesses=1000", At("a.nst")).ExitCode(Most), Is.Zero);
        foreach (string output in new[] { "-", "/dev/stdout" })
        {
            Assert.That(Shell($"{Command} trace generate zipf-pages {output} accesses=1000 --format native > {At("b.nst")}").ExitCode(Most), Is.Zero);
            Assert.That(File.ReadAllBytes(At("b.nst")), Is.EqualTo(File.ReadAllBytes(At("a.nst"))));
            Assert.That(Shell($"{Command} trace generate zipf-pages {output} accesses=1000 --format native | cat > {At("b.nst")}").ExitCode(Most), Is.Zero);
            Assert.That(File.ReadAllBytes(At("b.nst")), Is.EqualTo(File.ReadAllBytes(At("a.nst"))));
        }
    }

    [Test]
    public void Sudden_death_leaves_no_half_file_and_nothing_that_blocks()
    {
        Assert.That(Start("trace generate nested-ping-pong {0} accesses=1M seed=1", At("t.nst")).ExitCode(Most), Is.Zero);
        using Run run = Shell($"bash {RepositoryFolder.Of("tests", "kills", "kill.sh")} '{Command}' 3");
        Assert.That(run.ExitCode(TimeSpan.FromMinutes(3)), Is.Zero, run.Output);
        Assert.That(run.Output, Does.Contain("run: ").And.Contain("gate --update: "));
    }

    private static string Command => $"dotnet {Path.Combine(AppContext.BaseDirectory, "nestsim.dll")}";

    private static Run Start(string line, params object[] arguments) => new("dotnet", [Path.Combine(AppContext.BaseDirectory, "nestsim.dll"), .. string.Format(CultureInfo.InvariantCulture, line, arguments).Split(' ')]);

    private static Run Shell(string command) => new("bash", ["-c", command]);

    private string At(string name) => Path.Combine(_folder, name);

    private sealed class Run : IDisposable
    {
        private readonly Task<string> _output;
        private readonly Task<string> _error;

        public Run(string program, IReadOnlyList<string> arguments)
        {
            Process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            _output = Process.StandardOutput.ReadToEndAsync();
            _error = Process.StandardError.ReadToEndAsync();
        }

        public Process Process { get; }

        public string Output => _output.Result;

        public string Error => _error.Result;

        public int ExitCode(TimeSpan most)
        {
            if (!Process.WaitForExit(most))
            {
                Process.Kill(entireProcessTree: true);
                Assert.Fail($"it does not end within {most}");
            }

            return Process.ExitCode;
        }

        public void Dispose() => Process.Dispose();
    }
}
