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

    internal int Length => _steps.Length;

    internal Step this[int index] => _steps[index];

    /// <summary>This program without a step; itself if it has none such. Like the next three, how a rule that is known to be wrong is made of the right one.</summary>
    internal Program Without(Step step) => Has(step) ? new Program(Name, [.. _steps.Where(s => s != step)]) : this;

    /// <summary>This program with one step more, behind another one; itself if it has none such.</summary>
    internal Program Added(Step step, Step behind) => Has(behind) ? new Program(Name, [.. _steps.SelectMany(s => s == behind ? new[] { s, step } : [s])]) : this;

    /// <summary>This program with a step behind another one; itself if it has not both.</summary>
    internal Program Moved(Step step, Step behind) => Has(step) && Has(behind) ? Without(step).Added(step, behind) : this;

    /// <summary>This program with another step in place of one; itself if it has none such.</summary>
    internal Program Replaced(Step step, Step by) => Has(step) ? new Program(Name, [.. _steps.Select(s => s == step ? by : s)]) : this;

    private bool Has(Step step) => Array.IndexOf(_steps, step) >= 0;
}
