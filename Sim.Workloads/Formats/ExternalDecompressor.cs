using System.ComponentModel;
using System.Diagnostics;
using Sim.Core;

namespace Sim.Workloads.Formats;

/// <summary>Decompresses through a program of the system (<c>xz -dc</c>, <c>zstd -dc</c>): our bytes go to its standard input, its output is read.</summary>
internal sealed class ExternalDecompressor : Stream
{
    private readonly Process _process;
    private readonly Task _pump;
    private readonly Task<string> _complaint;
    private readonly Stream _compressed;
    private readonly string _program;
    private bool _ended;
    private bool _disposed;

    /// <summary>Starts <paramref name="program"/> on <paramref name="compressed"/>, which it owns.</summary>
    /// <exception cref="ConfigurationException">The program is not installed.</exception>
    public ExternalDecompressor(string program, string package, Stream compressed, string name)
    {
        _program = program;
        _compressed = compressed;
        ProcessStartInfo start = new(program) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.ArgumentList.Add("-dc");
        try
        {
            _process = Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new ConfigurationException(
                $"{name} is compressed with {program}, and the program '{program}' cannot be started ({e.Message}). Install it (Debian: apt install {package}) or decompress the file first.", e);
        }

        _complaint = _process.StandardError.ReadToEndAsync();
        _pump = Task.Factory.StartNew(Pump, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        int read = _process.StandardOutput.BaseStream.Read(buffer);
        if (read == 0 && buffer.Length > 0 && !_ended)
        {
            _process.WaitForExit();
            _pump.GetAwaiter().GetResult();
            _ended = true;
            if (_process.ExitCode != 0)
            {
                throw new InvalidDataException($"{_program} says '{_complaint.Result.Trim().ReplaceLineEndings(" ")}'");
            }
        }

        return read;
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && !_disposed)
        {
            _disposed = true;
            if (!_process.HasExited)
            {
                _process.Kill();
            }

            _process.Dispose();
            _compressed.Dispose();
        }

        base.Dispose(disposing);
    }

    private void Pump()
    {
        try
        {
            using Stream sink = _process.StandardInput.BaseStream;
            _compressed.CopyTo(sink, 1 << 16);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            // The program ended before its input did; its exit code and its complaint say why.
        }
    }
}
