using System.Text;
using System.Text.RegularExpressions;
using Sim.Workloads.Formats;
using Sim.Workloads.Operations;

namespace Sim.Workloads.Tests.Formats;

[TestFixture]
public sealed partial class SpecificationTests
{
    [Test]
    public void The_worked_example_of_the_specification_is_what_the_writer_writes()
    {
        string page = File.ReadAllText(RepositoryFolder.Of("docs", "trace-format.md"));
        byte[] text = Encoding.UTF8.GetBytes(Fence(page, "text"));
        IEnumerable<string> hex = Fence(page, "hex").Split('\n').SelectMany(line => HexBytes().Match(line).Value.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        MemoryStream native = new();
        using TextTraceReader reader = new(new MemoryStream(text), "example");
        using NativeTraceWriter writer = new(native, reader.Header);
        TraceConverter.Convert(reader, writer);
        writer.Complete();
        byte[] file = native.ToArray();
        int json = BitConverter.ToInt32(file, 16);
        Assert.That(page, Does.Contain($"a native file of {file.Length / 1000},{file.Length % 1000:000} bytes: 20 bytes and {json / 1000},{json % 1000:000} bytes of JSON"));
        Assert.That(file[(20 + json)..].Select(b => b.ToString("x2", System.Globalization.CultureInfo.InvariantCulture)), Is.EqualTo(hex));
    }

    [GeneratedRegex("^([0-9a-f]{2} {1,2})*[0-9a-f]{2}(?=   |$)")]
    private static partial Regex HexBytes();

    private static string Fence(string page, string language)
    {
        int start = page.IndexOf($"```{language}\n", StringComparison.Ordinal) + language.Length + 4;
        return page[start..page.IndexOf("```", start, StringComparison.Ordinal)];
    }
}
