using System.CommandLine;
using System.CommandLine.Parsing;
using Sim.Core;

namespace Sim.Cli;

/// <summary>Answers what the parser could not make sense of with the nearest names that exist.</summary>
internal static class UnknownWords
{
    /// <summary>One paragraph about the first mistake, or null if there is none.</summary>
    public static string? Explain(ParseResult parse)
    {
        Command command = parse.CommandResult.Command;
        string help = $"See '{CommandLine(parse.CommandResult)} --help'.";
        if (UnknownOption(parse) is { } option)
        {
            return $"{NearestNames.Unknown("option", option, OptionNames(parse.CommandResult))} {help}";
        }

        if (parse.UnmatchedTokens.Count > 0)
        {
            string word = parse.UnmatchedTokens[0];
            return command.Subcommands.Count > 0
                ? $"{NearestNames.Unknown("command", word, command.Subcommands.Select(sub => sub.Name))} {help}"
                : $"'{word}' is one argument too many for '{CommandLine(parse.CommandResult)}'. {help}";
        }

        if (parse.Errors.Count > 0 && command.Arguments.FirstOrDefault(argument => (parse.GetResult(argument)?.Tokens.Count ?? 0) < argument.Arity.MinimumNumberOfValues) is { } missing)
        {
            return $"'{CommandLine(parse.CommandResult)}' needs <{missing.Name}>: {missing.Description?.TrimEnd('.')}. {help}";
        }

        return parse.Errors.Count > 0 ? $"{string.Join(' ', parse.Errors[0].Message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))} {help}" : null;
    }

    /// <summary>The parser takes an unknown option for an argument if one has room; a path that really begins with a dash can follow <c>--</c>.</summary>
    private static string? UnknownOption(ParseResult parse)
    {
        IEnumerable<Token> arguments = parse.CommandResult.Children.OfType<ArgumentResult>().SelectMany(argument => argument.Tokens);
        bool afterDashes = parse.Tokens.Any(token => token.Type == TokenType.DoubleDash);
        return parse.UnmatchedTokens.Concat(arguments.Select(token => token.Value)).FirstOrDefault(word => !afterDashes && word.Length > 1 && word[0] == '-')?.Split('=')[0];
    }

    private static IEnumerable<string> OptionNames(CommandResult result)
    {
        for (SymbolResult? at = result; at is not null; at = at.Parent)
        {
            if (at is CommandResult { Command: var command })
            {
                foreach (Option option in command.Options.Where(option => !option.Hidden && (at == result || option.Recursive)))
                {
                    yield return option.Name;
                }
            }
        }
    }

    private static string CommandLine(CommandResult result) =>
        result.Parent is CommandResult parent ? $"{CommandLine(parent)} {result.Command.Name}" : "nestsim";
}
