#!/usr/bin/env python3
"""Prints the exits of L2 in one window of a Bochs nested-KVM hardware log as weave's exits file.

usage: xz -dc bochs-vmx-1cpu.hw.txt.xz | exits.py WINDOW FROM [EXCLUDED_REASON...]

Places are cycles that L2 ran, counted from its cycle FROM; earlier exits are left out (one instruction is one cycle there). An exit is L1's if the next VM-entry is into L1 (VPID 1), else L0's.
"""
import re
import sys


def field(line, name):
    return int(re.search(rf"\b{name}=(\w+)", line).group(1))


def main():
    window, first, excluded = int(sys.argv[1]), int(sys.argv[2]), {int(reason) for reason in sys.argv[3:]}
    inside, entered, ran, exit_of_l2 = False, None, 0, None
    print(f"# exits of L2 in window {window} from its cycle {first} on" + (f", without reasons {sorted(excluded)}" if excluded else ""))
    print("cycles,reason,handled_by")
    for line in sys.stdin:
        if " MARK " in line:
            command, argument = re.search(r"cmd=(\w+) arg=(\w+)", line).groups()
            if int(argument, 16) == window and command in "12":
                inside = command == "1"
        elif inside and " VMEXIT " in line and field(line, "vpid") != 1 and entered is not None:
            ran += int(line.split()[1]) - entered
            entered, exit_of_l2 = None, field(line, "reason")
        elif inside and " VMENTRY " in line:
            into_l1 = field(line, "vpid") == 1
            if exit_of_l2 is not None and exit_of_l2 not in excluded and ran >= first:
                print(f"{ran - first},{exit_of_l2},{'l1' if into_l1 else 'l0'}")
            exit_of_l2 = None
            entered = None if into_l1 else int(line.split()[1])


main()
