using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Sim.Core.Files;

/// <summary>
/// A folder that a set of files is written to, claimed before the work begins: it is made if needed, and a second process that wants the same folder is told. The claim is a lock on the folder
/// itself (flock(2)), so that nothing is left behind, however the process ends.
/// </summary>
public sealed partial class OutputFolder : IDisposable
{
    private const int ReadOnlyCloseOnExec = 0x80000;
    private const int ExclusiveNotBlocking = 2 | 4;
    private const int WouldBlock = 11;

    private readonly SafeFileHandle? _claim;
    private readonly string _kind;
    private readonly bool _isNew;
    private readonly List<OutputFile> _files = [];

    private OutputFolder(string path, string kind, bool isNew, SafeFileHandle? claim)
    {
        Path = path;
        _kind = kind;
        _isNew = isNew;
        _claim = claim;
    }

    /// <summary>As the user gave it.</summary>
    public string Path { get; }

    /// <summary>Claims a folder, making it and those above it if they are not there.</summary>
    /// <param name="path">Where it is.</param>
    /// <param name="kind">What its files are to the user: "result file".</param>
    /// <exception cref="ConfigurationException">Its name is empty or that of a file, it cannot be made, or another process writes to it.</exception>
    public static OutputFolder Claim(string path, string kind)
    {
        if (path.Length == 0)
        {
            throw new ConfigurationException("The folder '' cannot be written to: its name is empty. Name a folder, or leave the option out.");
        }

        bool isNew = !Directory.Exists(path);
        try
        {
            Directory.CreateDirectory(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new ConfigurationException($"The folder '{path}' cannot be made: {(System.IO.File.Exists(path) ? "a file has its name." : e.Message)} Name another one.", e);
        }

        return new OutputFolder(path, kind, isNew, Lock(path));
    }

    /// <summary>A file of the set; it can be written.</summary>
    /// <exception cref="ConfigurationException">It cannot.</exception>
    public OutputFile File(string name)
    {
        OutputFile file = OutputFile.Check(System.IO.Path.Combine(Path, name), _kind);
        _files.Add(file);
        return file;
    }

    /// <summary>Ends the claim, and removes a folder that was made for files that did not come.</summary>
    public void Dispose()
    {
        _files.ForEach(file => file.Dispose());
        if (_isNew && Directory.Exists(Path) && !Directory.EnumerateFileSystemEntries(Path).Any())
        {
            Directory.Delete(Path);
        }

        _claim?.Dispose();
    }

    private static SafeFileHandle? Lock(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        SafeFileHandle handle = new((nint)OpenFolder(Encoding.UTF8.GetBytes(path + '\0'), ReadOnlyCloseOnExec), ownsHandle: true);
        if (handle.IsInvalid || Flock(handle, ExclusiveNotBlocking) == 0)
        {
            return handle;
        }

        int error = Marshal.GetLastPInvokeError();
        if (error != WouldBlock)
        {
            // A file system without locks: two processes are on their own there.
            return handle;
        }

        handle.Dispose();
        throw new ConfigurationException($"Another nestsim is writing to the folder '{path}'. Wait for it, or name another folder.");
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    private static partial int OpenFolder(byte[] path, int flags);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int Flock(SafeFileHandle file, int operation);
}
