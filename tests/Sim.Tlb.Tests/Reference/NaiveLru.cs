namespace Sim.Tlb.Tests.Reference;

/// <summary>A fully associative LRU structure as one list, the least recent last.</summary>
internal sealed class NaiveLru<T>
{
    private readonly List<T> _items = [];
    private readonly int _capacity;

    public NaiveLru(int capacity) => _capacity = capacity;

    public int Live => _items.Count;

    public long Fills { get; private set; }

    public long Evictions { get; private set; }

    public bool Contains(Predicate<T> isIt) => _items.Exists(isIt);

    /// <summary>Finds an item and makes it the most recent.</summary>
    public bool Use(Predicate<T> isIt, out T? found)
    {
        int i = _items.FindIndex(isIt);
        found = i < 0 ? default : _items[i];
        if (i > 0)
        {
            _items.RemoveAt(i);
            _items.Insert(0, found!);
        }

        return i >= 0;
    }

    /// <summary>Makes an item that is not there the most recent one.</summary>
    public void Add(T item)
    {
        if (_capacity == 0)
        {
            return;
        }

        if (_items.Count == _capacity)
        {
            _items.RemoveAt(_capacity - 1);
            Evictions++;
        }

        _items.Insert(0, item);
        Fills++;
    }

    public int Drop(Predicate<T> goes) => _items.RemoveAll(goes);
}
