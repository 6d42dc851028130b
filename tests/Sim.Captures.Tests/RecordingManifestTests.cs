using System.Security.Cryptography;
using System.Text.Json;

namespace Sim.Captures.Tests;

/// <summary>The recordings in the repository are those of their manifest, and nothing is lost of them.</summary>
[TestFixture]
internal sealed class RecordingManifestTests
{
    private const long MaxTotalBytes = 20_000_000;

    private static readonly string Folder = RepositoryFolder.Of("traces", "captures");

    private static IEnumerable<TestCaseData> Entries() =>
        JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "MANIFEST.json"))).RootElement.EnumerateArray()
            .Select(entry => new TestCaseData(entry).SetArgDisplayNames(Text(entry, "name")));

    [TestCaseSource(nameof(Entries))]
    public void A_recording_has_the_size_and_hash_of_its_manifest_entry_and_says_where_it_is_from(JsonElement entry)
    {
        byte[] bytes = File.ReadAllBytes(Path.Combine(Folder, Text(entry, "name")));
        Assert.That((bytes.LongLength, Convert.ToHexStringLower(SHA256.HashData(bytes))), Is.EqualTo((entry.GetProperty("bytes").GetInt64(), Text(entry, "sha256"))));
        Assert.That(Text(entry, "set"), Is.EqualTo("captures").Or.EqualTo("captures2"));
        Assert.That(Text(entry, "content_sha256"), Has.Length.EqualTo(64));
        Assert.That(Text(entry, "kernel"), Is.Not.Empty);
        Assert.That(Text(entry, "what"), Is.Not.Empty);
    }

    [Test]
    public void Every_recording_is_in_the_manifest_and_all_together_stay_small()
    {
        FileInfo[] files = new DirectoryInfo(Folder).GetFiles("*.xz");
        Assert.That(files.Select(file => file.Name).Order(StringComparer.Ordinal), Is.EqualTo(Entries().Select(data => Text((JsonElement)data.Arguments[0]!, "name"))));
        Assert.That(files.Sum(file => file.Length), Is.LessThan(MaxTotalBytes));
    }

    private static string Text(JsonElement entry, string name) => entry.GetProperty(name).GetString()!;
}
