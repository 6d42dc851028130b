using Sim.Core.Profiles;

namespace Sim.Kvm.Interrupts;

/// <summary>Where an activity goes on behind a step.</summary>
public enum Flow
{
    /// <summary>At the program's next step.</summary>
    Next,

    /// <summary>Behind the place that called this program.</summary>
    Return,

    /// <summary>At the same step again: what it waits for is not so yet.</summary>
    Stay,
}

/// <summary>One atomic step of an interrupt path: nobody else sees it half done. Between two steps anything may happen on other CPUs.</summary>
public sealed class Step
{
    private readonly Func<Activity, Flow> _run;

    /// <summary>A step.</summary>
    /// <param name="name">What it does, in the words of KVM or the SDM.</param>
    /// <param name="cycles">What it costs whoever carries it out.</param>
    /// <param name="run">Its effect.</param>
    public Step(string name, Func<CpuProfile, int> cycles, Func<Activity, Flow> run)
    {
        Name = name;
        Cycles = cycles;
        _run = run;
    }

    /// <summary>What it does.</summary>
    public string Name { get; }

    /// <summary>Cycles of a profile for it.</summary>
    public Func<CpuProfile, int> Cycles { get; }

    /// <summary>Carries it out.</summary>
    public Flow Run(Activity activity) => _run(activity);

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>Steps in order.</summary>
public sealed class Program
{
    private readonly Step[] _steps;

    /// <summary>A program.</summary>
    public Program(string name, params Step[] steps)
    {
        Name = name;
        _steps = steps;
    }

    /// <summary>What it is for.</summary>
    public string Name { get; }

    /// <summary>The steps.</summary>
    public IReadOnlyList<Step> Steps => _steps;

    internal int Length => _steps.Length;

    internal Step this[int index] => _steps[index];

    /// <summary>This program with one step less: how tests make a rule that is known to be wrong.</summary>
    public Program Without(Step step) => new($"{Name} without '{step.Name}'", [.. _steps.Where(s => s != step)]);

    /// <summary>This program with two neighbours exchanged.</summary>
    public Program Swapped(Step first, Step second)
    {
        Step[] steps = [.. _steps];
        int a = Array.IndexOf(steps, first);
        int b = Array.IndexOf(steps, second);
        (steps[a], steps[b]) = (second, first);
        return new Program($"{Name} with '{second.Name}' before '{first.Name}'", steps);
    }
}
