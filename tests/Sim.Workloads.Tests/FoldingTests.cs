using FsCheck;
using FsCheck.Fluent;
using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Tests;

[TestFixture]
public sealed class FoldingTests
{
    private const int Lanes = 1;

    [Test]
    public void A_run_keeps_the_place_time_and_address_of_its_first_access_and_counts_the_others()
    {
        Assert.That(
            Fold(trace =>
            {
                trace.Access(0, 5, 0x1010, AccessType.Read, size: 4);
                trace.Access(0, 6, 0x1FFF, AccessType.Read, size: 1, repeat: 3);
                trace.Access(0, 7, 0x2000, AccessType.Read);
            }),
            Is.EqualTo(new[] { "5 1010 Read 4 x4", "7 2000 Read 8 x1" }));
    }

    [Test]
    public void Reads_and_writes_of_a_page_are_runs_of_their_own_so_that_loads_and_stores_stay_what_they_were()
    {
        Assert.That(
            Fold(trace =>
            {
                trace.Access(0, 0, 0x1000, AccessType.Read);
                trace.Access(0, 1, 0x1000, AccessType.Write);
                trace.Access(0, 2, 0x1000, AccessType.Read);
                trace.Access(0, 3, 0x1000, AccessType.Write);
            }),
            Is.EqualTo(new[] { "0 1000 Read 8 x2", "1 1000 Write 8 x1", "3 1000 Write 8 x1" }));
    }

    [Test]
    public void Fetch_and_data_runs_that_interleave_fold_independently_even_on_the_same_page()
    {
        Assert.That(
            Fold(trace =>
            {
                trace.Access(0, 0, 0x1000, AccessType.Execute);
                trace.Access(0, 0, 0x1800, AccessType.Read);
                trace.Access(0, 1, 0x1004, AccessType.Execute);
                trace.Access(0, 1, 0x5000, AccessType.Read);
                trace.Access(0, 2, 0x1008, AccessType.Execute);
                trace.Access(0, 2, 0x1808, AccessType.Read);
            }),
            Is.EqualTo(new[] { "0 1000 Execute 8 x3", "0 1800 Read 8 x1", "1 5000 Read 8 x1", "2 1808 Read 8 x1" }));
    }

    [Test]
    public void An_event_and_a_change_of_privilege_level_end_a_run()
    {
        Assert.That(
            Fold(trace =>
            {
                trace.Access(0, 0, 0x1000, AccessType.Read, cpl: 3);
                trace.Access(0, 1, 0x1000, AccessType.Read, cpl: 0);
                trace.Event(0, TraceEvent.Invlpg(2, 0, 0x1000));
                trace.Access(0, 3, 0x1000, AccessType.Read, cpl: 0);
            }),
            Is.EqualTo(new[] { "0 1000 Read 8 x1", "1 1000 Read 8 x1", "Invlpg level=0 address=0x1000", "3 1000 Read 8 x1" }));
    }

    [Test]
    public void A_run_of_writes_ends_where_another_page_is_read()
    {
        Assert.That(
            Fold(trace =>
            {
                trace.Access(0, 0, 0x1000, AccessType.Write);
                trace.Access(0, 1, 0x2000, AccessType.Read);
                trace.Access(0, 2, 0x1000, AccessType.Write);
                trace.Access(0, 3, 0x1000, AccessType.Read);
            }),
            Is.EqualTo(new[] { "0 1000 Write 8 x1", "1 2000 Read 8 x1", "2 1000 Write 8 x1", "3 1000 Read 8 x1" }));
    }

    [Test]
    public void The_last_access_of_a_lane_keeps_its_time_so_that_the_trace_is_as_long_as_it_was()
    {
        Assert.That(
            Fold(trace =>
            {
                trace.Access(0, 5, 0x1000, AccessType.Read);
                trace.Access(0, 6, 0x1000, AccessType.Read);
                trace.Access(0, 9, 0x1008, AccessType.Read);
            }),
            Is.EqualTo(new[] { "5 1000 Read 8 x2", "9 1008 Read 8 x1" }));
    }

