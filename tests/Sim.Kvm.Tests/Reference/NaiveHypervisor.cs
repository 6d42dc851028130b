namespace Sim.Kvm.Tests.Reference;

/// <summary>
/// L0's flushes, written a second time straight from docs/rules.md#tags-of-l1-and-l2 to #invvpid-and-invept as one long list of cases by policy letter, with no thought
/// of speed or reuse. Says which invalidations hardware sees, as text: "invvpid 2", "invept 02:70000", "invept all", "invvpid all", "invvpid 2 @1000".
/// </summary>
internal sealed class NaiveHypervisor
{
    private readonly char _policy;
    private readonly bool _v0;
    private readonly bool _e0;
    private readonly bool _v02;
    private readonly List<string> _out = [];
    private readonly List<string> _rootMmu = [];
    private readonly List<string> _guestMmu = [];
    private readonly HashSet<string> _shadowed = [];
    private readonly int[] _lastLane = [-1, -1];
    private string? _rootMmuCurrent;
    private string? _guestMmuCurrent;
    private uint _lastVpid;
    private bool _l2;
    private bool _v12;
    private bool _e12;
    private ulong _vmcs12;
    private ulong _eptp12;
    private ulong _l1Cr3;
    private readonly Dictionary<ulong, ulong> _l2Cr3 = [];
    private bool _flush;
    private bool _current;
    private bool _guest;

    /// <summary>Letters of docs/rules.md#policy-letters: A B C D 0 (for E0) 1 (for E1) F G, H for G with the INVVPID fix; c g a n for the yardsticks.</summary>
    public NaiveHypervisor(char policy, bool v0, bool e0, bool v02) => (_policy, _v0, _e0, _v02) = (policy, v0, e0, v02);

    private bool IsNew => "cgan".Contains(_policy);

    private char Kernel => IsNew || _policy == 'H' ? 'G' : _policy;

    private bool V02 => _v02 && _v0 && Kernel != 'A';

    private int Vpid01 => _v0 ? 1 : 0;

    private int Vpid02 => V02 ? 2 : 0;

    public string[] Take()
    {
        string[] result = [.. _out];
        _out.Clear();
        return result;
    }

    public void RealEntry(int lane)
    {
        Service(lane);
        if (CurrentRoot is null)
        {
            Load();
            FlushCurrent();
            if (UsesGuestMmu && _shadowed.Add(NeededRoot))
            {
                // Its table became read-only in EPT01, which all vCPUs flush: before the entry, which starts anew.
                FlushAll();
            }
        }

        Untagged();
    }

    public void Service(int lane)
    {
        int vmcs = _l2 ? 1 : 0;
        if (_lastLane[vmcs] != lane)
        {
            _lastLane[vmcs] = lane;
            _flush = true;
        }

        if (_flush)
        {
            (_flush, _current) = (false, false);
            FlushAll();
        }

        if (_current)
        {
            _current = false;
            FlushCurrent();
        }

        if (_guest)
        {
            _guest = false;
            FlushGuest();
        }
    }

    public void RealExit() => Untagged();

    public void NestedEntry(ulong vmcs12, bool v12, uint id12, bool e12, ulong eptp12)
    {
        BeforeSwitch();
        if (Kernel != 'A' && vmcs12 != _vmcs12)
        {
            Free(_guestMmu, ref _guestMmuCurrent, _ => true);
        }

        _vmcs12 = vmcs12;
        _v12 = v12 && _v0 && Kernel != 'A';
        _e12 = e12 && _e0;
        _eptp12 = eptp12;
        Transition(true, id12);
    }

    public void NestedExit()
    {
        BeforeSwitch();
        Transition(false, 0);
    }

    public void Invvpid(int lane, int type, ushort vpid, ulong address)
    {
        if (!_v0 || Kernel == 'A' || (type != 2 && vpid == 0))
        {
            return;
        }

        int effective = V02 ? 2 : 1;
        if (_policy == 'H' && _lastLane[1] != lane)
        {
            _lastVpid = 0;
        }
        else
        {
            _out.Add(type == 0 && Kernel != 'B' ? $"invvpid {effective} @{address:x}" : $"invvpid {effective}");
        }

        if (Kernel == 'B' && _e0 && CurrentRoot is not null)
        {
            _out.Add($"invept {CurrentRoot}");
        }

        if (!_e0 && Kernel == 'D')
        {
            Free(_rootMmu, ref _rootMmuCurrent, _ => true);
        }

        if (!_e0 && "01FG".Contains(Kernel))
        {
            Free(_rootMmu, ref _rootMmuCurrent, root => root.StartsWith("L2", StringComparison.Ordinal));
        }
    }

    public void Invept(int type, ulong eptp12)
    {
        if (!_e0)
        {
            return;
        }

        if ("ABC".Contains(Kernel))
        {
            _flush = true;
        }
        else
        {
            Free(_guestMmu, ref _guestMmuCurrent, root => type == 2 || root == $"02:{eptp12:x}");
        }
    }

    public void HostUnmap() => _flush = true;

    public void MovToCr3(int lane, ulong cr3)
    {
        if (_l2)
        {
            _l2Cr3[_vmcs12] = cr3;
        }
        else
        {
            _l1Cr3 = cr3;
        }

        if (_e0)
        {
            _out.Add("mov cr3");
            return;
        }

        Untagged();
        Select();
        if ("ABC".Contains(Kernel))
        {
            _flush = true;
        }
        else
        {
            _current = true;
        }

        if (Kernel == '0')
        {
            Free(_rootMmu, ref _rootMmuCurrent, root => root != NeededRoot);
        }

        RealEntry(lane);
    }

    private string? CurrentRoot => UsesGuestMmu ? _guestMmuCurrent : _rootMmuCurrent;

