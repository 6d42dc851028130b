using System.Collections.Concurrent;

namespace Sim.Kvm.Interrupts;

/// <summary>A rule that is known to be wrong: KVM's or the hardware's programs with a step moved, left out or replaced.</summary>
internal sealed class WrongRule
{
    private readonly ConcurrentDictionary<Program, Program> _changed = new();
    private readonly Func<Program, Program> _change;

    /// <summary>A rule.</summary>
    /// <param name="name">Name, in kebab case.</param>
    /// <param name="summary">What it does wrong.</param>
    /// <param name="change">Gives the wrong program for a right one, or the same if the rule is not about it.</param>
    public WrongRule(string name, string summary, Func<Program, Program> change)
    {
        Name = name;
        Summary = summary;
        _change = change;
    }

    /// <summary>The rule of KVM and the hardware: changes nothing, and keeps which programs were carried out.</summary>
    public static WrongRule None() => new("correct", "KVM's and the hardware's rules as they are", program => program);

    public string Name { get; }

    public string Summary { get; }

    /// <summary>Programs that were looked up.</summary>
    public ICollection<Program> Programs => _changed.Keys;

    /// <summary>The program in force: always the same one for the same program.</summary>
    public Program Apply(Program program) => _changed.GetOrAdd(program, _change);
}
