using Sim.Core;

namespace Sim.Tests;

/// <summary>Damages a text in seeded ways: cut, duplicated, reordered and garbage lines, flipped bytes.</summary>
internal static class Mutations
{
    /// <summary>
    /// Gives <paramref name="read"/> that many damaged copies, others in each run (<see cref="FuzzSeed"/>); it answers how many findings there were. Only a <see cref="TraceFormatException"/> may come out of it.
    /// At least a quarter of the copies must be noticed (swapped and repeated lines often make sense).
    /// </summary>
    public static void Run(byte[] text, int count, ulong seed, Func<Stream, int> read)
    {
        seed ^= FuzzSeed.Fresh();
        int refused = 0;
        int found = 0;
        int mutation = 0;
        foreach (byte[] damaged in Copies(text, count, seed))
        {
            try
            {
                found += read(new MemoryStream(damaged)) > 0 ? 1 : 0;
            }
            catch (TraceFormatException)
            {
                refused++;
            }
            catch (Exception e)
            {
                Assert.Fail($"mutation {mutation}: {e}\n{System.Text.Encoding.Latin1.GetString(damaged)}");
            }

            mutation++;
        }

        TestContext.Out.WriteLine($"{count} damaged copies: {refused} refused, {found} with findings");
        Assert.That(refused + found, Is.AtLeast(count / 4));
    }

    /// <summary>Gives <paramref name="judge"/> that many damaged copies. It throws a <see cref="TraceFormatException"/> for one that is refused, and answers what is wrong with one that is accepted.</summary>
    public static void Judge(byte[] text, int count, ulong seed, Func<byte[], string?> judge)
    {
        seed ^= FuzzSeed.Fresh();
        int refused = 0;
        int mutation = 0;
        foreach (byte[] damaged in Copies(text, count, seed))
        {
            string? wrong = null;
            try
            {
                wrong = judge(damaged);
            }
            catch (TraceFormatException)
            {
                refused++;
            }
            catch (Exception e)
            {
                wrong = $"{e}";
            }

            if (wrong is not null)
            {
                Assert.Fail($"mutation {mutation}: {wrong}\n{System.Text.Encoding.Latin1.GetString(damaged)}");
            }

            mutation++;
        }

        TestContext.Out.WriteLine($"{count} damaged copies: {refused} refused");
        Assert.That(refused, Is.LessThan(count));
    }

    /// <summary>How many lines of a text hold a word.</summary>
    public static long Lines(byte[] text, string word) => System.Text.Encoding.Latin1.GetString(text).Split('\n').LongCount(line => line.Contains(word, StringComparison.Ordinal));

    private static IEnumerable<byte[]> Copies(byte[] text, int count, ulong seed)
    {
        List<byte[]> lines = [];
        int start = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '\n')
            {
                lines.Add(text[start..(i + 1)]);
                start = i + 1;
            }
        }

        Rng rng = new(seed);
        for (int mutation = 0; mutation < count; mutation++)
        {
            // A window of lines keeps one copy small, so that ten thousand take seconds.
            int from = (int)rng.Below((ulong)Math.Max(1, lines.Count - 24));
            List<byte[]> copy = [lines[0], .. lines.Skip(from).Take(24)];
            for (ulong damages = 1 + rng.Below(4); damages > 0; damages--)
            {
                Damage(copy, ref rng);
            }

            yield return [.. copy.SelectMany(line => line)];
        }
    }

    private static void Damage(List<byte[]> lines, ref Rng rng)
    {
        int at = (int)rng.Below((ulong)lines.Count);
        int other = (int)rng.Below((ulong)lines.Count);
        switch (rng.Below(7))
        {
            case 0:
                lines[at] = lines[at][..(int)rng.Below((ulong)lines[at].Length + 1)];
                break;
            case 1:
                lines.Insert(at, lines[other]);
                break;
            case 2:
                (lines[at], lines[other]) = (lines[other], lines[at]);
                break;
            case 3:
                lines.Insert(at, Garbage(ref rng));
                break;
            case 4 when lines.Count > 1:
                lines.RemoveAt(at);
                break;
            case 5 when lines[at].Length > 0:
                lines[at] = [.. lines[at]];
                lines[at][(int)rng.Below((ulong)lines[at].Length)] = (byte)rng.Next();
                break;
            default:
                byte[] line = lines[at];
                int cut = (int)rng.Below((ulong)line.Length + 1);
                int resume = cut + (int)rng.Below((ulong)(line.Length - cut) + 1);
                lines[at] = [.. line[..cut], .. line[resume..]];
                break;
        }
    }

    private static byte[] Garbage(ref Rng rng)
    {
        byte[] garbage = new byte[(int)rng.Below(80)];
        for (int i = 0; i < garbage.Length; i++)
        {
            garbage[i] = rng.Below(3) == 0 ? (byte)rng.Next() : "0123456789abcdef []{}:=.- RGCFX\n"u8[(int)rng.Below(32)];
        }

        return [.. garbage, (byte)'\n'];
    }
}