    [Test]
    public void A_repeat_count_that_would_overflow_begins_a_new_record()
    {
        Assert.That(
            Fold(trace =>
            {
                trace.Access(0, 0, 0x1000, AccessType.Read, repeat: uint.MaxValue - 1);
                trace.Access(0, 1, 0x1000, AccessType.Read, repeat: 1);
                trace.Access(0, 2, 0x1000, AccessType.Read, repeat: 1);
            }),
            Is.EqualTo(new[] { "0 1000 Read 8 x4294967295", "2 1000 Read 8 x1" }));
    }

    [Test]
    public void How_the_input_was_cut_into_blocks_does_not_change_the_output()
    {
        TraceBlock whole = RandomBlock(seed: 7, accesses: 20_000, events: 40);
        Assert.That(Lines(FoldBlocks(Cut(whole, 137))), Is.EqualTo(Lines(FoldBlocks([whole]))));
    }

    /// <summary>The claim on which the whole speed of replay rests, against per-access LRU TLBs of a dozen sizes.</summary>
    [Test]
    public void Misses_at_every_level_and_dirty_updates_are_the_same_with_and_without_folding()
    {
        Prop.ForAll<int>(ArbMap.Default.ArbFor<int>(), seed =>
        {
            TraceBlock whole = RandomBlock((ulong)(uint)seed, accesses: 1500, events: 12);
            MemoryTrace folded = FoldBlocks([whole]);
            foreach (int pages in new[] { 1, 2, 3, 4, 8, 16 })
            {
                Assert.That(NaiveTlbs.Replay(folded, pages), Is.EqualTo(NaiveTlbs.Replay(Trace([whole]), pages)), $"{pages} pages, seed {seed}");
            }
        }).QuickCheckThrowOnFailure();
    }

    [Test]
    public void The_naive_tlbs_do_tell_a_dropped_record_apart()
    {
        TraceBlock whole = RandomBlock(seed: 3, accesses: 1500, events: 12);
        TraceBlock everyOther = new();
        for (int i = 0; i < whole.AccessCount; i += 2)
        {
            everyOther.AddAccess(whole.Time[i], whole.Address[i], whole.Flags[i], 2);
        }

        Assert.That(NaiveTlbs.Replay(Trace([everyOther]), 4).DataMisses, Is.Not.EqualTo(NaiveTlbs.Replay(Trace([whole]), 4).DataMisses));
    }

    private static TraceBlock RandomBlock(ulong seed, int accesses, int events)
    {
        Rng rng = new(seed);
        TraceBlock block = new();
        ulong time = 0;
        for (int i = 0; i < accesses; i++)
        {
            if (events > 0 && rng.Below((ulong)(accesses / events)) == 0)
            {
                block.AddEvent(TraceEvent.Invlpg(time, 0, rng.Below(12) << 12));
            }

            AccessType type = (AccessType)rng.Below(3);
            ulong page = rng.Below(4) == 0 ? rng.Below(12) : rng.Below(3);
            block.AddAccess(time, (page << 12) | rng.Below(4096), AccessFlags.Pack(type, rng.Below(20) == 0 ? 3 : 0), 1 + (uint)rng.Below(2));
            time += rng.Below(3);
        }

        return block;
    }

    private static List<TraceBlock> Cut(TraceBlock whole, int accesses)
    {
        List<TraceBlock> parts = [];
        TraceBlock part = new();
        int e = 0;
        for (int i = 0; i < whole.AccessCount; i++)
        {
            for (; e < whole.EventCount && whole.EventPosition[e] == i; e++)
            {
                part.AddEvent(whole.Events[e]);
            }

            part.AddAccess(whole.Time[i], whole.Address[i], whole.Flags[i], whole.Repeat[i]);
            if (part.AccessCount == accesses)
            {
                parts.Add(part);
                part = new TraceBlock();
            }
        }

        parts.Add(part);
        return parts;
    }

    private static MemoryTrace Trace(IEnumerable<TraceBlock> blocks)
    {
        MemoryTrace trace = new();
        foreach (TraceBlock block in blocks)
        {
            trace.Write(block);
        }

        return trace;
    }

