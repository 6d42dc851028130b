using Sim.Cli;

using CancellationTokenSource interrupt = new();
Console.CancelKeyPress += (_, pressed) =>
{
    // The first Ctrl-C ends the replay and writes what there is; the second one ends the process.
    pressed.Cancel = !interrupt.IsCancellationRequested;
    interrupt.Cancel();
};
return CliApplication.Run(args, Terminal.OfProcess(interrupt.Token));
