using System.Globalization;
using Sim.Core;

namespace Sim.Workloads.Scenarios;

/// <summary>The words of one line of a scenario, taken from left to right; everything wrong is told with the file, the line and the nearest word.</summary>
internal sealed class ScenarioLine
{
    private const string Hint = "docs/scenarios.md describes the language.";

    private readonly string _file;
    private readonly string[] _words;
    private int _next;

    public ScenarioLine(string file, int number, string text)
    {
        _file = file;
        Number = number;
        int comment = text.IndexOf('#', StringComparison.Ordinal);
        Text = (comment < 0 ? text : text[..comment]).Trim();
        _words = Text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>From 1.</summary>
    public int Number { get; }

    /// <summary>The line without its comment.</summary>
    public string Text { get; }

    public bool IsEmpty => _words.Length == 0;

    /// <summary>True if all words were taken.</summary>
    public bool AtEnd => _next == _words.Length;

    /// <summary>The next word without taking it; empty at the end.</summary>
    public string Peek => AtEnd ? "" : _words[_next];

    /// <summary>Takes the next word.</summary>
    public string Word(string expected) => AtEnd ? throw Bad(expected, "the end of the line") : _words[_next++];

    /// <summary>Takes the next word if it is this one.</summary>
    public bool Take(string word)
    {
        bool isIt = !AtEnd && _words[_next] == word;
        _next += isIt ? 1 : 0;
        return isIt;
    }

    /// <summary>Takes this word.</summary>
    public void Require(string word)
    {
        if (!Take(word))
        {
            throw Bad($"'{word}'", Found);
        }
    }

    /// <summary>Takes all that is left, as written with single spaces.</summary>
    public string Rest(string expected)
    {
        string rest = AtEnd ? throw Bad(expected, "the end of the line") : string.Join(' ', _words[_next..]);
        _next = _words.Length;
        return rest;
    }

    /// <summary>Takes one of the words of a table.</summary>
    public T Choice<T>(string what, IReadOnlyList<(string Word, T Value)> table) => Choose(Word(what), what, table);

    /// <summary>What a word stands for in a table.</summary>
    public T Choose<T>(string word, string what, IReadOnlyList<(string Word, T Value)> table)
    {
        foreach ((string known, T value) in table)
        {
            if (known == word)
            {
                return value;
            }
        }

        throw Unknown(what, word, table.Select(entry => entry.Word));
    }

    /// <summary>Takes the words key=value that follow.</summary>
    public IEnumerable<(string Key, string Value)> Options()
    {
        while (!AtEnd)
        {
            string word = _words[_next];
            int equals = word.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0 || equals == word.Length - 1)
            {
                throw Bad("key=value", $"'{word}'");
            }

            _next++;
            yield return (word[..equals], word[(equals + 1)..]);
        }
    }

    /// <summary>Takes size=4k|2m|1g if it follows: bytes; without it 4 KiB.</summary>
    public ulong SizeOption()
    {
        ulong size = ScenarioPages.Bytes;
        foreach ((string key, string value) in Options())
        {
            size = key == "size" ? Choose(value, "a page size", ScenarioWords.PageSizes) : throw Unknown("an option of a change", key, ["size"]);
        }

        return size;
    }

    /// <summary>A number, decimal or hexadecimal with 0x.</summary>
    public ulong Number64(string word, string what, ulong maximum = ulong.MaxValue)
    {
        bool isHex = word.StartsWith("0x", StringComparison.Ordinal);
        bool isNumber = isHex
            ? ulong.TryParse(word.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong number)
            : ulong.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out number);
        return isNumber && number <= maximum ? number
            : throw Bad(maximum == ulong.MaxValue ? what : string.Create(CultureInfo.InvariantCulture, $"{what} of at most {maximum}"), $"'{word}'", "Numbers are decimal, or hexadecimal with 0x.");
    }

    /// <summary>No word may be left.</summary>
    public void End()
    {
        if (!AtEnd)
        {
            throw Bad("the end of the line", Found);
        }
    }

    /// <summary>An error at this line.</summary>
    public TraceFormatException Bad(string expected, string found, string hint = Hint) => new(_file, string.Create(CultureInfo.InvariantCulture, $"line {Number}"), expected, found, hint);

    /// <summary>An unknown word, answered with the nearest ones.</summary>
    public TraceFormatException Unknown(string what, string word, IEnumerable<string> known)
    {
        string[] nearest = [.. known.OrderBy(k => NearestNames.Distance(word, k)).ThenBy(k => k, StringComparer.Ordinal).Take(3)];
        return Bad(what, $"'{word}'", nearest.Length == 0 ? "None is declared yet. " + Hint : $"Did you mean {string.Join(", ", nearest)}?");
    }

    private string Found => AtEnd ? "the end of the line" : $"'{_words[_next]}'";
}
