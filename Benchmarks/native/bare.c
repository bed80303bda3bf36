// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// What this machine takes for the bare operations that an update is made of. `lock_add` is the reference measured as an
// operation: how far its ratio is from 1 is the error to expect of all one-thread ratios. `lock_add_own_page` with two
// threads is the least that two threads can cost here: nothing is shared, what remains is the machine. `pair_cas` is an
// observation without library and search, each waiting for the pair that the last one wrote; in `pair_cas_varying` the
// pairs differ, and the next one is read while the last one is written.
#include "harness.h"

typedef struct pair {
  uint64_t count;
  double sum;
} __attribute__((aligned(16))) pair;

static uint64_t page[2][512] __attribute__((aligned(4096)));
static pair bucket[16] __attribute__((aligned(64)));

static inline void add_double(uint64_t *word, double amount) {
  uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED), next;
  double value;
  do {
    memcpy(&value, &old, 8);
    value += amount;
    memcpy(&next, &value, 8);
  } while (!__atomic_compare_exchange_n(word, &old, next, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

BENCH_LOOP(lock_add, __atomic_fetch_add(&page[0][8], 1, __ATOMIC_RELAXED))
BENCH_LOOP(lock_add_own_page, __atomic_fetch_add(&page[thread][16], 1, __ATOMIC_RELAXED))
BENCH_LOOP(double_cas_add, add_double(&page[0][24], 2.5))
BENCH_LOOP(getcpu_lock_add, __atomic_fetch_add(&page[sched_getcpu() & 1][32], 1, __ATOMIC_RELAXED))
BENCH_LOOP(clock_read, bench_now())

#if defined(__x86_64__)
// Adds an observation to a pair with one 128-bit compare-and-swap.
static inline void observe_pair(pair *p, double value) {
  uint64_t count = p->count, sum;
  double total = p->sum;
  unsigned char done;
  memcpy(&sum, &total, 8);
  do {
    double next = total + value;
    uint64_t next_sum;
    memcpy(&next_sum, &next, 8);
    __asm__ volatile("lock cmpxchg16b %1\n\tsetz %0"
                     : "=q"(done), "+m"(*p), "+a"(count), "+d"(sum)
                     : "b"(count + 1), "c"(next_sum)
                     : "memory", "cc");
    memcpy(&total, &sum, 8);
  } while (!done);
}
BENCH_LOOP(pair_cas, observe_pair(&bucket[0], .3))
BENCH_LOOP(pair_cas_varying, observe_pair(&bucket[(i * 7) & 15], .3))
#endif

int main(void) {
  bench_op ops[] = {
    {"lock_add", lock_add, NULL, 1, 0},
    {"lock_add_own_page", lock_add_own_page, NULL, 1, 0},
    {"double_cas_add", double_cas_add, NULL, 0, 0},
    {"getcpu_lock_add", getcpu_lock_add, NULL, 1, 0},
#if defined(__x86_64__)
    {"pair_cas", pair_cas, NULL, 0, 0},
    {"pair_cas_varying", pair_cas_varying, NULL, 0, 0},
#endif
    {"clock_read", clock_read, NULL, 0, 0},
  };
  BENCH_RUN("bare", ops);
  return 0;
}
