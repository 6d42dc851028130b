# A user program that does nothing but execute CPUID, as a bare trace in the text twin: 20 instructions on one code page and two accesses to the stack for each.
# usage: awk -v loops=250 -f cpuid-loop.awk > cpuid-loop.txt
BEGIN {
    print "nestsim-trace text 1.0"
    print "header {\"lanes\":1,\"folded\":true,\"cyclesPerRecordTick\":\"1/1\",\"addresses\":\"linear\",\"properties\":{\"program\":\"a loop around CPUID\",\"source\":\"traces/capture/cpuid-loop.awk\"}}"
    for (i = 0; i < loops; i++) {
        t = i * 22
        printf "0 @%d X 0x401000 cpl=3 size=4 x20\n", t
        printf "0 @%d R 0x7ffffffde010 cpl=3 size=8\n", t + 20
        printf "0 @%d W 0x7ffffffde018 cpl=3 size=8\n", t + 21
    }
    print "end " 3 * loops
}