    private static MemoryTrace FoldBlocks(IEnumerable<TraceBlock> blocks)
    {
        MemoryTrace folded = new();
        Folding folding = new(folded, Lanes);
        foreach (TraceBlock block in blocks)
        {
            folding.Write(block);
        }

        folding.Complete();
        return folded;
    }

    private static List<string> Fold(Action<TraceAppender> write)
    {
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, Lanes);
        write(appender);
        appender.Complete();
        TraceBlock block = new();
        trace.Read(block);
        return Lines(FoldBlocks([block]));
    }

    private static List<string> Lines(MemoryTrace trace)
    {
        List<string> lines = [];
        TraceBlock block = new();
        trace.Rewind();
        while (trace.Read(block))
        {
            int e = 0;
            for (int i = 0; i <= block.AccessCount; i++)
            {
                for (; e < block.EventCount && block.EventPosition[e] == i; e++)
                {
                    lines.Add(block.Events[e].ToString());
                }

                if (i < block.AccessCount)
                {
                    byte flags = block.Flags[i];
                    lines.Add($"{block.Time[i]} {block.Address[i]:x} {AccessFlags.Type(flags)} {AccessFlags.Size(flags)} x{block.Repeat[i]}");
                }
            }
        }

        return lines;
    }

    /// <summary>Per-access, list-based: fully associative LRU instruction and data TLBs of a given size before a shared second level of twice that size.</summary>
    private sealed class NaiveTlbs
    {
        private readonly List<(ulong Page, bool Dirty)> _data = [];
        private readonly List<(ulong Page, bool Dirty)> _fetch = [];
        private readonly List<(ulong Page, bool Dirty)> _shared = [];
        private readonly int _pages;
        private int _dataMisses;
        private int _fetchMisses;
        private int _walks;
        private int _dirtyUpdates;
        private long _accesses;

        private NaiveTlbs(int pages) => _pages = pages;

        public sealed record Counts(int DataMisses, int FetchMisses, int Walks, int DirtyUpdates, long Accesses);

        public static Counts Replay(MemoryTrace trace, int pages)
        {
            NaiveTlbs tlbs = new(pages);
            TraceBlock block = new();
            trace.Rewind();
            while (trace.Read(block))
            {
                int e = 0;
                for (int i = 0; i < block.AccessCount; i++)
                {
                    for (; e < block.EventCount && block.EventPosition[e] == i; e++)
                    {
                        tlbs.Invalidate(block.Events[e].A >> 12);
                    }

                    for (uint r = 0; r < block.Repeat[i]; r++)
                    {
                        tlbs.Access(block.Address[i] >> 12, AccessFlags.Type(block.Flags[i]));
                    }
                }
            }

            return new Counts(tlbs._dataMisses, tlbs._fetchMisses, tlbs._walks, tlbs._dirtyUpdates, tlbs._accesses);
        }

        private static void Put(List<(ulong Page, bool Dirty)> level, int size, (ulong Page, bool Dirty) entry)
        {
            level.RemoveAll(other => other.Page == entry.Page);
            level.Insert(0, entry);
            if (level.Count > size)
            {
                level.RemoveAt(size);
            }
        }

        private void Access(ulong page, AccessType type)
        {
            _accesses++;
            List<(ulong Page, bool Dirty)> first = type == AccessType.Execute ? _fetch : _data;
            int at = first.FindIndex(entry => entry.Page == page);
            bool dirty;
            if (at >= 0)
            {
                dirty = first[at].Dirty;
            }
            else
            {
                _ = type == AccessType.Execute ? _fetchMisses++ : _dataMisses++;
                int second = _shared.FindIndex(entry => entry.Page == page);
                dirty = second >= 0 && _shared[second].Dirty;
                _walks += second < 0 ? 1 : 0;
                Put(_shared, 2 * _pages, (page, dirty));
            }

            if (type == AccessType.Write && !dirty)
            {
                _dirtyUpdates++;
                dirty = true;
            }

            Put(first, _pages, (page, dirty));
        }

        private void Invalidate(ulong page)
        {
            foreach (List<(ulong Page, bool Dirty)> level in new[] { _data, _fetch, _shared })
            {
                level.RemoveAll(entry => entry.Page == page);
            }
        }
    }
}
