// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// Times loops of one operation and prints one JSON line for each. Included by one C or C++ file of a program.
//
// The reference of every figure is a bare `lock add`: a relaxed atomic add to one word, inlined, in the same program.
//
// One thread. A virtual machine may be twice as fast for some seconds as for the next ones, so an operation is never
// timed in one piece: short slices of the reference and of each operation take turns, and the least of each is kept.
//
// Two threads. Each is pinned to a CPU of its own: left to itself the scheduler runs both on one now and then, and a
// minimum would pick just those runs. One repeat is five phases without a system call between them: both threads on the
// reference, the first alone on the operation, both on the operation, the second alone, both on the reference. So the
// figure for two threads and the one for one thread come from the same few milliseconds. A host that takes a CPU away
// lets the other thread run undisturbed meanwhile, which looks like a good result. So a repeat is refused when a thread
// saw a gap between two of its chunks, when the threads did not start a phase together, when the reference before and
// after differ, or when the two threads alone differ.
#ifndef FDMETRICS_BENCHMARKS_HARNESS_H
#define FDMETRICS_BENCHMARKS_HARNESS_H

#ifndef _GNU_SOURCE
#error "compile with -D_GNU_SOURCE: sched.h has no CPU sets without it"
#endif
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  BENCH_ONE_REPEATS = 120,   // slices of each operation with one thread
  BENCH_TWO_KEEP = 15,       // repeats to keep with two threads
  BENCH_TWO_TRIES = 60,      // repeats to try for them
  BENCH_PHASES = 5
};
static const double bench_slice = 3e5;   // nanoseconds of a slice with one thread
static const double bench_phase = 2e6;   // nanoseconds of a phase with two threads
static const double bench_chunk = 4e3;   // nanoseconds between two looks at the clock within a phase
static const double bench_patience = 1.5e9;  // nanoseconds after which no further repeat with two threads is tried
static const double bench_agree = 1.25;  // the most by which two figures may differ that should be the same

// Does the operation n times. thread is 0 or 1.
typedef void (*bench_loop)(void *context, int thread, long n);

typedef struct bench_op {
  const char *name;
  bench_loop loop;
  void *context;
  int two_threads;  // measure with two threads also
  long calls;       // out: how often the operation was done in all
} bench_op;

// Defines the loop of a statement, which may use `context`, `thread` and `i`.
#define BENCH_LOOP(name, statement)                       \
  static void name(void *context, int thread, long n) {   \
    (void)context, (void)thread;                          \
    for (long i = 0; i < n; i++) {                        \
      statement;                                          \
    }                                                     \
  }

static inline double bench_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline void bench_relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static int bench_compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static inline double bench_median(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, bench_compare);
  return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

// The word of the reference, with its neighbourhood to itself.
static uint64_t bench_word[64] __attribute__((aligned(512)));
BENCH_LOOP(bench_reference, __atomic_fetch_add(&bench_word[32], 1, __ATOMIC_RELAXED))

// The first two CPUs that this process may use; returns how many there are, at most 2.
static inline int bench_cpus(int cpus[2]) {
  cpu_set_t set;
  int count = 0;
  if (sched_getaffinity(0, sizeof set, &set)) return 0;
  for (int cpu = 0; cpu < CPU_SETSIZE && count < 2; cpu++) {
    if (CPU_ISSET(cpu, &set)) cpus[count++] = cpu;
  }
  return count;
}

static inline int bench_pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static inline double bench_time(bench_op *op, long n) {
  double start = bench_now();
  op->loop(op->context, 0, n);
  double elapsed = bench_now() - start;
  op->calls += n;
  return elapsed;
}

