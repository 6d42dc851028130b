using Sim.Core;

namespace Sim.Workloads.Importers;

/// <summary>Which field of a row is which column of a CSV trace; -1: there is none.</summary>
/// <param name="Count">Fields of a row.</param>
/// <param name="AddressAt">The address, which must be there.</param>
/// <param name="TimeAt">Reference cycles.</param>
/// <param name="LaneAt">Number of the physical CPU.</param>
/// <param name="TypeAt">Read, write or fetch.</param>
/// <param name="SizeAt">Bytes.</param>
/// <param name="CplAt">Privilege level.</param>
/// <param name="LevelAt">Who runs: 0, 1 or 2.</param>
internal sealed record CsvColumns(int Count, int AddressAt, int TimeAt, int LaneAt, int TypeAt, int SizeAt, int CplAt, int LevelAt)
{
    /// <summary>The column that must be there.</summary>
    public const string Address = "address";

    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names { get; } = [Address, "time", "lane", "type", "size", "cpl", "level"];

    /// <summary>Reads the names of a first line.</summary>
    /// <exception cref="TraceFormatException">A name is unknown or comes twice, or there is no address.</exception>
    public static CsvColumns Of(string file, IReadOnlyList<string> header)
    {
        int[] at = [.. Enumerable.Repeat(-1, Names.Count)];
        for (int i = 0; i < header.Count; i++)
        {
            string name = header[i].Trim().ToLowerInvariant();
            int column = -1;
            for (int known = 0; known < Names.Count; known++)
            {
                column = Names[known] == name ? known : column;
            }

            if (column < 0 || at[column] >= 0)
            {
                throw new TraceFormatException(
                    file,
                    $"line 1, column {i + 1}",
                    $"the name of a column: {string.Join(", ", Names)}, each once",
                    $"'{header[i]}'{(column < 0 ? "" : " again")}",
                    "Rename the column, or drop it (cut -d, -f1-3).");
            }

            at[column] = i;
        }

        return at[0] >= 0
            ? new CsvColumns(header.Count, at[0], at[1], at[2], at[3], at[4], at[5], at[6])
            : throw new TraceFormatException(file, "line 1", $"a column called {Address}", $"'{string.Join(',', header)}'", "Name the column that holds the addresses.");
    }
}
