using System.Runtime.InteropServices;
using Sim.Cli;
using Sim.Core.Files;

Interruption interruption = new();
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => Stop(signal, 130));
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => Stop(signal, 143));
using PosixSignalRegistration hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal => Stop(signal, 129));
return CliApplication.Run(args, Terminal.OfProcess(interruption));

// What nobody listens to ends the process here, and what it has not finished goes with it.
void Stop(PosixSignalContext signal, int exitCode)
{
    signal.Cancel = true;
    if (!interruption.Signal(exitCode))
    {
        Unfinished.RemoveAll();
        Environment.Exit(exitCode);
    }
}
