using Sim.Core.Stats;

namespace Sim.Workloads.Scenarios;

/// <summary>Reads <c>expect</c> lines.</summary>
internal static class ExpectationParser
{
    private static readonly string[] Verbs = ["safe", "unsafe", "flushes", "fails", "enters", "vmfails", "walks", "counts"];
    private static readonly string[] InterruptVerbs = ["safe", "unsafe", "fails", "enters", "counts", "delivers", "exits"];
    private static readonly (string, int)[] Levels = [("L0", 0), ("L1", 1), ("L2", 2)];

    /// <summary>The line behind its first word.</summary>
    public static Expectation Parse(ScenarioLine line)
    {
        string text = line.Text["expect".Length..].Trim();
        ExpectationSubject subject = line.Take("path") ? ExpectationSubject.Path : line.Take("update") ? ExpectationSubject.UpdateRule : ExpectationSubject.Policy;
        return Parse(line, text, subject) with { Subject = subject };
    }

    private static Expectation Parse(ScenarioLine line, string text, ExpectationSubject subject)
    {
        bool isPolicy = subject == ExpectationSubject.Policy;
        List<string> policies = [];
        string word;
        do
        {
            word = line.Word(isPolicy ? "a policy" : "an interrupt path or an update rule");
            policies.AddRange(word.Split(',', StringSplitOptions.RemoveEmptyEntries));
        }
        while (word.EndsWith(','));
        string verb = line.Word("what is expected of it");
        if (!(isPolicy ? Verbs : InterruptVerbs).Contains(verb))
        {
            throw line.Unknown(isPolicy ? "what is expected of a policy" : "what is expected of a path or rule", verb, isPolicy ? Verbs : InterruptVerbs);
        }

        switch (verb)
        {
            case "safe":
                return new SafetyExpectation(line.Number, text, policies, null, null);
            case "unsafe":
                string kind = line.Word("the kind of finding, for instance stale_use");
                return new SafetyExpectation(line.Number, text, policies, kind, line.AtEnd ? null : Count(line));
            case "flushes":
                return new FlushExpectation(line.Number, text, policies, Flushes(line));
            case "fails":
                return new EntryExpectation(line.Number, text, policies, line.Rest("words of the failed check"));
            case "enters":
                return new EntryExpectation(line.Number, text, policies, null);
            case "vmfails":
                return new CountExpectation(line.Number, text, policies, StatNames.Vmfails, Count(line));
            case "walks":
                int level = line.Choice("a level", Levels);
                return new CountExpectation(line.Number, text, policies, $"{StatNames.LaneStlbMisses}{{level={level}}}", Count(line));
            case "delivers":
                return new DeliveryExpectation(line.Number, text, policies, Count(line));
            case "exits":
                return new ExitExpectation(line.Number, text, policies, Exits(line));
            default:
                return new CountExpectation(line.Number, text, policies, line.Word("a statistic"), Count(line));
        }
    }

    /// <summary>"nothing", or NAME [xN] [at TRANSITION], ...; a name may have operands in parentheses.</summary>
    private static List<ExpectedFlush> Flushes(ScenarioLine line)
    {
        List<ExpectedFlush> flushes = [];
        string list = line.Rest("'nothing', or invalidations, as in INVVPID(vpid02) x2, INVEPT(all) at nested_entry");
        if (list == "nothing")
        {
            return flushes;
        }

        foreach (string item in SplitOutsideParentheses(list))
        {
            int nameEnd = EndOfName(item);
            string name = item[..nameEnd].Replace(" ", "", StringComparison.Ordinal);
            string[] words = item[nameEnd..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            int count = words.Length > 0 && words[0][0] == 'x' ? (int)line.Number64(words[0][1..], "x and a number", int.MaxValue) : 1;
            string[] rest = words.Length > 0 && words[0][0] == 'x' ? words[1..] : words;
            string? transition = rest is ["at", var at] ? at : null;
            if (name.Length == 0 || name.Count(letter => letter == '(') != name.Count(letter => letter == ')') || (rest.Length > 0 && transition is null))
            {
                throw line.Bad("an invalidation, as in INVVPID(vpid02) x2 at nested_entry or INVVPID(vpid01(v1))", $"'{item}'");
            }

            flushes.Add(new ExpectedFlush(name, count, transition));
        }

        return flushes;
    }

    /// <summary>"nothing", or CAUSE [xN] [at L1|L2], ....</summary>
    private static List<ExpectedExit> Exits(ScenarioLine line)
    {
        List<ExpectedExit> exits = [];
        string list = line.Rest("'nothing', or causes of VM-exits, as in IcrWrite, ExternalInterrupt x2 at L2");
        foreach (string item in list == "nothing" ? [] : list.Split(','))
        {
            string[] words = item.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            int count = words.Length > 1 && words[1][0] == 'x' ? (int)line.Number64(words[1][1..], "x and a number", int.MaxValue) : 1;
            string[] rest = words.Length > 1 && words[1][0] == 'x' ? words[2..] : words.Length > 0 ? words[1..] : [];
            int? level = rest is ["at", var at] ? line.Choose(at, "a level", Levels) : null;
            if (words.Length == 0 || (rest.Length > 0 && level is null))
            {
                throw line.Bad("a cause of VM-exits, as in ExternalInterrupt x2 at L2", $"'{item.Trim()}'");
            }

            exits.Add(new ExpectedExit(words[0], count, level));
        }

        return exits;
    }

    /// <summary>Behind the parenthesis that closes the operands, whose names may have parentheses of their own; without operands, behind the first word.</summary>
    private static int EndOfName(string item)
    {
        int depth = 0;
        for (int i = 0; i < item.Length; i++)
        {
            depth += item[i] switch { '(' => 1, ')' => -1, _ => 0 };
            if ((item[i] == ')' && depth <= 0) || (item[i] == ' ' && depth == 0 && !item.AsSpan(i).TrimStart().StartsWith("(")))
            {
                return item[i] == ')' ? i + 1 : i;
            }
        }

        return item.Length;
    }

    private static IEnumerable<string> SplitOutsideParentheses(string list)
    {
        int depth = 0;
        int start = 0;
        for (int i = 0; i <= list.Length; i++)
        {
            if (i == list.Length || (list[i] == ',' && depth == 0))
            {
                yield return list[start..i].Trim();
                start = i + 1;
            }
            else
            {
                depth += list[i] switch { '(' => 1, ')' => -1, _ => 0 };
            }
        }
    }

    private static long Count(ScenarioLine line) => (long)line.Number64(line.Word("a number"), "a number", long.MaxValue);
}