    private bool UsesGuestMmu => _l2 && _e12;

    private string NeededRoot
    {
        get
        {
            if (_e0)
            {
                return UsesGuestMmu ? $"02:{_eptp12:x}" : _l2 && Kernel is not ('A' or 'B') ? "01 for L2" : "01";
            }

            return _l2 ? $"L2 {_vmcs12:x} {_l2Cr3.GetValueOrDefault(_vmcs12):x}" : $"L1 {_l1Cr3:x}";
        }
    }

    private void Transition(bool entry, uint id12)
    {
        bool isNew = entry && _v12 && id12 != _lastVpid;
        bool tag = _e0 || (_v12 && V02);
        switch (_policy)
        {
            case 'A':
                if (_v0)
                {
                    OldFlush();
                }

                break;
            case 'B':
                if (!_v0)
                {
                    break;
                }

                if (!entry)
                {
                    OldFlush();
                }
                else if (!_v12 || !V02)
                {
                    OldFlush();
                }
                else if (isNew)
                {
                    _lastVpid = id12;
                    _out.Add("invvpid 2");
                    if (_e0 && CurrentRoot is not null)
                    {
                        _out.Add($"invept {CurrentRoot}");
                    }
                }

                break;
            case 'C':
                if (_v0 && !(_v12 && (_e12 || V02)))
                {
                    _flush = true;
                }
                else if (_v0 && isNew)
                {
                    _lastVpid = id12;
                    Vpid(V02 ? 2 : 1);
                }

                break;
            case 'D':
                if (!_v0)
                {
                    break;
                }

                if (!_v12)
                {
                    _flush = true;
                }
                else if (!tag)
                {
                    _current = true;
                }
                else if (isNew)
                {
                    _lastVpid = id12;
                    Vpid(V02 ? 2 : 1);
                }

                break;
            case '0':
                if (!_v12)
                {
                    _guest = true;
                }
                else if (!tag)
                {
                    _current = true;
                }
                else if (isNew)
                {
                    _lastVpid = id12;
                    Vpid(V02 ? 2 : 1);
                }

                break;
            case '1' or 'F' or 'G' or 'H':
                if (!_v12)
                {
                    _guest = true;
                }
                else if (isNew)
                {
                    _lastVpid = id12;
                    _guest = true;
                }
                else if (!tag)
                {
                    _current = true;
                }

                break;
            case 'c':
                _current = true;
                break;
            case 'g':
                _guest = true;
                break;
            case 'a':
                _flush = true;
                break;
            default:
                break;
        }

        _l2 = entry;
        Select();
    }

    private void Select()
    {
        if (Kernel is 'A' or 'B')
        {
            if (UsesGuestMmu)
            {
                _guestMmuCurrent = null;
            }
            else
            {
                _rootMmuCurrent = null;
            }

            return;
        }

        List<string> cached = UsesGuestMmu ? _guestMmu : _rootMmu;
        bool hit = cached.Remove(NeededRoot);
        string? current = hit ? NeededRoot : null;
        if (hit)
        {
            cached.Insert(0, NeededRoot);
            _flush |= Kernel == 'C';
        }

        if (UsesGuestMmu)
        {
            _guestMmuCurrent = current;
        }
        else
        {
            _rootMmuCurrent = current;
        }
    }

    private void Load()
    {
        List<string> cached = UsesGuestMmu ? _guestMmu : _rootMmu;
        cached.Remove(NeededRoot);
        cached.Insert(0, NeededRoot);
        if (cached.Count == 5)
        {
            cached.RemoveAt(4);
        }

        if (UsesGuestMmu)
        {
            _guestMmuCurrent = NeededRoot;
        }
        else
        {
            _rootMmuCurrent = NeededRoot;
        }
    }

    private static void Free(List<string> cached, ref string? current, Func<string, bool> match)
    {
        cached.RemoveAll(root => match(root));
        if (current is not null && match(current))
        {
            current = null;
        }
    }

    private void BeforeSwitch()
    {
        if (!"ABC".Contains(Kernel) && _current)
        {
            _current = false;
            FlushCurrent();
        }

        if ("1FG".Contains(Kernel) && _guest)
        {
            _guest = false;
            FlushGuest();
        }
    }

    private void OldFlush()
    {
        if (Kernel != 'C' || !_e0)
        {
            Vpid(Vpid01);
        }

        if (_e0 && CurrentRoot is not null)
        {
            _out.Add($"invept {CurrentRoot}");
        }
    }

    private void FlushAll()
    {
        if ("ABC".Contains(Kernel))
        {
            OldFlush();
        }
        else if (_e0)
        {
            _out.Add("invept all");
        }
        else if (_v0)
        {
            _out.Add("invvpid all");
        }
    }

    private void FlushCurrent()
    {
        if ("ABC".Contains(Kernel))
        {
            OldFlush();
        }
        else if (_e0)
        {
            if (CurrentRoot is not null)
            {
                _out.Add($"invept {CurrentRoot}");
            }
        }
        else
        {
            Vpid(_l2 && V02 && (Kernel != 'G' || _v12) ? Vpid02 : Vpid01);
        }
    }

    private void FlushGuest()
    {
        if (!_e0 && Kernel == '0')
        {
            Free(_rootMmu, ref _rootMmuCurrent, _ => true);
            return;
        }

        Vpid(Kernel switch
        {
            'D' or '0' => Vpid01,
            'G' => _l2 && _v12 && V02 ? Vpid02 : Vpid01,
            _ => _l2 && V02 ? Vpid02 : Vpid01,
        });
    }

    private void Vpid(int vpid)
    {
        if (vpid != 0)
        {
            _out.Add($"invvpid {vpid}");
        }
    }

    private void Untagged()
    {
        if (!_v0)
        {
            _out.Add("transition");
        }
    }
}
