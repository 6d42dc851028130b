using System.Runtime.InteropServices;
using Sim.Cli;
using Sim.Core.Files;

Interruption interruption = new();
Timer? last = null;
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => Stop(signal, 130));
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => Stop(signal, 143));
using PosixSignalRegistration hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal => Stop(signal, 129));
return CliApplication.Run(args, Terminal.OfProcess(interruption));

// What nobody listens to ends the process here, and what it has not finished goes with it.
void Stop(PosixSignalContext signal, int exitCode)
{
    signal.Cancel = true;
    if (interruption.Signal(exitCode))
    {
        // Whoever listens may wait for a pipe that says nothing any more.
        last = new Timer(_ => End(exitCode), null, TimeSpan.FromSeconds(10), Timeout.InfiniteTimeSpan);
    }
    else
    {
        End(exitCode);
    }
}

static void End(int exitCode)
{
    Unfinished.RemoveAll();
    Environment.Exit(exitCode);
}
