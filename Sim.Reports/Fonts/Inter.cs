using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text;

namespace Sim.Reports.Fonts;

/// <summary>
/// The typeface Inter (SIL Open Font License 1.1, docs/report.md) as TrueType. It comes in the resources of the package Avalonia.Fonts.Inter, which the build embeds whole and of
/// which no code runs.
/// </summary>
internal static class Inter
{
    private const string Assembly = "Avalonia.Fonts.Inter.dll";
    private const string Archive = "!AvaloniaResources";

    private static readonly Lazy<byte[]> LazyArchive = new(ReadArchive);
    private static readonly Lazy<byte[]> LazyRegular = new(() => File("Inter-Regular.ttf"));
    private static readonly Lazy<byte[]> LazySemiBold = new(() => File("Inter-SemiBold.ttf"));

    /// <summary>Weight 400.</summary>
    public static byte[] Regular => LazyRegular.Value;

    /// <summary>Weight 600.</summary>
    public static byte[] SemiBold => LazySemiBold.Value;

    /// <summary>The archive: length of the index (4 bytes), index, files. The index is its version, the count, and for each file its path, offset and size.</summary>
    private static byte[] File(string name)
    {
        byte[] archive = LazyArchive.Value;
        using BinaryReader index = new(new MemoryStream(archive), Encoding.UTF8);
        int begin = index.ReadInt32() + sizeof(int);
        index.ReadInt32();
        for (int left = index.ReadInt32(); left > 0; left--)
        {
            string path = index.ReadString();
            int offset = index.ReadInt32();
            int size = index.ReadInt32();
            if (path.EndsWith("/" + name, StringComparison.Ordinal))
            {
                return archive[(begin + offset)..(begin + offset + size)];
            }
        }

        throw new InvalidOperationException($"{Assembly} has no {name}.");
    }

    private static byte[] ReadArchive()
    {
        using Stream assembly = typeof(Inter).Assembly.GetManifestResourceStream(Assembly)!;
        using PEReader image = new(assembly);
        MetadataReader metadata = image.GetMetadataReader();
        ManifestResource resource = metadata.ManifestResources.Select(metadata.GetManifestResource).First(candidate => metadata.StringComparer.Equals(candidate.Name, Archive));
        BlobReader bytes = image.GetSectionData(image.PEHeaders.CorHeader!.ResourcesDirectory.RelativeVirtualAddress).GetReader((int)resource.Offset, sizeof(int));
        int length = bytes.ReadInt32();
        return [.. image.GetSectionData(image.PEHeaders.CorHeader.ResourcesDirectory.RelativeVirtualAddress).GetContent((int)resource.Offset + sizeof(int), length)];
    }
}
