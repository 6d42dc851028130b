using Sim.Captures.Ftrace;
using Sim.Core;

namespace Sim.Captures.HwLog;

/// <summary>One page walk with the sizes of both pages, as a list beside a memory window has it.</summary>
/// <param name="NonRoot">A guest's walk.</param>
/// <param name="Vpid">VPID in force.</param>
/// <param name="Eptp">EPT pointer in force, 0 for none.</param>
/// <param name="Cr3">CR3 in force.</param>
/// <param name="Address">Linear address of the 4 KiB page.</param>
/// <param name="SecondLevelSize">Bytes of the EPT page, 0 without EPT.</param>
public readonly record struct ListedPage(bool NonRoot, ulong Vpid, ulong Eptp, ulong Cr3, ulong Address, ulong SecondLevelSize);

/// <summary>
/// Reads the list of page sizes beside a memory window, one walk a line: CPU, mode, VPID, EPT pointer, CR3, linear address, host-physical address, bytes of the guest's page, bytes of
/// the EPT page, access. All but CPU and VPID are hexadecimal.
/// </summary>
public static class PageSizeList
{
    /// <summary>The list that belongs to a memory window by its name: <c>X.pagesizes.txt.xz</c> beside <c>X.pages.txt.xz</c> or <c>X.full.txt.xz</c>; null if there is none.</summary>
    public static string? Beside(string window)
    {
        foreach (string kind in new[] { ".pages.", ".full." })
        {
            string name = Path.GetFileName(window);
            string list = Path.Combine(Path.GetDirectoryName(window) ?? "", name.Replace(kind, ".pagesizes.", StringComparison.Ordinal));
            if (name.Contains(kind, StringComparison.Ordinal) && File.Exists(list))
            {
                return list;
            }
        }

        return null;
    }

    /// <summary>All lines of a list, in order.</summary>
    /// <param name="path">Path of the list; plain, gzip, xz or zstd.</param>
    /// <exception cref="TraceFormatException">A line is not one of such a list.</exception>
    public static IReadOnlyList<ListedPage> Read(string path)
    {
        using LineReader lines = new(CaptureText.Open(path), CaptureText.NameOf(path));
        List<ListedPage> pages = [];
        while (lines.Read(out ReadOnlySpan<byte> line))
        {
            pages.Add(Parse(lines, line));
        }

        return pages;
    }

    private static ListedPage Parse(LineReader lines, ReadOnlySpan<byte> line)
    {
        TextCursor cursor = new(line);
        bool nonRoot = false;
        bool good = cursor.Decimal(out _) && cursor.SkipSpaces() && ((nonRoot = cursor.Skip("G"u8)) || cursor.Skip("R"u8)) && cursor.SkipSpaces();
        good &= cursor.Decimal(out ulong vpid) & cursor.SkipSpaces();
        Span<ulong> values = stackalloc ulong[6];
        foreach (ref ulong value in values)
        {
            good &= cursor.Hex(out value) & cursor.SkipSpaces();
        }

        (ulong eptp, ulong cr3, ulong address, ulong guest, ulong second) = (values[0], values[1], values[2], values[4], values[5]);
        if (!good || !IsPageSize(guest) || !(second == 0 || IsPageSize(second)) || cursor.Rest.Length != 3)
        {
            throw lines.Malformed(
                "CPU MODE VPID EPTP CR3 LA PA GUEST-PAGE EPT-PAGE ACCESS, with page sizes 1000, 200000 or 40000000", TextCursor.Show(line),
                "The list is damaged, or not one of page sizes.");
        }

        return new ListedPage(nonRoot, vpid, eptp, cr3, address, second);
    }

    private static bool IsPageSize(ulong bytes) => bytes is 1UL << 12 or 1UL << 21 or 1UL << 30;
}
