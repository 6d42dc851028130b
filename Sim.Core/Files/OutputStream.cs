namespace Sim.Core.Files;

/// <summary>The content of an <see cref="OutputFile"/>: a full disk, a lost folder, a closed pipe are the user's errors and name the file.</summary>
internal sealed class OutputStream(FileStream inner, OutputFile file) : WriteOnlyStream
{
    private bool _isClosed;

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            inner.Write(buffer);
        }
        catch (IOException e)
        {
            throw Known(e);
        }
    }

    /// <inheritdoc/>
    public override void Flush()
    {
        if (_isClosed)
        {
            return;
        }

        try
        {
            inner.Flush();
        }
        catch (IOException e)
        {
            throw Known(e);
        }
    }

    /// <summary>Closes the file without a word about what its buffer could not get rid of: nobody will have it.</summary>
    public void Abandon()
    {
        try
        {
            Close();
        }
        catch (NestsimException)
        {
            // The disk that is full is full of something else.
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && !_isClosed)
        {
            _isClosed = true;
            try
            {
                inner.Flush();
            }
            catch (IOException e)
            {
                throw Known(e);
            }
            finally
            {
                Release();
            }
        }

        base.Dispose(disposing);
    }

    private void Release()
    {
        try
        {
            inner.Dispose();
        }
        catch (IOException)
        {
            // The flush before it has said so.
        }
    }

    private NestsimException Known(IOException e) => ErrorBoundary.Known(e) is PipeClosedException closed ? closed : file.Refused(e);
}