// How many operations take about this long, judged by the fastest of a few longer stretches.
static inline long bench_calibrate(bench_op *op, double nanoseconds) {
  double per_nanosecond = 0;
  for (int r = 0; r < 5; r++) {
    long n = 1;
    double elapsed;
    while ((elapsed = bench_time(op, n)) < bench_slice / 4) n *= 2;
    if ((double)n / elapsed > per_nanosecond) per_nanosecond = (double)n / elapsed;
  }
  double scaled = per_nanosecond * nanoseconds;
  return scaled < 1 ? 1 : (long)scaled;
}

// ---------------------------------------------------------------------------------------------------------------------
// One thread

static inline void bench_one_thread(const char *program, bench_op *ops, int count) {
  bench_op reference = {"reference", bench_reference, NULL, 0, 0};
  long reference_n = bench_calibrate(&reference, bench_slice);
  long n[64];
  double least[64], least_reference[64], *paired[64];
  for (int o = 0; o < count; o++) {
    n[o] = bench_calibrate(&ops[o], bench_slice);
    least[o] = least_reference[o] = 1e30;
    paired[o] = (double *)malloc(sizeof(double) * BENCH_ONE_REPEATS);
  }
  for (int r = 0; r < BENCH_ONE_REPEATS; r++) {
    for (int o = 0; o < count; o++) {
      double ref = bench_time(&reference, reference_n) / (double)reference_n;
      double op = bench_time(&ops[o], n[o]) / (double)n[o];
      if (ref < least_reference[o]) least_reference[o] = ref;
      if (op < least[o]) least[o] = op;
      paired[o][r] = op / ref;
    }
  }
  for (int o = 0; o < count; o++) {
    printf("{\"program\": \"%s\", \"op\": \"%s\", \"threads\": 1", program, ops[o].name);
    printf(", \"ns\": %.4f, \"reference_ns\": %.4f, \"paired\": %.4f}\n", least[o], least_reference[o],
           bench_median(paired[o], BENCH_ONE_REPEATS));
    free(paired[o]);
  }
  fflush(stdout);
}

// ---------------------------------------------------------------------------------------------------------------------
// Two threads

typedef struct bench_thread {
  bench_op *op;
  int index, cpu, *arrived;
  long chunk;                 // operations between two looks at the clock
  double start[BENCH_PHASES];
  double rate[BENCH_PHASES];  // operations per nanosecond; 0 for a phase in which this thread only waited
  int refused;
} bench_thread;

static void bench_run_phase(bench_thread *t, int phase, bench_loop loop, void *context, long chunk) {
  double start = bench_now(), elapsed = 0, before = 0, gap = 0;
  long n = 0;
  do {
    loop(context, t->index, chunk);
    n += chunk;
    elapsed = bench_now() - start;
    if (elapsed - before > gap) gap = elapsed - before;
    before = elapsed;
  } while (elapsed < bench_phase);
  double mean_chunk = elapsed * (double)chunk / (double)n;
  if (gap > 1e5 && gap > 8 * mean_chunk) t->refused = 1;
  t->start[phase] = start;
  t->rate[phase] = (double)n / elapsed;
  if (loop != bench_reference) __atomic_fetch_add(&t->op->calls, n, __ATOMIC_RELAXED);
}

static void *bench_thread_main(void *argument) {
  bench_thread *t = (bench_thread *)argument;
  if (bench_pin(t->cpu)) t->refused = 1;
  for (int phase = 0; phase < BENCH_PHASES; phase++) {
    __atomic_fetch_add(t->arrived, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(t->arrived, __ATOMIC_SEQ_CST) < 2 * (phase + 1)) bench_relax();
    int alone = phase == 1 ? 0 : phase == 3 ? 1 : -1;
    if (phase == 0 || phase == BENCH_PHASES - 1) {
      bench_run_phase(t, phase, bench_reference, NULL, 200);
    } else if (alone < 0 || alone == t->index) {
      bench_run_phase(t, phase, t->op->loop, t->op->context, t->chunk);
    }
  }
  if (sched_getcpu() != t->cpu) t->refused = 1;
  return NULL;
}

