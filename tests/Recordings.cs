using System.Diagnostics;
using System.Globalization;
using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;
using Sim.Captures.Ftrace;

namespace Sim.Tests;

/// <summary>
/// Recordings of real nested KVM, and counts of them made by another program. Those in traces/captures are part of the repository: a test that finds one missing fails. They were chosen from
/// larger folders (../shared/captures, ../shared/captures2); where these lie beside the repository, more cases run (<see cref="RecordingBesideAttribute"/>, <see cref="Cases"/>).
/// </summary>
internal static class Recordings
{
    /// <summary>How cases on recordings that are not in the repository are called; <c>.ci/run</c> counts them by it.</summary>
    public const string BesideRepository = "{m}{a} beside_the_repository";

    private static readonly string[] Folders = [RepositoryFolder.Of("traces", "captures"), RepositoryFolder.Of("..", "shared", "captures"), RepositoryFolder.Of("..", "shared", "captures2")];

    /// <exception cref="FileNotFoundException">No folder has it.</exception>
    public static string File(string name) =>
        Find(name) ?? throw new FileNotFoundException($"The recording {name} is not in traces/captures, and this test cannot prove anything without it.", name);

    public static bool Exists(string name) => Find(name) is not null;

    /// <summary>A case for each recording there is whose name fits one of the patterns (<c>*</c>); those beside the repository are called so.</summary>
    public static IEnumerable<TestCaseData> Cases(params string[] patterns)
    {
        IEnumerable<string> names = Folders.Where(Directory.Exists).SelectMany(folder => patterns.SelectMany(pattern => Directory.GetFiles(folder, pattern)));
        foreach (string name in names.Select(path => Path.GetFileName(path)!).Distinct().Order(StringComparer.Ordinal))
        {
            TestCaseData data = new(name);
            yield return IsInRepository(name) ? data : data.SetName(BesideRepository);
        }
    }

    /// <summary>Lines "count name" that an awk program prints at the end of a recording's text.</summary>
    public static SortedDictionary<string, long> Awk(string name, string program)
    {
        using Process process = Process.Start(new ProcessStartInfo("awk", [program]) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false })!;
        using (Stream text = CaptureText.Open(File(name)))
        {
            text.CopyTo(process.StandardInput.BaseStream);
        }

        process.StandardInput.Close();
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

    private static bool IsInRepository(string name) => System.IO.File.Exists(Path.Combine(Folders[0], name));

    private static string? Find(string name) => Folders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(System.IO.File.Exists);
}

/// <summary>A <see cref="TestCaseAttribute"/> for recordings that are not in the repository: a case where all that it names (arguments that end in .xz) are there, else none.</summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
internal sealed class RecordingBesideAttribute : TestCaseAttribute, ITestBuilder
{
    public RecordingBesideAttribute(params object[] arguments)
        : base(arguments) => TestName = Recordings.BesideRepository;

    IEnumerable<TestMethod> ITestBuilder.BuildFrom(IMethodInfo method, Test? suite) =>
        Arguments.OfType<string>().Where(argument => argument.EndsWith(".xz", StringComparison.Ordinal)).All(Recordings.Exists) ? BuildFrom(method, suite) : [];
}
