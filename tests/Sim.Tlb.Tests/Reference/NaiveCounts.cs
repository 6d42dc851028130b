namespace Sim.Tlb.Tests.Reference;

/// <summary>Named counters; one that was never added to is 0.</summary>
internal sealed class NaiveCounts
{
    private readonly Dictionary<string, long> _counts = [];

    /// <summary>All that are not 0, by name.</summary>
    public IEnumerable<KeyValuePair<string, long>> All => _counts.Where(count => count.Value != 0);

    public void Add(string name, long amount) => _counts[name] = _counts.GetValueOrDefault(name) + amount;
}
