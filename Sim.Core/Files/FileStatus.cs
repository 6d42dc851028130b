using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Sim.Core.Files;

/// <summary>What the system says a path is: statx(2), which alone tells a device or a pipe from a file without opening it, and one file from another whatever its names are.</summary>
/// <param name="Kind">The file-type bits of its mode.</param>
/// <param name="Device">The file system.</param>
/// <param name="Inode">The file on it.</param>
internal readonly partial record struct FileStatus(int Kind, ulong Device, ulong Inode)
{
    private const int CurrentFolder = -100;
    private const int DoNotFollow = 0x100;
    private const uint BasicFields = 0x7FF;
    private const int KindMask = 0xF000;
    private const int Regular = 0x8000;
    private const int Folder = 0x4000;
    private const int Link = 0xA000;

    /// <summary>A file with bytes that can be replaced.</summary>
    public bool IsRegular => Kind == Regular;

    /// <summary>A folder.</summary>
    public bool IsFolder => Kind == Folder;

    /// <summary>A symbolic link; only without following.</summary>
    public bool IsLink => Kind == Link;

    /// <summary>The status of a path; null if there is nothing, or it may not be looked at.</summary>
    /// <param name="path">The path.</param>
    /// <param name="follow">Of what a symbolic link leads to, or of the link.</param>
    public static FileStatus? Of(string path, bool follow = true)
    {
        if (!OperatingSystem.IsLinux())
        {
            return File.Exists(path) ? new FileStatus(Regular, 0, Hash64.Of(Path.GetFullPath(path))) : Directory.Exists(path) ? new FileStatus(Folder, 0, 0) : null;
        }

        // The layout of struct statx is the same on every architecture.
        byte[] status = new byte[256];
        return StatX(CurrentFolder, Encoding.UTF8.GetBytes(path + '\0'), follow ? 0 : DoNotFollow, BasicFields, status) != 0 ? null
            : new FileStatus(
                BinaryPrimitives.ReadUInt16LittleEndian(status.AsSpan(28)) & KindMask,
                BinaryPrimitives.ReadUInt64LittleEndian(status.AsSpan(136)),
                BinaryPrimitives.ReadUInt64LittleEndian(status.AsSpan(32)));
    }

    [LibraryImport("libc", EntryPoint = "statx")]
    private static partial int StatX(int folder, byte[] path, int flags, uint mask, byte[] status);
}
