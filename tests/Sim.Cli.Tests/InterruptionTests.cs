using System.Diagnostics;
using Sim.Reports.Results;

namespace Sim.Cli.Tests;

/// <summary>The real process and the real signals: whoever stops a long run gets what was measured so far.</summary>
[TestFixture]
[Platform("Linux,MacOsX")]
public sealed class InterruptionTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    /// <summary>The trace comes through a pipe of which a third is held back until the signal was sent, so that the run cannot have ended before.</summary>
    [TestCase("INT", 130)]
    [TestCase("TERM", 143)]
    public async Task A_signal_in_the_middle_of_a_run_writes_partial_results_marked_as_such(string signal, int exitCode)
    {
        byte[] trace = await File.ReadAllBytesAsync(Trace()).ConfigureAwait(false);
        string json = Path.Combine(_folder, "r.json");
        string program = typeof(CliApplication).Assembly.Location;
        using Process process = Process.Start(new ProcessStartInfo("dotnet", [program, "compare", "-", "-p", "kvm-6.12,always-current", "--json", json])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        Stream input = process.StandardInput.BaseStream;
        int held = trace.Length / 3 * 2;

        // The pipe holds 64 KiB: when the last of this is written, most has been read.
        await input.WriteAsync(trace.AsMemory(0, held)).ConfigureAwait(false);
        await input.FlushAsync().ConfigureAwait(false);
        using (Process kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"]))
        {
            await kill.WaitForExitAsync().ConfigureAwait(false);
        }

        await Task.Delay(200).ConfigureAwait(false);
        try
        {
            await input.WriteAsync(trace.AsMemory(held)).ConfigureAwait(false);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has stopped reading, as it was told to.
        }

        await process.WaitForExitAsync().ConfigureAwait(false);

        Assert.That(process.ExitCode, Is.EqualTo(exitCode), await error.ConfigureAwait(false));
        Assert.That(await output.ConfigureAwait(false), Does.Contain("; PARTIAL\n").And.Match(@"\nSo far: [^\n]+\n$"));
        RunSet set = RunSetJson.Read(await File.ReadAllTextAsync(json).ConfigureAwait(false), json);
        Assert.That(set.Partial, Is.True);
        Assert.That(set.Provenance.Windows.Measured, Is.GreaterThan(0UL));
    }

    private string Trace()
    {
        string path = Path.Combine(_folder, "long.nst");
        using StringWriter output = new();
        using StringWriter error = new();
        Assert.That(CliApplication.Run(["trace", "generate", "nested-ping-pong", path, "accesses=3M", "seed=7"], output, error), Is.Zero, error.ToString());
        return path;
    }
}
