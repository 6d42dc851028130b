using Sim.Core.Files;

namespace Sim.Core.Tests.Files;

/// <summary>Files appear whole or not at all, under their own name, whatever lies there.</summary>
public sealed class OutputFileTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void A_file_appears_when_it_is_committed_and_leaves_nothing_when_it_is_not()
    {
        using (OutputFile file = OutputFile.Check(At("a"), "file"))
        {
            Assert.That(Names(), Is.Empty, "checking leaves nothing behind");
            file.Write("x"u8);
            Assert.That(File.Exists(At("a")), Is.False);
        }

        Assert.That(Names(), Is.Empty);
        using OutputFile again = OutputFile.Check(At("a"), "file");
        again.Write("whole"u8);
        again.Commit();

        Assert.That(Names(), Is.EqualTo(new[] { "a" }));
        Assert.That(File.ReadAllText(At("a")), Is.EqualTo("whole"));
    }

    [TestCase("")]
    [TestCase("a\0b")]
    [TestCase("folder")]
    [TestCase("folder/")]
    [TestCase("none/file")]
    [TestCase("input")]
    [TestCase("again")]
    [TestCase("file/below")]
    public void What_cannot_be_written_is_refused_before_the_work_begins(string name)
    {
        Directory.CreateDirectory(At("folder"));
        File.WriteAllText(At("input"), "input");
        File.WriteAllText(At("file"), "");
        File.CreateSymbolicLink(At("again"), At("input"));

        Assert.That(() => OutputFile.Check(name.Length == 0 ? "" : At(name), "result file", At("input")), Throws.TypeOf<ConfigurationException>().With.Message.Contains("cannot be written"));
        Assert.That(File.ReadAllText(At("input")), Is.EqualTo("input"));
    }

    [Test]
    public void A_symbolic_link_is_replaced_and_what_it_leads_to_stays_as_it_is()
    {
        File.WriteAllText(At("victim"), "precious");
        File.CreateSymbolicLink(At("link"), At("victim"));

        using OutputFile file = OutputFile.Check(At("link"), "file");
        file.Write("new"u8);
        file.Commit();

        Assert.That((File.ReadAllText(At("victim")), File.ReadAllText(At("link")), new FileInfo(At("link")).LinkTarget), Is.EqualTo(("precious", "new", (string?)null)));
    }

    [Test]
    public void The_name_of_the_temporary_file_cannot_be_guessed_and_taken_before()
    {
        File.WriteAllText(At("victim"), "precious");
        File.CreateSymbolicLink(At("a.partial"), At("victim"));

        using OutputFile one = OutputFile.Check(At("a"), "file");
        using OutputFile other = OutputFile.Check(At("a"), "file");
        one.Write("1"u8);
        other.Write("2"u8);
        string[] partial = [.. Names().Where(name => name.StartsWith(".nestsim-", StringComparison.Ordinal))];
        one.Commit();
        other.Commit();

        Assert.That(partial, Has.Length.EqualTo(2).And.Unique);
        Assert.That((File.ReadAllText(At("victim")), File.ReadAllText(At("a"))), Is.EqualTo(("precious", "2")));
    }

    [Test]
    public void The_mode_of_what_was_there_is_kept()
    {
        const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.UserExecute;
        File.WriteAllText(At("a"), "old");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(At("a"), Mode);
        }

        using OutputFile file = OutputFile.Check(At("a"), "file");
        file.Write("new"u8);
        file.Commit();

        Assert.That(OperatingSystem.IsWindows() || File.GetUnixFileMode(At("a")) == Mode, Is.True);
    }

    [Test]
    public void A_set_of_files_is_committed_together_or_not_at_all()
    {
        File.WriteAllText(At("a"), "old");
        using OutputFile a = OutputFile.Check(At("a"), "file");
        using OutputFile b = OutputFile.Check(At("b"), "file");
        using OutputFile c = OutputFile.Check(At("c"), "file");
        foreach (OutputFile file in new[] { a, b, c })
        {
            file.Write("new"u8);
        }

        Directory.CreateDirectory(At("c"));
        Assert.That(() => OutputFile.Commit([a, b, c]), Throws.TypeOf<ConfigurationException>().With.Message.Contains("'" + At("c") + "' cannot be written"));
        Assert.That((File.ReadAllText(At("a")), File.Exists(At("b"))), Is.EqualTo(("old", false)));

        Directory.Delete(At("c"));
        foreach (OutputFile file in new[] { a, b, c })
        {
            file.Dispose();
        }

        Assert.That(Names(), Is.EqualTo(new[] { "a" }));
    }

    [Test]
    public void A_device_is_written_to_as_it_is_and_a_file_below_its_folder_is_a_file()
    {
        using OutputFile full = OutputFile.Check("/dev/full", "file");
        Assert.That(full.IsInPlace, Is.True);
        Assert.That(() => full.Write("x"u8), Throws.TypeOf<ConfigurationException>().With.Message.Contains("'/dev/full' cannot be written"));
        if (Directory.Exists("/dev/shm"))
        {
            string path = $"/dev/shm/nestsim-test-{Guid.NewGuid():N}";
            using OutputFile file = OutputFile.Check(path, "file");
            file.Write("x"u8);
            Assert.That((file.IsInPlace, File.Exists(path)), Is.EqualTo((false, false)));
            file.Commit();
            Assert.That(File.ReadAllText(path), Is.EqualTo("x"));
            File.Delete(path);
        }

        Assert.That(File.Exists("/dev/full"), Is.True);
    }

    [Test]
    public void A_folder_has_one_writer_at_a_time_and_the_second_is_told()
    {
        using (OutputFolder first = OutputFolder.Claim(At("results"), "result file"))
        {
            Assert.That(() => OutputFolder.Claim(At("results"), "result file"), Throws.TypeOf<ConfigurationException>().With.Message.Contains("Another nestsim is writing to the folder"));
        }

        Assert.That(Directory.Exists(At("results")), Is.False, "nothing came, so nothing stays");
        using OutputFolder next = OutputFolder.Claim(At("results"), "result file");
        OutputFile file = next.File("a");
        file.Write("x"u8);
        file.Commit();
        next.Dispose();
        Assert.That(Directory.GetFileSystemEntries(At("results")), Is.EqualTo(new[] { At("results/a") }));
    }

    [Test]
    public void What_is_unfinished_when_the_process_ends_before_its_time_is_removed()
    {
        using OutputFile file = OutputFile.Check(At("a"), "file");
        file.Open().Write("half"u8);
        Assert.That(Names(), Has.Length.EqualTo(1));

        Unfinished.RemoveAll();

        Assert.That(Names(), Is.Empty);
    }

    [TestCase("", "its name is empty")]
    [TestCase("none", "Could not find file")]
    [TestCase("a\0b", "zero character")]
    [TestCase("folder", "")]
    public void What_cannot_be_read_is_the_users_error(string name, string why)
    {
        Directory.CreateDirectory(At("folder"));
        Assert.That(() => InputFile.ReadText(name.Length == 0 ? "" : At(name), "result file", "Hint."), Throws.TypeOf<ConfigurationException>().With.Message.Contains(why).And.Message.EndsWith("Hint."));
    }

    [Test]
    public void Text_that_is_no_utf8_is_refused_at_its_place_and_a_byte_order_mark_is_none_of_the_text()
    {
        File.WriteAllBytes(At("bad"), [0x7b, 0xff, 0x7d]);
        File.WriteAllBytes(At("mark"), [0xef, 0xbb, 0xbf, 0x7b, 0x7d]);
        Assert.That(() => InputFile.ReadText(At("bad"), "file", ""), Throws.TypeOf<TraceFormatException>().With.Message.Contains("offset 1"));
        Assert.That(InputFile.ReadText(At("mark"), "file", ""), Is.EqualTo("{}"));
    }

    private string At(string name) => Path.Combine(_folder, name);

    private string[] Names() => [.. Directory.GetFiles(_folder).Select(path => Path.GetFileName(path)).Where(name => name is not ("victim" or "a.partial")).Order(StringComparer.Ordinal)];
}
