using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;

namespace Sim.Workloads.Importers;

/// <summary>The text of <c>valgrind --tool=lackey --trace-mem=yes</c>.</summary>
[Component("lackey", Summary = "Valgrind lackey text (--trace-mem=yes): every memory access of one user program.")]
public sealed class LackeyFormat : ITraceFormat
{
    /// <inheritdoc/>
    public bool Sniff(ReadOnlySpan<byte> head)
    {
        bool lackey = false;
        while (head.IndexOf((byte)'\n') is int end && end >= 0)
        {
            ReadOnlySpan<byte> line = head[..end];
            if (!LackeySource.IsMessage(line))
            {
                return LackeySource.IsAccess(line);
            }

            lackey |= line.IndexOf("Lackey"u8) >= 0;
            head = head[(end + 1)..];
        }

        // Nothing but Valgrind's messages so far, or one line without its end.
        return lackey || LackeySource.IsAccess(head);
    }

    /// <inheritdoc/>
    public byte[]? Example => "==500== Lackey, an example Valgrind tool\nI  04000000,3\n L 1ffeffe7e0,8\n S 1ffeffe7d8,8\n M 0421c7cc,4\n==500== done\n"u8.ToArray();

    /// <inheritdoc/>
    public ITraceSource Open(Stream stream, string name) => new LackeySource(stream, name);
}
