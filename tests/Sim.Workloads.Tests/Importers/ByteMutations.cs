using Sim.Core;

namespace Sim.Workloads.Tests.Importers;

/// <summary>Damages binary records in seeded ways: cut, flipped, stretches removed, doubled, exchanged, overwritten.</summary>
internal static class ByteMutations
{
    /// <summary>
    /// Gives <paramref name="judge"/> that many damaged copies. Only a <see cref="TraceFormatException"/> with a place may come out of it; what is accepted is judged by its answer,
    /// null if nothing is wrong. Returns how many were refused.
    /// </summary>
    public static int Judge(byte[] content, int count, ulong seed, Func<byte[], string?> judge)
    {
        Rng rng = new(seed);
        int refused = 0;
        for (int mutation = 0; mutation < count; mutation++)
        {
            byte[] damaged = Damaged(content, ref rng);
            string? wrong = null;
            try
            {
                wrong = judge(damaged);
            }
            catch (TraceFormatException e)
            {
                refused++;
                wrong = e.Message.Contains("expected", StringComparison.Ordinal) && (e.Message.Contains("offset", StringComparison.Ordinal) || e.Message.Contains("line", StringComparison.Ordinal) || e.Message.Contains("its end", StringComparison.Ordinal)) ? null : e.Message;
            }
            catch (Exception e) when (e is not NUnit.Framework.AssertionException)
            {
                wrong = $"{e}";
            }

            Assert.That(wrong, Is.Null, $"mutation {mutation}: {Convert.ToHexStringLower(damaged[..Math.Min(damaged.Length, 400)])}");
        }

        TestContext.Out.WriteLine($"{count} damaged copies: {refused} refused");
        return refused;
    }

    private static byte[] Damaged(byte[] content, ref Rng rng)
    {
        List<byte> copy = [.. content];
        for (ulong damages = 1 + rng.Below(3); damages > 0 && copy.Count > 0; damages--)
        {
            int at = (int)rng.Below((ulong)copy.Count);
            int length = (int)Math.Min(1 + rng.Below(100), (ulong)(copy.Count - at));
            switch (rng.Below(6))
            {
                case 0:
                    copy.RemoveRange(at, copy.Count - at);
                    break;
                case 1:
                    copy[at] ^= (byte)(1 << (int)rng.Below(8));
                    break;
                case 2:
                    copy.RemoveRange(at, length);
                    break;
                case 3:
                    copy.InsertRange(at, copy.GetRange(at, length));
                    break;
                case 4:
                    copy[at] = (byte)rng.Next();
                    break;
                default:
                    for (int i = 0; i < length; i++)
                    {
                        copy[at + i] = (byte)rng.Next();
                    }

                    break;
            }
        }

        return [.. copy];
    }
}
