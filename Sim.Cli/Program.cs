using System.Runtime.InteropServices;
using Sim.Cli;

Interruption interruption = new();
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => signal.Cancel = interruption.Signal(130));
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => signal.Cancel = interruption.Signal(143));
return CliApplication.Run(args, Terminal.OfProcess(interruption));
