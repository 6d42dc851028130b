using System.Globalization;
using System.Text;
using System.Xml;
using Sim.Reports.Views;

namespace Sim.Experiments;

/// <summary>A gate's report in the forms that people and CI systems read. Names that a trace or a file supplied come out inert in each.</summary>
public static class GateOutputs
{
    private const int RowsShown = 50;

    /// <summary>Annotations that GitHub shows of one step.</summary>
    private const int AnnotationsShown = 10;

    /// <summary>What is worth a look, one line each with both numbers and the reason.</summary>
    public static IEnumerable<string> Lines(GateReport report) =>
        report.Notable.Take(RowsShown).Select(outcome => InertText.OneLine($"{GateCheck.Word(outcome.Status)}: {outcome.Run}: {outcome.Metric}: {outcome.Message} [{outcome.Reason}]"))
            .Concat(report.Notable.Count > RowsShown ? [$"... and {report.Notable.Count - RowsShown} more"] : []);

    /// <summary>JUnit XML: a test case for each metric.</summary>
    public static string JUnit(GateReport report)
    {
        StringBuilder text = new();
        using (XmlWriter xml = XmlWriter.Create(text, new XmlWriterSettings { Indent = true, NewLineChars = "\n", OmitXmlDeclaration = true }))
        {
            xml.WriteStartElement("testsuites");
            xml.WriteStartElement("testsuite");
            xml.WriteAttributeString("name", InertText.OneLine($"nestsim gate: {report.Title}"));
            xml.WriteAttributeString("tests", Number(report.Outcomes.Count));
            xml.WriteAttributeString("failures", Number(report.Failures.Count));
            foreach (GateOutcome outcome in report.Outcomes)
            {
                xml.WriteStartElement("testcase");
                xml.WriteAttributeString("classname", InertText.OneLine(outcome.Run));
                xml.WriteAttributeString("name", InertText.OneLine(outcome.Metric));
                if (outcome.Fails)
                {
                    xml.WriteStartElement("failure");
                    xml.WriteAttributeString("type", GateCheck.Word(outcome.Status));
                    xml.WriteAttributeString("message", InertText.OneLine(outcome.Message));
                    xml.WriteString(InertText.OneLine(outcome.Reason));
                    xml.WriteEndElement();
                }

                xml.WriteEndElement();
            }

            xml.WriteEndElement();
            xml.WriteEndElement();
        }

        return $"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{text}\n";
    }

    /// <summary>Markdown for a summary page or a comment: the verdict, then a table of what is worth a look.</summary>
    public static string Markdown(GateReport report)
    {
        StringBuilder text = new($"### nestsim gate {report.Summary}\n\n{InertText.Markdown(report.Title)}\n");
        if (report.Notable.Count > 0)
        {
            text.Append("\n| status | run | metric | what | why it is gated |\n|---|---|---|---|---|\n");
            foreach (GateOutcome outcome in report.Notable.Take(RowsShown))
            {
                string[] cells = [outcome.Fails ? $"**{GateCheck.Word(outcome.Status)}**" : GateCheck.Word(outcome.Status), .. new[] { outcome.Run, outcome.Metric, outcome.Message, outcome.Reason }.Select(InertText.Markdown)];
                text.Append(CultureInfo.InvariantCulture, $"| {string.Join(" | ", cells)} |\n");
            }
        }

        if (report.Notable.Count > RowsShown)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n... and {report.Notable.Count - RowsShown} more.\n");
        }

        return text.ToString();
    }

    /// <summary>GitHub workflow commands: an error for each failure, a notice for each gain; GitHub shows the first ten of a step, so the rest is one line.</summary>
    public static IEnumerable<string> GitHubAnnotations(GateReport report)
    {
        GateOutcome[] shown = [.. report.Notable.Where(outcome => outcome.Status != GateStatus.Within)];
        foreach (GateOutcome outcome in shown.Take(shown.Length > AnnotationsShown ? AnnotationsShown - 1 : AnnotationsShown))
        {
            string kind = outcome.Fails ? "error" : "notice";
            string title = InertText.GitHubProperty($"{outcome.Run}: {outcome.Metric} {GateCheck.Word(outcome.Status)}");
            yield return $"::{kind} title={title}::{InertText.GitHubMessage($"{outcome.Message} {outcome.Reason}")}";
        }

        if (shown.Length > AnnotationsShown)
        {
            yield return $"::{(report.Failures.Count > 0 ? "error" : "notice")} title=nestsim gate::{InertText.GitHubMessage(report.Summary)}";
        }
    }

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
}
