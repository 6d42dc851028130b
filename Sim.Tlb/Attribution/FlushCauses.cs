namespace Sim.Tlb;

/// <summary>Why entries were invalidated: which invalidation, issued at which kind of transition or instruction, decided by which rule.</summary>
/// <param name="Invalidation">For instance invvpid_single.</param>
/// <param name="Transition">For instance nested_entry, nested_exit, guest (the guest's own instruction), context_switch.</param>
/// <param name="Rule">The policy's or the architecture's rule, for instance new_vpid12, no_vpid12, mov_to_cr3.</param>
public readonly record struct FlushCause(string Invalidation, string Transition, string Rule);

/// <summary>Gives each <see cref="FlushCause"/> a small number.</summary>
public sealed class FlushCauses
{
    private readonly List<FlushCause> _causes = [];
    private readonly Dictionary<FlushCause, int> _ids = [];

    /// <summary>Number of distinct causes so far.</summary>
    public int Count => _causes.Count;

    /// <summary>The cause with that number.</summary>
    public FlushCause this[int id] => _causes[id];

    /// <summary>The number of a cause, the same for equal causes; numbers go up from 0 in order of first use.</summary>
    public int Intern(in FlushCause cause)
    {
        if (!_ids.TryGetValue(cause, out int id))
        {
            id = _causes.Count;
            _causes.Add(cause);
            _ids.Add(cause, id);
        }

        return id;
    }
}
