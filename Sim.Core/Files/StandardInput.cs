namespace Sim.Core.Files;

/// <summary>Standard input as a stream.</summary>
public static class StandardInput
{
    private const string Descriptors = "/proc/self/fd";

    /// <summary>Opens it.</summary>
    /// <exception cref="ConfigurationException">The command was started with standard input closed.</exception>
    public static Stream Open() => IsClosed() ? throw new ConfigurationException("Standard input is closed, so there is nothing to read from '-'. Redirect a file or a pipe into the command.")
        : Console.OpenStandardInput();

    /// <summary>
    /// Descriptor 0 is none that somebody gave us. If the command was started without one, the runtime gets the number for files of its own; when that is a pipe of its own, a read would wait
    /// for ever. A pipe whose writing end this process has too was opened by the runtime.
    /// </summary>
    private static bool IsClosed()
    {
        if (!Directory.Exists(Descriptors))
        {
            return false;
        }

        string? target = Target($"{Descriptors}/0");
        return target is null || target.StartsWith("anon_inode:", StringComparison.Ordinal) || target.StartsWith("/memfd:", StringComparison.Ordinal)
            || (target.StartsWith("pipe:", StringComparison.Ordinal) && Directory.EnumerateFileSystemEntries(Descriptors).Any(path => Target(path) == target && IsWritten(Path.GetFileName(path))));
    }

    private static bool IsWritten(string descriptor)
    {
        try
        {
            const string Flags = "flags:";
            string? flags = File.ReadLines($"/proc/self/fdinfo/{descriptor}").FirstOrDefault(line => line.StartsWith(Flags, StringComparison.Ordinal))?[Flags.Length..].Trim();
            return flags is { Length: > 0 } && ((flags[^1] - '0') & 3) == 1;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static string? Target(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
