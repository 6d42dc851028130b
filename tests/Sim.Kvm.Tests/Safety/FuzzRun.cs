namespace Sim.Kvm.Tests.Safety;

/// <summary>
/// Fuzzed operations of one policy in one configuration, in stretches of <see cref="Stretch"/> on machines of their own (a seed each), so that they run in parallel and a finding can be replayed and
/// shortened.
/// </summary>
internal sealed class FuzzRun(Func<ulong, SafetyFuzz> machine)
{
    /// <summary>Operations on one machine.</summary>
    public const int Stretch = 50_000;

    private readonly object _gate = new();
    private ulong? _failed;

    /// <summary>Operations carried out.</summary>
    public long Operations { get; private set; }

    /// <summary>Uses of old translations that the architecture permits.</summary>
    public long Permitted { get; private set; }

    /// <summary>The shortest sequence known that ends in a wrong use, or in a disagreement between the oracle and the naive reference, with its story; null if nothing was found.</summary>
    public string? Finding => _failed is { } seed ? Explain(seed) : null;

    /// <summary>Carries out that many operations, with these threads. Stops at a finding; of several the one with the lowest seed counts.</summary>
    public FuzzRun Run(long operations, int threads = 1)
    {
        int stretches = (int)((operations + Stretch - 1) / Stretch);
        Parallel.For(0, stretches, new ParallelOptions { MaxDegreeOfParallelism = threads }, (i, loop) =>
        {
            ulong seed = (ulong)i + 1;
            SafetyFuzz fuzz = machine(seed);
            int done = 0;
            int wanted = (int)Math.Min(Stretch, operations - ((long)i * Stretch));
            while (done < wanted && IsFine(fuzz))
            {
                done += fuzz.Apply(fuzz.Draw()) ? 1 : 0;
            }

            lock (_gate)
            {
                Operations += done;
                Permitted += fuzz.Permitted;
                if (!IsFine(fuzz))
                {
                    _failed = Math.Min(_failed ?? seed, seed);
                    loop.Break();
                }
            }
        });
        return this;
    }

    private static bool IsFine(SafetyFuzz fuzz) => fuzz.Incidents == 0 && fuzz.Disagreement is null;

    /// <summary>Replays operations on a machine of their own.</summary>
    private SafetyFuzz Replay(IReadOnlyList<FuzzOperation> operations)
    {
        SafetyFuzz fuzz = machine(0);
        foreach (FuzzOperation operation in operations)
        {
            fuzz.Apply(operation);
            if (!IsFine(fuzz))
            {
                break;
            }
        }

        return fuzz;
    }

    private string Explain(ulong seed)
    {
        SafetyFuzz drawn = machine(seed);
        List<FuzzOperation> operations = [];
        while (IsFine(drawn))
        {
            FuzzOperation operation = drawn.Draw();
            if (drawn.Apply(operation))
            {
                operations.Add(operation);
            }
        }

        bool isWrong = drawn.Disagreement is null;
        IReadOnlyList<FuzzOperation> least = FuzzShrinker.Shrink(operations, fewer => Replay(fewer) is var fuzz && !IsFine(fuzz) && isWrong == (fuzz.Disagreement is null));
        SafetyFuzz replayed = Replay(least);
        return $"after {operations.Count} operations of seed {seed}; {least.Count} are enough:\n  {string.Join("\n  ", least)}\n{replayed.Disagreement}{replayed.Story}";
    }
}
