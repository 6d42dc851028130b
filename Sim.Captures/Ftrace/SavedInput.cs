using Sim.Core.Files;

namespace Sim.Captures.Ftrace;

/// <summary>Standard input in a temporary file, for readers that need it twice; the file goes when this does.</summary>
public sealed class SavedInput : IDisposable
{
    /// <summary>Reads standard input to its end.</summary>
    /// <exception cref="IOException">There is no room for it.</exception>
    public SavedInput()
    {
        Path = System.IO.Path.GetTempFileName();
        Unfinished.Add(Path);
        try
        {
            using Stream input = StandardInput.Open();
            using FileStream file = File.Create(Path);
            input.CopyTo(file);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Where it is.</summary>
    public string Path { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        File.Delete(Path);
        Unfinished.Remove(Path);
    }
}
