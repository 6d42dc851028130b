using System.Diagnostics;
using System.Globalization;

namespace Sim.Tests;

/// <summary>The recordings of real nested KVM beside the repository, and counts of them made by other programs. Tests are skipped where the folder is missing.</summary>
internal static class Recordings
{
    private static readonly string Folder = RepositoryFolder.Of("..", "shared", "captures");

    public static string File(string name)
    {
        string path = Path.Combine(Folder, name);
        if (!System.IO.File.Exists(path))
        {
            Assert.Ignore($"{name} is not there: the recordings lie in ../shared/captures beside the repository.");
        }

        return path;
    }

    public static string[] Files(string pattern) => Directory.Exists(Folder) ? [.. Directory.GetFiles(Folder, pattern).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)] : [];

    /// <summary>Lines "count name" that <c>xz -dc FILE | awk PROGRAM</c> prints.</summary>
    public static SortedDictionary<string, long> Awk(string name, string program)
    {
        ProcessStartInfo start = new("sh") { RedirectStandardOutput = true, UseShellExecute = false };
        foreach (string argument in (string[])["-c", "xz -dc \"$0\" | awk \"$1\"", File(name), program])
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start)!;
        SortedDictionary<string, long> counts = new(StringComparer.Ordinal);
        while (process.StandardOutput.ReadLine() is { } line)
        {
            int space = line.IndexOf(' ', StringComparison.Ordinal);
            counts.Add(line[(space + 1)..], long.Parse(line[..space], CultureInfo.InvariantCulture));
        }

        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero);
        return counts;
    }
}
