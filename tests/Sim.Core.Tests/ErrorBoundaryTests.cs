using System.Text.Json;

namespace Sim.Core.Tests;

/// <summary>What is a user's error and what is our own bug.</summary>
public sealed class ErrorBoundaryTests
{
    private static IEnumerable<TestCaseData> Errors()
    {
        yield return new TestCaseData(new IOException("No space left on device"), 2, "No space left on device");
        yield return new TestCaseData(new UnauthorizedAccessException("denied"), 2, "denied");
        yield return new TestCaseData(new InsufficientMemoryException(), 2, "not enough memory");
        yield return new TestCaseData(new JsonException("x", null, 6, 0), 3, "line 7");
        yield return new TestCaseData(new InvalidDataException("x"), 3, "compressed");
        yield return new TestCaseData(new IOException("Broken pipe", 32), 141, "closed");
        yield return new TestCaseData(new AggregateException(new IOException("inner")), 2, "inner");
    }

    [TestCaseSource(nameof(Errors))]
    public void What_the_system_refuses_is_no_bug(Exception exception, int code, string word)
    {
        NestsimException? known = ErrorBoundary.Known(exception);
        Assert.That(known?.ExitCode, Is.EqualTo(code));
        Assert.That(known!.Message, Does.Contain(word));
    }

    [Test]
    public void Everything_else_is_a_bug()
    {
        foreach (Exception exception in new Exception[] { new InvalidOperationException(), new ArgumentException("x"), new KeyNotFoundException(), new OperationCanceledException() })
        {
            Assert.That(ErrorBoundary.Known(exception), Is.Null, exception.GetType().Name);
        }
    }
}
