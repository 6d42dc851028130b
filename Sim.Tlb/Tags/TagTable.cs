using Sim.Core;

namespace Sim.Tlb;

/// <summary>Gives each <see cref="Tag"/> a small number, its context id: 1, 2, ... in order of first use.</summary>
internal sealed class TagTable
{
    private readonly Dictionary<Tag, int> _ids = [];
    private Tag[] _tags = new Tag[16];

    /// <summary>One more than the largest context id.</summary>
    public int Count { get; private set; } = 1;

    /// <summary>The tag of a context id.</summary>
    public ref readonly Tag this[int context] => ref _tags[context];

    /// <summary>The context id of a tag, the same for equal tags.</summary>
    /// <exception cref="ConfigurationException">More distinct tags than an entry's 16 bits can tell apart.</exception>
    public int Intern(in Tag tag)
    {
        if (_ids.TryGetValue(tag, out int id))
        {
            return id;
        }

        if (Count > EntryKey.MaxContext)
        {
            throw new ConfigurationException($"One lane met more than {EntryKey.MaxContext} distinct tags (kind, VPID or ASID, PCID, EP4TA). Cut the trace, or map its roots to fewer PCIDs.");
        }

        if (Count == _tags.Length)
        {
            Array.Resize(ref _tags, 2 * Count);
        }

        _tags[Count] = tag;
        _ids.Add(tag, Count);
        return Count++;
    }
}
