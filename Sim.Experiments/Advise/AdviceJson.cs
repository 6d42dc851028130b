using System.Text.Json;
using Sim.Core.Traces;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Experiments;

/// <summary>Advice as JSON (docs/advise.md).</summary>
public static class AdviceJson
{
    /// <summary>Name of the schema.</summary>
    public const string Schema = "nestsim-advice";

    /// <summary>Version of the schema: within a major version members are only added.</summary>
    public const string SchemaVersion = "1.0";

    /// <summary>The advice as JSON text that ends with a line feed.</summary>
    public static string ToText(Advice advice) => JsonLines.Document(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("schema", Schema);
        writer.WriteString("schema_version", SchemaVersion);
        writer.WriteString("before", advice.Before);
        writer.WriteString("after", advice.After);
        writer.WriteString("answer", advice.Answer);
        writer.WriteString("safety", advice.Safety);
        writer.WriteString("dominates", advice.Dominates);
        writer.WriteString("assumed", advice.Assumed);
        writer.WriteString("firmer", advice.Firmer);
        Write(writer, "round_trip_nanoseconds", advice.RoundTrip);
        writer.WritePropertyName("rate");
        if (advice.Rate is { } rate)
        {
            writer.WriteNumberValue(rate);
        }
        else
        {
            writer.WriteNullValue();
        }

        Write(writer, advice.Price);
        writer.WriteStartArray("replays");
        foreach (AdviceReplay replay in advice.Replays)
        {
            writer.WriteStartObject();
            writer.WriteString("name", replay.Name);
            writer.WriteString("configuration_hash", replay.Results.Provenance.ConfigurationHash);
            writer.WriteString("trace_sha256", replay.Results.Provenance.Trace.Sha256);
            Write(writer, replay.Price);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteStartArray("doubts");
        foreach (Doubt doubt in advice.Doubts)
        {
            JsonLines.WriteDoubt(writer, doubt);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    });

    private static void Write(Utf8JsonWriter writer, RoundTripPrice? price)
    {
        if (price is null)
        {
            writer.WriteNull("more_after");
            return;
        }

        writer.WriteStartObject("more_after");
        Write(writer, "nanoseconds_per_round_trip", price.Nanoseconds);
        Write(writer, "of_round_trip", price.OfRoundTrip);
        Write(writer, "of_cpu", price.OfCpu);
        writer.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter writer, string name, Bracket? bracket)
    {
        if (bracket is not { } ends)
        {
            writer.WriteNull(name);
            return;
        }

        writer.WriteStartArray(name);
        writer.WriteNumberValue(Math.Round(ends.Least, 6));
        writer.WriteNumberValue(Math.Round(ends.Most, 6));
        writer.WriteEndArray();
    }
}
