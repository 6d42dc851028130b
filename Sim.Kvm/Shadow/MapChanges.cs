using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>
/// What a <see cref="RecordKind.MapChange"/> does: the guest's or host's own table says the new thing at once; trees that L0 derives from it follow as KVM lets them, at once
/// if the host changed, by an exit or the next sync if a guest did.
/// </summary>
/// <remarks>
/// A Made entry that the model has mapped already (at its first use) stays as it is. A change of size 0 is a write to a table whose entry is unknown: nothing changes.
/// Where the trace's page sizes do not count (<see cref="PageSizeSource.Assumed"/>), a change is one of all pages around and inside its own, in the sizes that they have.
/// </remarks>
internal sealed class MapChanges
{
    private readonly MachineSpec _spec;
    private readonly ReplayKind _kind;
    private readonly AddressSpaces _spaces;
    private readonly ShadowMmu _shadow;
    private readonly SafetyOracle? _oracle;

    public MapChanges(MachineSpec spec, ReplayKind kind, AddressSpaces spaces, ShadowMmu shadow, SafetyOracle? oracle)
    {
        _spec = spec;
        _kind = kind;
        _spaces = spaces;
        _shadow = shadow;
        _oracle = oracle;
    }

    /// <summary>True if whoever runs exits for this change: a shadow-paged guest that writes a protected table. Exits for EPT12 are in the trace.</summary>
    public bool Exits(Vcpu vcpu, in TraceEvent e) =>
        !_spec.L0Ept && Table(vcpu, e) is (MapTable.L1 or MapTable.L2, { } tables) && e.D != 0 && _shadow.Protects(tables, e.C, Written(tables, e));

    /// <summary>Carries the change out.</summary>
    /// <returns>True if host memory was taken away, so that all vCPUs must be flushed.</returns>
    public bool Apply(Lane lane, Vcpu vcpu, in TraceEvent e)
    {
        (MapTable table, PageTable? tables) = Table(vcpu, e);
        if (tables is null || e.D == 0)
        {
            return false;
        }

        PageSize written = Written(tables, e);
        bool assumed = _spec.PageSizes == PageSizeSource.Assumed;
        (ulong address, PageSize size, MapChangeKind change) = (e.C, assumed ? written : SizeOf(e.D), (MapChangeKind)e.E);
        bool retires = change is MapChangeKind.Changed or MapChangeKind.Removed or MapChangeKind.Restricted;
        IReadOnlyList<(ulong Address, Mapping Mapping)> old = retires ? tables.Leaves(address, size) : [];
        if (table != MapTable.L0)
        {
            _oracle?.Changing(table, tables, old, e);
        }

        switch (change)
        {
            case MapChangeKind.Made when assumed:
                break;
            case MapChangeKind.Changed when assumed:
                // The next use maps a new frame, in a page of the assumed size.
                tables.Remove(address, size);
                break;
            case MapChangeKind.Made when !tables.TryFind(address, out _):
            case MapChangeKind.Changed:
                tables.Set(address, size);
                break;
            case MapChangeKind.Removed:
                tables.Remove(address, size);
                break;
            case MapChangeKind.Restricted or MapChangeKind.Widened:
                tables.SetReadOnly(address, size, change == MapChangeKind.Restricted);
                break;
            default:
                break;
        }

        if (table == MapTable.Tdp01)
        {
            foreach ((_, Mapping gone) in old)
            {
                Zap(new AddressRange(gone.Frame, gone.Frame + gone.Bytes - 1));
            }
        }
        else if (_kind == ReplayKind.ByPolicy)
        {
            _shadow.Written(lane, tables, address, written);
        }
        else
        {
            _spaces.ShadowOf(tables.Owner(address))?.Remove(address, written);
        }

        if (table != MapTable.L0 && old.Count > 0)
        {
            _oracle?.Changed(table, tables, address, size);
        }

        return table == MapTable.Tdp01 && retires;
    }

    /// <summary>The trace tells how large the pages around an address are.</summary>
    public void Tell(Vcpu? vcpu, in TraceEvent e)
    {
        PageTable? tables = e.Level switch { 0 => _spaces.L0(e.A), 1 => _spaces.L1Tables(e.A), _ => vcpu is null ? null : _spaces.L2Tables(vcpu.Vmcs12, e.A) };
        tables?.Tell(e.B, SizeOf(e.C), e.D == 0 ? null : SizeOf(e.D));
    }

    /// <summary>The page size that a record's bytes stand for.</summary>
    public static PageSize SizeOf(ulong bytes) => bytes >= 1 << 30 ? PageSize.Size1G : bytes >= 1 << 21 ? PageSize.Size2M : PageSize.Size4K;

    /// <summary>Page size of the entry that is written: that of a larger page around the address, which the change splits, or of the change itself.</summary>
    private static PageSize Written(PageTable tables, in TraceEvent e)
    {
        PageSize size = SizeOf(e.D);
        return tables.TryFind(e.C, out Mapping mapping) && mapping.Size > size ? mapping.Size : size;
    }

    private (MapTable Table, PageTable? Tables) Table(Vcpu vcpu, in TraceEvent e)
    {
        MapTable table = (MapTable)e.A;
        return (table, table switch
        {
            MapTable.L0 => _spaces.L0(e.B),
            MapTable.L1 => _spaces.L1Tables(e.B),
            MapTable.L2 => _spaces.L2Tables(vcpu.Vmcs12, e.B),
            MapTable.Tdp01 => _spaces.Host,
            _ => _spec.L0Ept ? _spaces.Ept12(InveptSingle.Ep4taOf(e.B)) : null,
        });
    }

    /// <summary>The MMU notifier: no derived tree may lead to these host frames any more.</summary>
    private void Zap(AddressRange frames)
    {
        foreach (PageTable derived in _spaces.Derived)
        {
            _shadow.CountZapped(derived.RemoveFrames(frames));
        }
    }
}