// Whether the two threads worked at the same time in all phases that are meant so.
static inline int bench_together(const bench_thread t[2]) {
  for (int phase = 0; phase < BENCH_PHASES; phase += 2) {
    double apart = t[0].start[phase] - t[1].start[phase];
    if (apart > bench_phase / 20 || apart < -bench_phase / 20) return 0;
  }
  return 1;
}

static inline int bench_differ(double a, double b) { return a > b * bench_agree || b > a * bench_agree; }

static void bench_print_list(const char *field, const double *values, int count) {
  printf(", \"%s\": [", field);
  for (int i = 0; i < count; i++) printf("%s%.4f", i ? ", " : "", values[i]);
  printf("]");
}

// Prints what each kept repeat gave, so that the repeats of several runs can be put together.
static inline void bench_two_threads(const char *program, bench_op *op, const int cpus[2]) {
  double one[BENCH_TWO_KEEP], two[BENCH_TWO_KEEP], ratio[BENCH_TWO_KEEP], contended[BENCH_TWO_KEEP];
  long chunk = bench_calibrate(op, bench_chunk);
  double start = bench_now();
  int kept = 0, tried = 0;
  for (; tried < BENCH_TWO_TRIES && kept < BENCH_TWO_KEEP && bench_now() - start < bench_patience; tried++) {
    int arrived = 0;
    bench_thread t[2];
    pthread_t handle[2];
    memset(t, 0, sizeof t);
    for (int i = 0; i < 2; i++) {
      t[i].op = op, t[i].index = i, t[i].cpu = cpus[i], t[i].arrived = &arrived, t[i].chunk = chunk;
    }
    if (pthread_create(&handle[0], NULL, bench_thread_main, &t[0]) ||
        pthread_create(&handle[1], NULL, bench_thread_main, &t[1])) {
      fprintf(stderr, "%s: cannot start two threads\n", program);
      exit(1);
    }
    for (int i = 0; i < 2; i++) pthread_join(handle[i], NULL);
    double first = 2 / (t[0].rate[0] + t[1].rate[0]), last = 2 / (t[0].rate[4] + t[1].rate[4]);
    if (t[0].refused || t[1].refused || !bench_together(t)) continue;
    if (bench_differ(first, last) || bench_differ(t[0].rate[1], t[1].rate[3])) continue;
    one[kept] = 2 / (t[0].rate[1] + t[1].rate[3]);
    two[kept] = 2 / (t[0].rate[2] + t[1].rate[2]);
    ratio[kept] = two[kept] / one[kept];
    contended[kept] = two[kept] / ((first + last) / 2);
    kept++;
  }
  printf("{\"program\": \"%s\", \"op\": \"%s\", \"threads\": 2, \"tried\": %d", program, op->name, tried);
  bench_print_list("two_thread_ns", two, kept);
  bench_print_list("one_thread_ns", one, kept);
  bench_print_list("against_one_thread", ratio, kept);
  bench_print_list("against_contended_add", contended, kept);
  printf("}\n");
  fflush(stdout);
}

// Measures every operation with one thread, then those that ask for it with two.
static inline void bench_run(const char *program, bench_op *ops, int count) {
  int cpus[2];
  int available = bench_cpus(cpus);
  if (count > 64 || available < 1 || bench_pin(cpus[0])) {
    fprintf(stderr, "%s: more than 64 operations, or cannot pin to a CPU\n", program);
    exit(1);
  }
  bench_one_thread(program, ops, count);
  if (available < 2) {
    fprintf(stderr, "%s: fewer than two CPUs, nothing is measured with two threads\n", program);
    return;
  }
  for (int o = 0; o < count; o++) {
    if (ops[o].two_threads) bench_two_threads(program, &ops[o], cpus);
  }
}

#define BENCH_RUN(program, ops) bench_run(program, ops, (int)(sizeof(ops) / sizeof *(ops)))

#endif
