namespace Sim.Core.Architecture;

/// <summary>Exceptions by their vectors (SDM vol. 3, "Exception and Interrupt Reference"), those that the simulator knows.</summary>
public enum ExceptionVector : byte
{
    /// <summary>#PF.</summary>
    PageFault = 14,
}
