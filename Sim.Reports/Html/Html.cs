using System.Text;
using System.Text.Encodings.Web;
using Sim.Reports.Views;

namespace Sim.Reports.Html;

/// <summary>Builds HTML. Everything that is not written as markup here goes through <see cref="Text"/> or an attribute value, so no label can become markup.</summary>
internal sealed class Html
{
    private readonly StringBuilder _text = new();

    /// <summary>Opens an element. Attributes without a value are left out if it is null.</summary>
    public Html Open(string element, params IReadOnlyList<(string Name, string? Value)> attributes)
    {
        _text.Append('<').Append(element);
        foreach ((string name, string? value) in attributes.Where(attribute => attribute.Value is not null))
        {
            _text.Append(' ').Append(name).Append("=\"").Append(HtmlEncoder.Default.Encode(InertText.OneLine(value!))).Append('"');
        }

        _text.Append('>');
        return this;
    }

    /// <summary>Closes an element.</summary>
    public Html Close(string element)
    {
        _text.Append("</").Append(element).Append('>');
        return this;
    }

    /// <summary>Text of any origin.</summary>
    public Html Text(string text)
    {
        _text.Append(HtmlEncoder.Default.Encode(InertText.OneLine(text)));
        return this;
    }

    /// <summary>An element that holds text only.</summary>
    public Html Element(string element, string text, params IReadOnlyList<(string Name, string? Value)> attributes) => Open(element, attributes).Text(text).Close(element);

    /// <summary>A line feed between blocks, so that the source can be read.</summary>
    public Html Line()
    {
        _text.Append('\n');
        return this;
    }

    /// <summary>Markup, script, style or JSON that is our own and safe as it is.</summary>
    public Html Raw(string markup)
    {
        _text.Append(markup);
        return this;
    }

    /// <inheritdoc/>
    public override string ToString() => _text.ToString();
}
