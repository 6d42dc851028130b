/*
 * The yardstick of the throughput benchmark: the least C that looks a stream of references up in the textbook TLB
 * (64-entry 4-way first level for data and another for fetches, shared 1536-entry 12-way second level, true LRU by
 * move-to-front, most-recently-used shortcut) and counts hits and walks.
 *
 * usage: tlb_loop FILE PASSES
 * FILE: little-endian 64-bit words, page number in bits 55:0, bit 63 set for a fetch.
 * Prints: references, walks, first-level misses of one pass, and the best pass in nanoseconds.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FETCH (1ULL << 63)

static uint64_t l1[2][16][4], stlb[128][12];

static int touch(uint64_t *set, int ways, uint64_t page)
{
	int i;

	if (set[0] == page)
		return 1;
	for (i = 1; i < ways && set[i] != page; i++)
		;
	int hit = i < ways;
	if (!hit)
		i = ways - 1;
	for (; i > 0; i--)
		set[i] = set[i - 1];
	set[0] = page;
	return hit;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: tlb_loop FILE PASSES\n");
		return 2;
	}
	FILE *file = fopen(argv[1], "rb");
	if (!file) {
		perror(argv[1]);
		return 3;
	}
	fseek(file, 0, SEEK_END);
	size_t n = (size_t)ftell(file) / 8;
	rewind(file);
	uint64_t *refs = malloc(n * 8 + 8);
	if (!refs || fread(refs, 8, n, file) != n) {
		fprintf(stderr, "%s: cannot be read\n", argv[1]);
		return 3;
	}

	uint64_t best = UINT64_MAX, misses = 0, walks = 0;
	for (int pass = 0; pass < atoi(argv[2]); pass++) {
		struct timespec a, b;
		memset(l1, 0xff, sizeof l1);
		memset(stlb, 0xff, sizeof stlb);
		misses = walks = 0;
		clock_gettime(CLOCK_MONOTONIC, &a);
		for (size_t i = 0; i < n; i++) {
			uint64_t page = refs[i] & ~FETCH;
			if (!touch(l1[refs[i] >> 63][page & 15], 4, page)) {
				misses++;
				walks += !touch(stlb[page & 127], 12, page);
			}
		}
		clock_gettime(CLOCK_MONOTONIC, &b);
		uint64_t ns = (uint64_t)(b.tv_sec - a.tv_sec) * 1000000000u + (uint64_t)b.tv_nsec - (uint64_t)a.tv_nsec;
		if (ns < best)
			best = ns;
	}
	printf("%zu %llu %llu %llu\n", n, (unsigned long long)walks, (unsigned long long)misses, (unsigned long long)best);
	return 0;
}
