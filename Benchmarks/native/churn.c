// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// A store through which many short-lived processes have gone, and what scraping it costs.
//
//   churn fill DIRECTORY COUNT
//       runs COUNT processes, one after the other. Each opens the store for itself, increments 20 counters, sets a
//       gauge (mode all: the one that shows each process slot), observes a histogram, and exits.
//   churn scrape DIRECTORY COUNT DIRECTORY COUNT
//       renders two such stores in turn; first the totals of both must be exactly what COUNT processes recorded.
#include "fdmetrics.h"
#include "harness.h"
#include "workload.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNTERS = 20, SCRAPES = 1500 };

static void check(fdm_status status, const char *what) {
  if (status == FDM_OK) return;
  fprintf(stderr, "churn: %s: %s: %s\n", what, fdm_strerror(status), fdm_last_error());
  exit(1);
}

static fdm_store *open_store(const char *directory) {
  fdm_options options = {.struct_size = sizeof options, .directory = directory};
  fdm_store *store;
  check(fdm_store_open(&options, &store), directory);
  return store;
}

static void live_shortly(const char *directory) {
  static const double bounds[] = {WORKLOAD_BOUNDS};
  static const char *const route = "route";
  fdm_store *store = open_store(directory);
  fdm_descriptor descriptor = {.struct_size = sizeof descriptor, .help = "Benchmark"};
  fdm_family *family;
  fdm_counter *counter;
  fdm_gauge *gauge;
  fdm_histogram *histogram;

  descriptor.type = FDM_COUNTER, descriptor.name = "churn_requests";
  descriptor.label_names = &route, descriptor.label_count = 1;
  check(fdm_register(store, &descriptor, &family), descriptor.name);
  for (int i = 0; i < COUNTERS; i++) {
    char text[32];
    const char *value = text;
    snprintf(text, sizeof text, "/api/v1/route_%d", i);
    check(fdm_counter_labels(family, &value, 1, &counter), text);
    fdm_counter_inc(counter);
  }
  descriptor.label_names = NULL, descriptor.label_count = 0;
  descriptor.type = FDM_GAUGE, descriptor.gauge_mode = FDM_GAUGE_ALL, descriptor.name = "churn_queue_depth";
  check(fdm_register(store, &descriptor, &family), descriptor.name);
  check(fdm_gauge_labels(family, NULL, 0, &gauge), descriptor.name);
  fdm_gauge_set(gauge, 1.5);
  descriptor.type = FDM_HISTOGRAM, descriptor.gauge_mode = 0, descriptor.name = "churn_latency_seconds";
  descriptor.bounds = bounds, descriptor.bound_count = sizeof bounds / sizeof *bounds;
  check(fdm_register(store, &descriptor, &family), descriptor.name);
  check(fdm_histogram_labels(family, NULL, 0, &histogram), descriptor.name);
  fdm_histogram_observe(histogram, workload_value);
}

static void fill(const char *directory, long count) {
  double start = bench_now();
  for (long i = 0; i < count; i++) {
    int status;
    pid_t child = fork();
    if (child == 0) {
      live_shortly(directory);
      _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
      fprintf(stderr, "churn: cannot run process %ld of %ld: %s\n", i, count, strerror(errno));
      exit(1);
    }
    if (status != 0) {
      fprintf(stderr, "churn: process %ld of %ld ended with status %d\n", i, count, status);
      exit(1);
    }
  }
  printf("{\"program\": \"churn\", \"op\": \"fill\", \"processes\": %ld, \"ns\": %.0f}\n", count,
         (bench_now() - start) / (double)count);
}

static void verify(const char *text, const char *prefix, double expected, long expected_lines, const char *directory) {
  long lines;
  double sum;
  workload_sum(text, prefix, &lines, &sum);
  if (lines == expected_lines && sum == expected) return;
  fprintf(stderr, "churn: %s: %s...: %ld lines adding up to %.17g, not %ld lines and %.17g\n", directory, prefix, lines,
          sum, expected_lines, expected);
  exit(1);
}

// One scrape of a store: through the open store, or with read access alone from its directory.
static double scrape(fdm_store *store, const char *directory, long verify_count) {
  char *text;
  size_t length;
  double start = bench_now();
  fdm_status status = store ? fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length)
                            : fdm_render_directory(directory, FDM_FORMAT_TEXT, 0, &text, &length);
  double elapsed = bench_now() - start;
  check(status, directory);
  if (verify_count) {
    double count = (double)verify_count;
    verify(text, "churn_requests_total{", COUNTERS * count, COUNTERS, directory);
    verify(text, "churn_latency_seconds_count", count, 1, directory);
    verify(text, "churn_queue_depth", 1.5, 1, directory);
  }
  fdm_free(text);
  return elapsed;
}

static void compare(const char *op, fdm_store *const stores[2], const char *const directories[2],
                    const long counts[2]) {
  double least[2] = {1e30, 1e30}, first[2];
  for (int i = 0; i < 2; i++) first[i] = scrape(stores[i], directories[i], counts[i]);
  for (int r = 0; r < SCRAPES; r++) {
    for (int i = 0; i < 2; i++) {
      double elapsed = scrape(stores[i], directories[i], 0);
      if (elapsed < least[i]) least[i] = elapsed;
    }
  }
  printf("{\"program\": \"churn\", \"op\": \"%s\", \"few_ns\": %.0f, \"many_ns\": %.0f, \"few_first_ns\": %.0f, "
         "\"many_first_ns\": %.0f}\n",
         op, least[0], least[1], first[0], first[1]);
}

int main(int argc, char **argv) {
  if (argc == 4 && !strcmp(argv[1], "fill")) {
    fill(argv[2], atol(argv[3]));
  } else if (argc == 6 && !strcmp(argv[1], "scrape")) {
    const char *const directories[2] = {argv[2], argv[4]};
    const long counts[2] = {atol(argv[3]), atol(argv[5])};
    fdm_store *const none[2] = {NULL, NULL};
    compare("scrape_directory", none, directories, counts);
    fdm_store *const stores[2] = {open_store(argv[2]), open_store(argv[4])};
    compare("scrape", stores, directories, counts);
  } else {
    return fprintf(stderr, "usage: churn fill DIRECTORY COUNT | churn scrape DIRECTORY COUNT DIRECTORY COUNT\n"), 2;
  }
  return 0;
}
