using System.Text;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;

namespace Sim.Workloads.Tests.Formats;

[TestFixture]
public sealed class HeaderJsonTests
{
    [Test]
    public void A_known_record_without_one_of_its_fields_is_an_error_and_not_a_zero()
    {
        string json = Encoding.UTF8.GetString(HeaderJson.Write(TraceHeader.Default, true));
        Assert.That(json, Does.Contain("\"vmcs\""));
        TraceFormatException error = Assert.Throws<TraceFormatException>(
            () => HeaderJson.Parse(Encoding.UTF8.GetBytes(json.Replace("\"vmcs\"", "\"vmcs12\"", StringComparison.Ordinal)), "old.nst", "offset 32"))!;
        Assert.That(error.Message, Does.Contain("record kind VmEnter without its field 'vmcs'"));
    }

    [Test]
    public void A_field_that_a_newer_minor_version_added_is_read_past()
    {
        string json = Encoding.UTF8.GetString(HeaderJson.Write(TraceHeader.Default, true));
        string newer = json.Replace("{\"name\":\"vmcs\",", "{\"name\":\"extra\",\"format\":\"hex\"},{\"name\":\"vmcs\",", StringComparison.Ordinal);
        Assert.That(newer, Is.Not.EqualTo(json));
        (TraceHeader header, HeaderJson.FileSchema schema) = HeaderJson.Parse(Encoding.UTF8.GetBytes(newer), "new.nst", "offset 32");
        Assert.That(header.Lanes, Is.EqualTo(1));
        Assert.That(schema[(byte)RecordKind.VmEnter], Has.Length.EqualTo(7));
    }
}
