using System.Collections.Concurrent;

namespace Sim.Kvm.Interrupts;

/// <summary>A rule that is known to be wrong: KVM's or the hardware's programs with a step moved, left out or replaced.</summary>
internal sealed class WrongRule
{
    private readonly ConcurrentDictionary<Program, Program> _changed = new();
    private readonly Func<Program, Program> _change;
    private readonly Func<IInterruptPath, InterruptSource, bool>? _isAbout;

    /// <summary>A rule.</summary>
    /// <param name="name">Name, in kebab case.</param>
    /// <param name="summary">What it does wrong.</param>
    /// <param name="change">Gives the wrong program for a right one, or the same if the rule is not about it.</param>
    /// <param name="isAbout">Paths and senders to which it matters, if not to all whose programs it changes.</param>
    public WrongRule(string name, string summary, Func<Program, Program> change, Func<IInterruptPath, InterruptSource, bool>? isAbout = null)
    {
        _isAbout = isAbout;
        Name = name;
        Summary = summary;
        _change = change;
    }

    /// <summary>The rule of KVM and the hardware: changes nothing, and keeps which programs were carried out.</summary>
    public static WrongRule None() => new("correct", "KVM's and the hardware's rules as they are", program => program);

    public string Name { get; }

    public string Summary { get; }

    /// <summary>This rule where it matters to a race.</summary>
    public WrongRule On(Func<IInterruptPath, InterruptSource, bool> isAbout) => new(Name, Summary, _change, isAbout);

    /// <summary>Whether the rule matters.</summary>
    public bool IsAbout(IInterruptPath path, InterruptSource sender) => _isAbout?.Invoke(path, sender) ?? true;

    /// <summary>Programs that were looked up.</summary>
    public ICollection<Program> Programs => _changed.Keys;

    /// <summary>The program in force: always the same one for the same program.</summary>
    public Program Apply(Program program) => _changed.GetOrAdd(program, _change);
}
