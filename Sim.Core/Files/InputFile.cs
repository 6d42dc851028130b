using System.Text;

namespace Sim.Core.Files;

/// <summary>Opens the files that a user names. What the system says against it becomes the user's error, wherever the name came from.</summary>
public static class InputFile
{
    /// <summary>The largest file that is read as a whole (JSON, baselines): results of a large sweep have some ten megabytes.</summary>
    public const long LargestText = 256L << 20;

    private const int BufferBytes = 1 << 16;

    /// <summary>Opens a file to be read once from its beginning, or standard input if <paramref name="path"/> is "-".</summary>
    /// <param name="path">Its path.</param>
    /// <param name="kind">What the file is to the user: "trace", "result file".</param>
    /// <param name="hint">A sentence that says what to give.</param>
    /// <exception cref="ConfigurationException">There is no such file, it may not be read, or it is a folder.</exception>
    public static Stream Open(string path, string kind, string hint) => path == "-" ? StandardInput.Open() : OpenNamed(path, kind, hint);

    /// <summary>Opens a file to be read once from its beginning; "-" is a name like others.</summary>
    /// <exception cref="ConfigurationException">There is no such file, it may not be read, or it is a folder.</exception>
    public static FileStream OpenNamed(string path, string kind, string hint)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, BufferBytes, FileOptions.SequentialScan);
        }
        catch (Exception e) when (IsRefusal(e))
        {
            throw Refused(path, kind, "opened", hint, e);
        }
    }

    /// <summary>Reads a whole file, or standard input if <paramref name="path"/> is "-".</summary>
    /// <exception cref="ConfigurationException">It cannot be read, or has more than <see cref="LargestText"/> bytes.</exception>
    public static byte[] ReadBytes(string path, string kind, string hint)
    {
        try
        {
            using Stream file = path == "-" ? StandardInput.Open() : new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, BufferBytes, FileOptions.SequentialScan);
            using MemoryStream content = new();
            byte[] buffer = new byte[BufferBytes];
            for (int read; (read = file.Read(buffer)) > 0;)
            {
                content.Write(buffer, 0, read);
                if (content.Length > LargestText)
                {
                    throw new ConfigurationException($"The {kind} '{path}' has more than {LargestText >> 20} MiB, and this command reads it as a whole. {hint}");
                }
            }

            return content.ToArray();
        }
        catch (Exception e) when (IsRefusal(e))
        {
            throw Refused(path, kind, "read", hint, e);
        }
    }

    /// <summary>Reads a whole file of text in UTF-8, with or without a byte order mark, or standard input if <paramref name="path"/> is "-".</summary>
    /// <exception cref="ConfigurationException">It cannot be read, or has more than <see cref="LargestText"/> bytes.</exception>
    /// <exception cref="TraceFormatException">It is not UTF-8.</exception>
    public static string ReadText(string path, string kind, string hint)
    {
        ReadOnlySpan<byte> content = ReadBytes(path, kind, hint);
        ReadOnlySpan<byte> mark = Encoding.UTF8.Preamble;
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(content.StartsWith(mark) ? content[mark.Length..] : content);
        }
        catch (DecoderFallbackException e)
        {
            throw new TraceFormatException(path, $"offset {e.Index}", "text in UTF-8", "other bytes", "The file is damaged or in another encoding.", e);
        }
    }

    /// <summary>What a constructor or a read throws because of the file and not because of us.</summary>
    private static bool IsRefusal(Exception e) => e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException;

    private static ConfigurationException Refused(string path, string kind, string done, string hint, Exception e) =>
        new($"The {kind} '{path}' cannot be {done}: {(path.Length == 0 ? "its name is empty." : path.Contains('\0', StringComparison.Ordinal) ? "its name has a zero character." : e.Message)} {hint}", e);
}
