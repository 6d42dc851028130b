using System.Collections.Concurrent;

namespace Sim.Core.Files;

/// <summary>Files and folders that are of no use to anybody if the process ends now: they are removed when it ends before its time.</summary>
public static class Unfinished
{
    private static readonly ConcurrentDictionary<string, bool> Paths = new(StringComparer.Ordinal);

    /// <summary>A path to be removed.</summary>
    public static void Add(string path) => Paths[Path.GetFullPath(path)] = true;

    /// <summary>A path that is finished, or gone.</summary>
    public static void Remove(string path) => Paths.TryRemove(Path.GetFullPath(path), out _);

    /// <summary>Removes all that is there. Whoever still writes to one of them writes to nothing.</summary>
    public static void RemoveAll()
    {
        foreach (string path in Paths.Keys)
        {
            try
            {
                if (Directory.Exists(path))
                {
                    Directory.Delete(path, recursive: true);
                }
                else
                {
                    File.Delete(path);
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Somebody took it away, or its folder; nothing can be done here.
            }
        }
    }
}
