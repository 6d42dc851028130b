namespace Sim.Workloads.Generators;

/// <summary>
/// Makes a synthetic trace. A generator is one class with <see cref="Core.ComponentAttribute"/>, found by itself; the options every generator has (seed, accesses, cpi,
/// fold) are in <see cref="GeneratorCatalogue.CommonOptions"/>.
/// </summary>
public interface IWorkloadGenerator
{
    /// <summary>The options of its own, in the order of the help.</summary>
    IReadOnlyList<GeneratorOption> Options { get; }

    /// <summary>Writes the records, in one pass with constant memory, from the settings and their seed alone.</summary>
    void Generate(GeneratorSettings settings, GeneratedLane lane);
}
