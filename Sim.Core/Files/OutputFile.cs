using System.Security.Cryptography;

namespace Sim.Core.Files;

/// <summary>
/// A file that is written: whole or not at all. That it can be written is found out before the work begins (<see cref="Check"/>); its content goes to a file with a random name beside it, which
/// takes its place when it is complete, keeps the mode of what was there, and goes without a trace otherwise. A symbolic link in its place is replaced, not followed. A device or a pipe is
/// written to as it is.
/// </summary>
public sealed class OutputFile : IDisposable
{
    private const int BufferBytes = 1 << 16;
    private const string Hint = "Name a file in a folder that exists and may be written to.";

    private readonly bool _inPlace;
    private OutputStream? _stream;
    private string? _temporary;

    private OutputFile(string path, string kind, bool inPlace)
    {
        Path = path;
        Kind = kind;
        _inPlace = inPlace;
    }

    /// <summary>As the user gave it.</summary>
    public string Path { get; }

    /// <summary>What it is to the user: "trace", "result file".</summary>
    public string Kind { get; }

    /// <summary>True for a device or a pipe.</summary>
    public bool IsInPlace => _inPlace;

    /// <summary>Begins a file: it is known from here on that it can be written. Nothing is left behind if it is not.</summary>
    /// <param name="path">Where it shall be.</param>
    /// <param name="kind">What it is to the user: "trace", "result file".</param>
    /// <param name="inputs">Files that are read for it: it must be none of them.</param>
    /// <exception cref="ConfigurationException">Its name is empty or that of a folder, its folder does not exist or may not be written to, or it is an input.</exception>
    public static OutputFile Check(string path, string kind, params IEnumerable<string> inputs)
    {
        if (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal))
        {
            throw Refused(path, kind, path.Length == 0 ? "its name is empty." : "its name has a zero character.", null);
        }

        FileStatus? there = FileStatus.Of(path);
        if (there is { IsFolder: true } || path.EndsWith('/'))
        {
            throw Refused(path, kind, "it is a folder.", null);
        }

        if (inputs.Any(input => there is { } known && FileStatus.Of(input) == known))
        {
            throw Refused(path, kind, "it is an input of this command.", null);
        }

        OutputFile file = new(path, kind, there is { IsRegular: false } || (there is not null && IsDescriptor(path)));
        if (!file._inPlace)
        {
            // What may be made beside it may take its place.
            file.Open();
            file.Dispose();
        }

        return file;
    }

    /// <summary>The stream for the content. What the system says against writing becomes the user's error.</summary>
    /// <exception cref="ConfigurationException">It cannot be made.</exception>
    public Stream Open()
    {
        try
        {
            if (_inPlace)
            {
                return _stream = new OutputStream(new FileStream(Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, BufferBytes), this);
            }

            string temporary = System.IO.Path.Combine(FolderOf(Path), $".nestsim-{RandomNumberGenerator.GetHexString(16, lowercase: true)}.partial");
            FileStream file = new(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.Read, BufferBytes);
            Unfinished.Add(temporary);
            _temporary = temporary;
            _stream = new OutputStream(file, this);
            KeepMode(temporary);
            return _stream;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw Refused(e);
        }
    }

    /// <summary>Writes the whole content, without giving the file its name yet.</summary>
    /// <exception cref="ConfigurationException">It cannot be written.</exception>
    public void Write(ReadOnlySpan<byte> content)
    {
        Open().Write(content);
        Close();
    }

    /// <summary>The content is complete: what is buffered is written. The file has no name yet.</summary>
    /// <exception cref="ConfigurationException">It cannot be written.</exception>
    public void Close()
    {
        _stream?.Close();
        _stream = null;
    }

    /// <summary>Gives the complete content its name.</summary>
    /// <exception cref="ConfigurationException">It cannot be written.</exception>
    public void Commit() => Commit([this]);

    /// <summary>Gives a set of files their names: all of them, or, if one cannot have it, none.</summary>
    /// <exception cref="ConfigurationException">One cannot be written; all are as they were.</exception>
    public static void Commit(IReadOnlyList<OutputFile> files)
    {
        List<(OutputFile File, Replaced Replaced)> done = [];
        try
        {
            foreach (OutputFile file in files)
            {
                file.Close();
            }

            foreach (OutputFile file in files.Where(file => file._temporary is not null))
            {
                done.Add((file, file.TakePlace(keepsOld: files.Count > 1)));
            }
        }
        catch
        {
            foreach ((OutputFile file, Replaced replaced) in done)
            {
                file.GiveBack(replaced);
            }

            throw;
        }

        foreach ((OutputFile file, Replaced replaced) in done)
        {
            file.Finish(replaced.Kept);
        }
    }

    /// <summary>Removes what has no name yet.</summary>
    public void Dispose()
    {
        OutputStream? stream = _stream;
        _stream = null;
        try
        {
            stream?.Abandon();
        }
        finally
        {
            if (_temporary is { } temporary)
            {
                _temporary = null;
                File.Delete(temporary);
                Unfinished.Remove(temporary);
            }
        }
    }

    /// <summary>The error that this file cannot be written.</summary>
    internal ConfigurationException Refused(Exception e) => Refused(Path, Kind, e.Message, e);

    private static ConfigurationException Refused(string path, string kind, string why, Exception? e) => new($"The {kind} '{path}' cannot be written: {why} {Hint}", e);

    private static string FolderOf(string path) => System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;

    /// <summary>A name under /proc of something that is open: /dev/stdout, also where it is redirected to a file.</summary>
    private static bool IsDescriptor(string path)
    {
        string at = System.IO.Path.GetFullPath(path);
        for (int links = 0; links < 8; links++)
        {
            if (at.StartsWith("/proc/", StringComparison.Ordinal))
            {
                return true;
            }

            if (new FileInfo(at).LinkTarget is not { } target)
            {
                return false;
            }

            at = System.IO.Path.GetFullPath(target, System.IO.Path.GetDirectoryName(at)!);
        }

        return false;
    }

    private void KeepMode(string temporary)
    {
        if (!OperatingSystem.IsWindows() && FileStatus.Of(Path, follow: false) is { IsRegular: true })
        {
            File.SetUnixFileMode(temporary, File.GetUnixFileMode(Path));
        }
    }

    private Replaced TakePlace(bool keepsOld)
    {
        try
        {
            FileStatus? there = FileStatus.Of(Path, follow: false);
            if (keepsOld && there is { IsRegular: true })
            {
                string old = _temporary + ".old";
                try
                {
                    Unfinished.Add(old);
                    File.Replace(_temporary!, Path, old);
                    return new Replaced(true, old);
                }
                catch (IOException)
                {
                    // A file system without a second name for a file: the old content is not kept.
                    Unfinished.Remove(old);
                }
            }

            File.Move(_temporary!, Path, overwrite: true);
            return new Replaced(there is not null, null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Refused(e);
        }
    }

    private void GiveBack(Replaced replaced)
    {
        if (replaced.Kept is { } old)
        {
            File.Move(old, Path, overwrite: true);
            Unfinished.Remove(old);
        }
        else if (!replaced.WasThere)
        {
            File.Delete(Path);
        }

        Unfinished.Remove(_temporary!);
        _temporary = null;
    }

    private void Finish(string? old)
    {
        if (old is not null)
        {
            File.Delete(old);
            Unfinished.Remove(old);
        }

        Unfinished.Remove(_temporary!);
        _temporary = null;
    }

    /// <summary>What a file took the place of, and where that is kept until the whole set has its names.</summary>
    private readonly record struct Replaced(bool WasThere, string? Kept);
}
