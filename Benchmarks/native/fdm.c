// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// The recording functions of libfdmetrics.so as a C program calls them: through the shared library, not inlined.
//
//   fdm DIRECTORY      the store is made there; afterwards its totals must be the number of calls that were timed
#include "fdmetrics.h"
#include "harness.h"
#include "workload.h"

static fdm_counter *counter, *fractions;
static fdm_gauge *gauge;
static fdm_histogram *fixed, *varying;
static fdm_family *labelled;
static const char *label_values[WORKLOAD_SERIES][2];

static void check(fdm_status status, const char *what) {
  if (status == FDM_OK) return;
  fprintf(stderr, "fdm: %s: %s: %s\n", what, fdm_strerror(status), fdm_last_error());
  exit(1);
}

static fdm_family *family(fdm_store *store, uint32_t type, const char *name) {
  static const double bounds[] = {WORKLOAD_BOUNDS};
  static const char *const names[] = {"method", "route"};
  fdm_descriptor descriptor = {.struct_size = sizeof descriptor, .type = type, .name = name, .help = "Benchmark"};
  fdm_family *result;
  if (type == FDM_GAUGE) descriptor.gauge_mode = FDM_GAUGE_LIVESUM;
  if (type == FDM_HISTOGRAM) descriptor.bounds = bounds, descriptor.bound_count = sizeof bounds / sizeof *bounds;
  if (!strcmp(name, "labelled")) descriptor.label_names = names, descriptor.label_count = 2;
  check(fdm_register(store, &descriptor, &result), name);
  return result;
}

static inline void look_up_and_inc(const char *const values[2]) {
  fdm_counter *found;
  fdm_counter_labels(labelled, values, 2, &found);
  fdm_counter_inc(found);
}

BENCH_LOOP(counter_inc, fdm_counter_inc(counter))
BENCH_LOOP(counter_add, fdm_counter_add(fractions, 2.5))
BENCH_LOOP(gauge_set, fdm_gauge_set(gauge, 1.5))
BENCH_LOOP(observe_fixed, fdm_histogram_observe(fixed, workload_value))
BENCH_LOOP(observe_varying, fdm_histogram_observe(varying, workload_values[i & (WORKLOAD_VALUES - 1)]))
BENCH_LOOP(labels_inc, look_up_and_inc(label_values[7]))
BENCH_LOOP(labels_inc_varying, look_up_and_inc(label_values[i & (WORKLOAD_SERIES - 1)]))

static void expect(const char *what, double recorded, double calls) {
  if (recorded == calls) return;
  fprintf(stderr, "fdm: %s: recorded %.17g, but %.17g was done: the figures are of a library that loses updates\n",
          what, recorded, calls);
  exit(1);
}

int main(int argc, char **argv) {
  if (argc != 2) return fprintf(stderr, "usage: fdm DIRECTORY\n"), 2;
  fdm_options options = {.struct_size = sizeof options, .directory = argv[1]};
  fdm_store *store;
  check(fdm_store_open(&options, &store), argv[1]);
  workload_make_values();

  check(fdm_counter_labels(family(store, FDM_COUNTER, "counter"), NULL, 0, &counter), "counter");
  check(fdm_counter_labels(family(store, FDM_COUNTER, "fractions"), NULL, 0, &fractions), "fractions");
  check(fdm_gauge_labels(family(store, FDM_GAUGE, "gauge"), NULL, 0, &gauge), "gauge");
  check(fdm_histogram_labels(family(store, FDM_HISTOGRAM, "fixed"), NULL, 0, &fixed), "fixed");
  check(fdm_histogram_labels(family(store, FDM_HISTOGRAM, "varying"), NULL, 0, &varying), "varying");
  labelled = family(store, FDM_COUNTER, "labelled");
  static char routes[WORKLOAD_SERIES][32];
  for (int i = 0; i < WORKLOAD_SERIES; i++) {
    fdm_counter *ignored;
    snprintf(routes[i], sizeof routes[i], "/api/v1/route_%d", i);
    label_values[i][0] = i & 1 ? "GET" : "POST", label_values[i][1] = routes[i];
    check(fdm_counter_labels(labelled, label_values[i], 2, &ignored), "labelled");
  }

  bench_op ops[] = {
    {"counter_inc", counter_inc, NULL, 1, 0},
    {"counter_add_2.5", counter_add, NULL, 1, 0},
    {"gauge_set", gauge_set, NULL, 1, 0},
    {"histogram_observe", observe_fixed, NULL, 1, 0},
    {"histogram_observe_varying", observe_varying, NULL, 1, 0},
    {"labels_inc", labels_inc, NULL, 1, 0},
    {"labels_inc_varying", labels_inc_varying, NULL, 1, 0},
  };
  BENCH_RUN("fdm", ops);

  uint64_t count;
  double total = 0;
  expect("counter_inc", fdm_counter_value(counter), (double)ops[0].calls);
  expect("counter_add_2.5", fdm_counter_value(fractions), 2.5 * (double)ops[1].calls);
  fdm_histogram_value(fixed, &count, NULL);
  expect("histogram_observe", (double)count, (double)ops[3].calls);
  fdm_histogram_value(varying, &count, NULL);
  expect("histogram_observe_varying", (double)count, (double)ops[4].calls);
  for (int i = 0; i < WORKLOAD_SERIES; i++) {
    fdm_counter *found;
    check(fdm_counter_labels(labelled, label_values[i], 2, &found), "labelled");
    total += fdm_counter_value(found);
  }
  expect("labels_inc", total, (double)(ops[5].calls + ops[6].calls));
  return 0;
}
