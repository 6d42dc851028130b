using System.CommandLine;
using Sim.Core;
using Sim.Experiments;
using Sim.Kvm;
using Sim.Reports.Views;
using Sim.Validation;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim races</c>: what may come between the steps of L0, and which policies it makes unsafe.</summary>
internal static class RacesVerb
{
    private const int MostHappenings = 4;

    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        ConfigurationOptions configuration = new() { ForTrace = false };
        Option<string[]> policies = new("--policies", "-p") { Description = "Flush policies, separated by commas [default: a selection for the profile's vendor]", HelpName = "a,b,..." };
        Option<string[]> races = new("--races") { Description = "Races, separated by commas (see 'nestsim list flush-races') [default: all]", HelpName = "a,b,..." };
        Option<int> happenings = new("--happenings") { Description = "How many things may come in between in one order; each more makes it about a hundred times as long", HelpName = "number", DefaultValueFactory = _ => FlushRaceTable.DefaultHappenings };
        Option<bool> requireSafe = new("--require-safe") { Description = "Exit with code 1 unless every policy is safe in every order" };
        VerbCommand command = new(
            "races",
            "Explore races of flushes: a vCPU moves, another one runs, a VM-entry fails, the host takes a page, at every step inside L0; the safety oracle judges",
            "races --profile zen-4 -p nsvm-6.14,nsvm-l2-asid --races beside-a-guest",
            "races -p kvm-6.12,kvm-6.12.117 --races shadow-remapped --require-safe",
            "races -p kvm-5.8 --happenings 1 --set machine.l0_ept=false") { policies, races, happenings, requireSafe };
        configuration.AddTo(command);
        command.SetAction(parse =>
        {
            RunConfiguration run = configuration.Load(parse);
            int most = parse.GetValue(happenings);
            if (most is < 0 or > MostHappenings)
            {
                throw new ConfigurationException($"--happenings {most}: from 0 to {MostHappenings}.");
            }

            IReadOnlyList<string> wanted = ConfigurationOptions.Words(parse, policies) is { Length: > 0 } named ? named : Components.DefaultPolicies(run.Machine.Profile.Vendor);
            (IReadOnlyList<Table> tables, bool isSafe) = FlushRaces.Run(run.Machine, ConfigurationOptions.Words(parse, races), wanted, most);
            Terminal terminal = invocation.Terminal;
            TableWriter.Write(terminal.Output, tables, terminal.TableStyle(parse.GetValue(invocation.NoColour)));
            return isSafe || !parse.GetValue(requireSafe) ? CliApplication.Success : CliApplication.CheckFailed;
        });
        return command;
    }
}
