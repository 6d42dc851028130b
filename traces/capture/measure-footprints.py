#!/usr/bin/env python3
"""Counts the 4K pages that L0 and L1 touch while they handle one exit of L2.

Input: a `*.pages.txt` memory window of the Bochs nested-KVM captures (their README says what the lines mean). The list is filtered by
the capture (a page among the last 8 data or 4 code pages is not listed again), which does not change the number of distinct pages.
Prints, per kind of segment, how many there were and the median and 90th percentile of distinct code pages, distinct data pages, listed
records and instructions; then the exit reasons. These figures are the defaults of Sim.Workloads.Weave.WeaveSpec.

usage: xz -dc bochs-vmx-mem.win1.pages.txt.xz | measure-footprints.py
"""
import re
import statistics
import sys
from collections import Counter, defaultdict

L1_VPID, L2_VPID = "1", "2"


class Segment:
    """One stay of one level: from a real transition to the next."""

    def __init__(self, level, cause, start):
        self.level, self.cause, self.start = level, cause, start
        self.code, self.data, self.records = set(), set(), 0


def main():
    segments, reasons, episodes = defaultdict(list), Counter(), Counter()
    current, run_level, exits_of_l1, seen_l2 = None, None, 0, False
    pages_by_level = defaultdict(set)

    def finish(next_level, icount):
        nonlocal current
        if current is None:
            return
        kind = current.level if current.level != "L0" else f"L0 {current.cause}->{next_level}"
        segments[kind].append((len(current.code), len(current.data), current.records, icount - current.start))
        current = None

    for line in sys.stdin:
        first = line[0]
        if first in "RWX":
            if current is not None:
                page = line.split()[1]
                (current.code if first == "X" else current.data).add(page)
                pages_by_level[current.level].add(page)
                current.records += 1
        elif first.isdigit():
            field = line.split()
            if field[4] not in ("VMEXIT", "VMENTRY"):
                continue
            icount = int(field[1])
            vpid = re.search(r"vpid=(\d+)", line).group(1)
            level = "L2" if vpid == L2_VPID else "L1"
            if field[4] == "VMEXIT":
                finish("L0", icount)
                reason = re.search(r"reason=(\d+)", line).group(1)
                if level == "L2":
                    seen_l2, exits_of_l1 = True, 0
                elif seen_l2:
                    exits_of_l1 += 1
                if seen_l2:
                    reasons[(level, reason)] += 1
                    last = "VMRESUME" if level == "L1" and reason in ("20", "24") else level
                    current = Segment("L0", last, icount)
            else:
                finish(level, icount)
                if seen_l2:
                    current = Segment(level, "", icount)
                    if level == "L2":
                        episodes[exits_of_l1] += 1

    print(f"{'segment':24} {'count':>6}  code p50 p90   data p50 p90   records p50 p90   instructions p50 p90")
    for kind in sorted(segments):
        columns = list(zip(*segments[kind]))
        cells = []
        for column in columns:
            ordered = sorted(column)
            cells.append(f"{int(statistics.median(ordered)):7} {ordered[int(0.9 * (len(ordered) - 1))]:6}")
        print(f"{kind:24} {len(segments[kind]):6}  {'  '.join(cells)}")
    print("distinct pages over the window:", {level: len(pages) for level, pages in sorted(pages_by_level.items())})
    print("exits of L1 per return to L2 (0: L0 handled it alone):", dict(sorted(episodes.items())))
    print("reasons:", {f"{level} {reason}": count for (level, reason), count in reasons.most_common(16)})


main()
