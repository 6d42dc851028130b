using System.Text;
using Sim.Core.Configuration;

namespace Sim.Core.Tests.Configuration;

public sealed class SettingsNodeTests
{
    [Test]
    public void Every_value_knows_its_file_and_line()
    {
        SettingsNode root = Parse("{\n  \"a\": 1,\n  \"b\": {\n    \"c\": [true,\n null]\n  }\n}");

        Assert.That(root["a"]!.Origin, Is.EqualTo("f.json:2"));
        Assert.That(root["b"]!["c"]!.Items[1].Origin, Is.EqualTo("f.json:5"));
        Assert.That(root.Leaves().Select(leaf => $"{leaf.Path}={leaf.Text}"), Is.EqualTo(new[] { "a=1", "b.c[0]=true", "b.c[1]=null" }));
    }

    [Test]
    public void A_value_with_a_source_is_the_value()
    {
        SettingsNode root = Parse("""{ "ways": { "value": 12, "source": "a paper" }, "other": { "value": 1, "unit": 2 } }""");

        Assert.That((root["ways"]!.Kind, root["ways"]!.Text, root["ways"]!.Source), Is.EqualTo((SettingsKind.Number, "12", "a paper")));
        Assert.That(root["other"]!.Kind, Is.EqualTo(SettingsKind.Object));
    }

    [Test]
    public void A_member_given_twice_is_an_error_with_both_lines()
    {
        List<string> errors = [];
        SettingsNode root = SettingsNode.Parse("{\n\"a\": 1,\n\"a\": 2\n}"u8, "f.json", errors);

        Assert.That(errors, Is.EqualTo(new[] { "f.json:3: a: given twice (first at f.json:2). Remove one." }));
        Assert.That(root["a"]!.Text, Is.EqualTo("1"));
    }

    [TestCase("{ \"a\": 1, }", "f.json:1: not valid JSON")]
    [TestCase("{\n// no\n}", "f.json:2: not valid JSON")]
    [TestCase("[1]", "expected a JSON object, found StartArray")]
    [TestCase("", "f.json:1: not valid JSON")]
    [TestCase("{} {}", "f.json:1: not valid JSON")]
    public void What_is_not_strict_json_is_refused_with_its_line(string text, string message) =>
        Assert.That(() => Parse(text), Throws.TypeOf<ConfigurationException>().With.Message.Contains(message));

    [TestCase("a.b[1].c", "7", "7", SettingsKind.Number)]
    [TestCase("a.b[0].c", "x y", "x y", SettingsKind.Text)]
    [TestCase("a.b[0].c", "\"7\"", "7", SettingsKind.Text)]
    [TestCase("a.b[0].c", "10M", "10M", SettingsKind.Text)]
    [TestCase("a.new", "null", "null", SettingsKind.Null)]
    public void Set_reaches_into_arrays_and_takes_json_or_plain_text(string path, string text, string value, SettingsKind kind)
    {
        SettingsNode root = Parse("""{ "a": { "b": [ { "c": 1 }, { "c": 2 } ] } }""");

        root.Set(path, text, "--set");

        SettingsNode changed = root.Leaves().Single(leaf => leaf.Path == path);
        Assert.That((changed.Text, changed.Kind, changed.Origin), Is.EqualTo((value, kind, "--set")));
        Assert.That(root.Leaves().Count(leaf => leaf.Origin != "--set"), Is.EqualTo(path == "a.new" ? 2 : 1));
    }

    [TestCase("a.b[2].c", "'a.b[2]' does not exist: it has 2 items")]
    [TestCase("a[0]", "it is not an array but object")]
    [TestCase("z[0]", "there is no such member")]
    [TestCase("a.b[0].c.d", "'a.b[0].c' holds no members; it is number 1 (from f.json:1)")]
    [TestCase("a..b", "is not a path")]
    [TestCase("a.b[x]", "is not a path")]
    [TestCase("a.b[-1]", "is not a path")]
    public void A_path_that_leads_nowhere_says_where_it_ends(string path, string message)
    {
        SettingsNode root = Parse("""{ "a": { "b": [ { "c": 1 }, { "c": 2 } ] } }""");

        Assert.That(() => root.Set(path, "1", "--set"), Throws.TypeOf<ConfigurationException>().With.Message.Contains(message));
    }

    [Test]
    public void Merging_keeps_what_the_upper_tree_does_not_name_and_takes_paths_as_names()
    {
        SettingsNode root = Parse("""{ "a": { "b": 1, "c": 2 }, "d": [ { "e": 1 }, { "e": 2 } ] }""");

        root.Merge(Parse("""{ "a": { "c": 3 }, "d[1].e": 4 }"""));

        Assert.That(root.ToCanonicalJson(), Is.EqualTo("""{"a":{"b":1,"c":3},"d":[{"e":1},{"e":4}]}"""));
    }

    [Test]
    public void Canonical_json_does_not_depend_on_the_order_of_members_or_on_sources() =>
        Assert.That(Parse("""{ "b": "ü<", "a": { "value": 1, "source": "s" } }""").ToCanonicalJson(), Is.EqualTo(Parse("""{ "a": 1, "b": "ü<" }""").ToCanonicalJson()));

    private static SettingsNode Parse(string text) => SettingsNode.Parse(Encoding.UTF8.GetBytes(text), "f.json", []);
}
