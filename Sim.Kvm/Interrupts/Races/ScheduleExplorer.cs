namespace Sim.Kvm.Interrupts;

/// <summary>What <see cref="ScheduleExplorer"/> found.</summary>
/// <param name="Schedules">Orders of the first steps, up to the depth; an order that ends earlier counts once.</param>
/// <param name="States">Different states that any order, however long, goes through.</param>
/// <param name="Ends">States in which nothing can happen any more.</param>
/// <param name="WrongEnds">States in which an interrupt is lost, duplicated or misdelivered for good.</param>
/// <param name="Endless">States from which no order ends.</param>
/// <param name="Story">The steps of a shortest wrong order and what went wrong; empty if there is none.</param>
public sealed record ExploredSchedules(long Schedules, int States, int Ends, int WrongEnds, int Endless, IReadOnlyList<string> Story);

/// <summary>
/// Runs a race in every order of its steps: at each moment each CPU, each message on its way, each device and each happening may be next. Orders that lead to the same
/// state are followed once, so that all orders are explored to their end, and not to a depth only.
/// </summary>
/// <remarks>A state is reached by carrying out the choices that lead to it from the start: nothing has to be copied.</remarks>
internal sealed class ScheduleExplorer
{
    private const int MostStates = 200_000;

    private readonly Func<IConductor, Race> _make;
    private readonly int _depth;
    private readonly StateKey _key = new();
    private readonly Dictionary<string, int> _numbers = new(StringComparer.Ordinal);
    private readonly List<Node> _nodes = [];

    /// <summary>An explorer of one race; <paramref name="make"/> builds it anew for each schedule. Schedules are counted to <paramref name="depth"/> steps.</summary>
    public ScheduleExplorer(Func<IConductor, Race> make, int depth)
    {
        _make = make;
        _depth = depth;
    }

    /// <summary>Explores all orders.</summary>
    /// <exception cref="InvalidOperationException">There are too many states.</exception>
    public ExploredSchedules Explore()
    {
        NumberOf(new RaceRun(_make), -1, 0);
        int ends = 0;
        int wrong = 0;
        IReadOnlyList<string> story = [];

        // Breadth first: the first wrong state is one of the fewest steps.
        for (int at = 0; at < _nodes.Count; at++)
        {
            RaceRun probe = Run(at);
            List<int> choices = probe.Choices();
            ends += choices.Count == 0 ? 1 : 0;
            if (probe.Findings(ended: choices.Count == 0) is { Count: > 0 } findings)
            {
                _nodes[at].IsEnd = true;
                if (wrong++ == 0)
                {
                    story = [.. Story(at), .. findings.Select(finding => $"{finding.Kind}: {finding.Story[^1]}")];
                }

                continue;
            }

            _nodes[at].IsEnd = choices.Count == 0;
            _nodes[at].Next = [.. choices.Select(choice =>
            {
                RaceRun run = Run(at);
                run.Take(choice);
                return NumberOf(run, at, choice);
            })];
            if (_nodes.Count > MostStates)
            {
                throw new InvalidOperationException($"A race has more than {MostStates} states: {string.Join(" / ", Story(at))}");
            }
        }

        return new ExploredSchedules(Schedules(), _nodes.Count, ends, wrong, Endless(), story);
    }

    private int NumberOf(RaceRun run, int parent, int choice)
    {
        string state = run.State(_key);
        if (!_numbers.TryGetValue(state, out int number))
        {
            number = _nodes.Count;
            _numbers.Add(state, number);
            _nodes.Add(new Node(parent, choice));
        }

        return number;
    }

    /// <summary>A run that took the choices that lead to a state.</summary>
    private RaceRun Run(int state)
    {
        RaceRun run = new(_make);
        foreach (int choice in Way(state))
        {
            run.Take(choice);
        }

        return run;
    }

    private List<string> Story(int state)
    {
        RaceRun run = new(_make);
        return [.. Way(state).Select(run.Take)];
    }

    private Stack<int> Way(int state)
    {
        Stack<int> way = [];
        for (int at = state; _nodes[at].Parent >= 0; at = _nodes[at].Parent)
        {
            way.Push(_nodes[at].Choice);
        }

        return way;
    }

    /// <summary>Orders of at most <see cref="_depth"/> steps from the start, by how many there are from each state.</summary>
    private long Schedules()
    {
        long[] orders = [.. _nodes.Select(_ => 1L)];
        for (int left = 0; left < _depth; left++)
        {
            orders = [.. _nodes.Select(node => node.Next.Length == 0 ? 1 : node.Next.Sum(next => orders[next]))];
        }

        return orders[0];
    }

    /// <summary>States from which no end can be reached, found backwards from the ends.</summary>
    private int Endless()
    {
        List<int>[] before = [.. _nodes.Select(_ => new List<int>())];
        for (int at = 0; at < _nodes.Count; at++)
        {
            foreach (int next in _nodes[at].Next)
            {
                before[next].Add(at);
            }
        }

        Stack<int> open = new(Enumerable.Range(0, _nodes.Count).Where(at => _nodes[at].IsEnd));
        bool[] ends = new bool[_nodes.Count];
        while (open.TryPop(out int at))
        {
            if (!ends[at])
            {
                ends[at] = true;
                before[at].ForEach(open.Push);
            }
        }

        return ends.Count(end => !end);
    }

    /// <summary>A state: how it was first reached, and the states behind it, one for each choice.</summary>
    private sealed class Node(int parent, int choice)
    {
        public int Parent => parent;

        public int Choice => choice;

        public int[] Next { get; set; } = [];

        public bool IsEnd { get; set; }
    }
}
