namespace Sim.Tlb;

/// <summary>A counter per flush cause; grows as causes appear.</summary>
internal sealed class CauseCounts
{
    private long[] _counts = new long[8];

    public long Total { get; private set; }

    public long this[int cause] => cause < _counts.Length ? _counts[cause] : 0;

    public void Add(int cause, long amount)
    {
        if (cause >= _counts.Length)
        {
            Array.Resize(ref _counts, Math.Max(2 * _counts.Length, cause + 1));
        }

        _counts[cause] += amount;
        Total += amount;
    }
}
