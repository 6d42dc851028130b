using System.Globalization;

namespace Sim.Kvm;

/// <summary>Whether a kernel has a rule.</summary>
public enum Presence
{
    /// <summary>It has not.</summary>
    Absent,

    /// <summary>It has.</summary>
    Present,

    /// <summary>It lies between a kernel that was read without the rule and one with it, and is taken not to have it, from memory.</summary>
    BelievedAbsent,

    /// <summary>It lies between a kernel that was read without the rule and one with it, and is taken to have it, from memory.</summary>
    BelievedPresent,

    /// <summary>Nobody has looked.</summary>
    Unknown,
}

/// <summary>What can be asked of a <see cref="Presence"/>.</summary>
public static class Presences
{
    /// <summary>It has the rule, as far as is known.</summary>
    public static bool IsPresent(this Presence presence) => presence is Presence.Present or Presence.BelievedPresent;

    /// <summary>"yes", "no", "yes, from memory", "no, from memory" or "not known".</summary>
    public static string InWords(this Presence presence) => presence switch
    {
        Presence.Present => "yes",
        Presence.Absent => "no",
        Presence.BelievedPresent => "yes, from memory",
        Presence.BelievedAbsent => "no, from memory",
        _ => "not known",
    };
}

/// <summary>From which release on, in mainline and in each stable series, something is there.</summary>
/// <remarks>
/// Mainline is one release (6.12, 7.3-rc1), a bracket (7.3-rc7, 7.3.2] of the newest one read without and the oldest one read with it, or <c>never</c>. A stable series has a number (first stable release
/// with it), a bracket of numbers, <c>base</c>, <c>never</c>, <c>never&lt;=N</c> (N is the newest one read) or <c>?</c>. A series that is not named took no feature; of a fix, nobody has looked.
/// </remarks>
public sealed class RuleDate
{
    private readonly KernelVersion? _without;
    private readonly KernelVersion? _with;
    private readonly KernelVersion? _believed;
    private readonly SortedDictionary<string, string> _stable;

    /// <summary>A date as profiles/kernels.json writes it.</summary>
    /// <exception cref="FormatException">It is written otherwise.</exception>
    public RuleDate(string mainline, string? believed, SortedDictionary<string, string> stable)
    {
        Mainline = mainline;
        _stable = stable;
        _believed = believed is null ? null : KernelVersion.Parse(believed);
        if (Bracket(mainline) is var (without, with))
        {
            (_without, _with) = (KernelVersion.Parse(without), KernelVersion.Parse(with));
        }
        else if (mainline != "never")
        {
            _with = KernelVersion.Parse(mainline);
        }

        foreach ((string series, string cell) in stable)
        {
            if (!KernelVersion.TryParse(series + ".1", out KernelVersion first) || (cell is not ("base" or "never" or "?") && Of(cell, first) == Presence.Unknown && Bracket(cell) is null && Newest(cell) is null))
            {
                throw new FormatException($"{series}: {cell} is no entry of a stable series.");
            }
        }
    }

    /// <summary>Mainline as it is written.</summary>
    public string Mainline { get; }

    /// <summary>Stable series with what is known of each, as written.</summary>
    public IReadOnlyDictionary<string, string> Stable => _stable;

    /// <summary>Whether it is there in a version.</summary>
    /// <param name="version">The version.</param>
    /// <param name="isFeature">Stable series that are not named never took it.</param>
    public Presence At(KernelVersion version, bool isFeature)
    {
        if (version.Patch == 0)
        {
            return OfMainline(version);
        }

        bool isNamed = _stable.TryGetValue(version.Series, out string? cell);
        Presence atFirst = OfMainline(version.Mainline);
        if (isNamed && (cell == "base" || !atFirst.IsPresent()))
        {
            return Of(cell!, version);
        }

        Presence own = OfMainline(version);
        if (atFirst.IsPresent())
        {
            return own == Presence.Present ? own : atFirst;
        }

        bool sameSeries = _without?.Series == version.Series || _with?.Series == version.Series;
        return sameSeries || isFeature || own == Presence.Present ? own : Presence.Unknown;
    }

    private static (string Without, string With)? Bracket(string text)
    {
        string[] ends = text.TrimStart('(').TrimEnd(']').Split(", ");
        if (text.StartsWith('(') && ends.Length == 1)
        {
            ends = ends[0].Split(',');
        }

        return text.StartsWith('(') && text.EndsWith(']') && ends.Length == 2 ? (ends[0], ends[1]) : null;
    }

    private static int? Newest(string cell) =>
        cell.StartsWith("never<=", StringComparison.Ordinal) && int.TryParse(cell["never<=".Length..], NumberStyles.None, CultureInfo.InvariantCulture, out int newest) ? newest : null;

    private static Presence Of(string cell, KernelVersion version)
    {
        if (Bracket(cell) is var (without, with))
        {
            return version.Patch <= Number(without) ? Presence.Absent : version.Patch >= Number(with) ? Presence.Present : Presence.Unknown;
        }

        return cell switch
        {
            "base" => Presence.Present,
            "never" => Presence.Absent,
            "?" => Presence.Unknown,
            _ when Newest(cell) is { } newest => version.Patch <= newest ? Presence.Absent : Presence.Unknown,
            _ when int.TryParse(cell, NumberStyles.None, CultureInfo.InvariantCulture, out int first) => version.Patch >= first ? Presence.Present : Presence.Absent,
            _ => Presence.Unknown,
        };

        static int Number(string text) => int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
    }

    private Presence OfMainline(KernelVersion version)
    {
        if (_with is not { } with)
        {
            return Presence.Absent;
        }

        if (version >= with)
        {
            return Presence.Present;
        }

        if (_without is not { } without || version <= without)
        {
            return Presence.Absent;
        }

        return _believed is { } believed ? version >= believed ? Presence.BelievedPresent : Presence.BelievedAbsent : Presence.Unknown;
    }
}
