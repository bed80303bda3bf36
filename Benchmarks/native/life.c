// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// What a store costs that cannot give what it is asked for.
//
//   life refused DIRECTORY
//       times a look-up beyond the limit of series, a registration in conflict with another, and the update of a gauge
//       that can have no instance, because all process slots are held.
//   life attach DIRECTORY COUNT
//       lets COUNT processes hold a slot each, and times what one more takes to attach.
#include "fdmetrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 4096, LIMIT = 100, CALLS = 20000, SLICES = 12, ATTACHES = 40 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void check(fdm_status status, const char *what) {
  if (status == FDM_OK) return;
  fprintf(stderr, "life: %s: %s: %s\n", what, fdm_strerror(status), fdm_last_error());
  exit(1);
}

static void expect(int is_true, const char *what) {
  if (is_true) return;
  fprintf(stderr, "life: %s\n", what);
  exit(1);
}

static fdm_store *open_store(const char *directory) {
  fdm_options options = {.struct_size = sizeof options, .directory = directory, .series_limit = LIMIT};
  fdm_store *store;
  check(fdm_store_open(&options, &store), directory);
  return store;
}

static fdm_family *family_of(fdm_store *store, const char *name, uint32_t type, size_t labels, fdm_status expected) {
  static const char *const label = "id";
  fdm_descriptor descriptor = {.struct_size = sizeof descriptor, .type = type, .name = name, .label_names = &label,
                               .label_count = labels, .gauge_mode = type == FDM_GAUGE ? FDM_GAUGE_LIVESUM : 0};
  fdm_family *family;
  fdm_status status = fdm_register(store, &descriptor, &family);
  if (status != expected) check(status == FDM_OK ? expected : status, name);
  return family;
}

// The other processes, each with a slot of its own, until their pipe is closed.
static int hold_slots(const char *directory, long count) {
  struct rlimit limit = {.rlim_cur = 1 << 16, .rlim_max = 1 << 16};
  setrlimit(RLIMIT_NPROC, &limit);
  int hold[2], ready[2];
  expect(pipe(hold) == 0 && pipe(ready) == 0, "pipe");
  for (long i = 0; i < count; i++) {
    pid_t child = fork();
    expect(child >= 0, "fork");
    if (child == 0) {
      char byte = 0;
      close(hold[1]);
      open_store(directory);
      expect(write(ready[1], &byte, 1) == 1, "write");
      _exit(read(hold[0], &byte, 1) < 0);
    }
  }
  for (long i = 0; i < count; i++) {
    char byte;
    expect(read(ready[0], &byte, 1) == 1, "read");
  }
  close(ready[0]), close(ready[1]), close(hold[0]);
  return hold[1];
}

static void let_go(int hold) {
  close(hold);
  while (wait(NULL) > 0 || errno == EINTR) {}
}

#define TIME(op, call)                                                                                        \
  do {                                                                                                        \
    double least = 1e30;                                                                                      \
    for (int slice = 0; slice < SLICES; slice++) {                                                            \
      double start = now();                                                                                   \
      for (int i = 0; i < CALLS; i++) call;                                                                   \
      double each = (now() - start) / CALLS;                                                                  \
      if (each < least) least = each;                                                                         \
    }                                                                                                         \
    printf("{\"program\": \"life\", \"op\": \"%s\", \"ns\": %.1f}\n", op, least);                              \
  } while (0)

static void refused(const char *directory) {
  // Before anything is attached here, so that each of the others takes a slot by itself.
  int hold = hold_slots(directory, SLOTS);
  fdm_keep_notices(1);
  fdm_store *store = open_store(directory);
  fdm_statistics statistics = {.struct_size = sizeof statistics};

  fdm_family *family = family_of(store, "limited", FDM_COUNTER, 1, FDM_OK);
  const char *value;
  fdm_counter *counter;
  for (int i = 0; i < LIMIT; i++) {
    char text[16];
    value = text;
    snprintf(text, sizeof text, "%d", i);
    check(fdm_counter_labels(family, &value, 1, &counter), "a series within the limit");
  }
  value = "beyond";
  TIME("refused_labels", expect(fdm_counter_labels(family, &value, 1, &counter) == FDM_ERR_SERIES_LIMIT, "not refused"));
  check(fdm_store_statistics(store, &statistics), "statistics");
  expect(statistics.dropped_series_limit == (uint64_t)CALLS * SLICES, "not each refusal was counted once");

  fdm_gauge *gauge;
  check(fdm_gauge_labels(family_of(store, "gauge", FDM_GAUGE, 0, FDM_OK), NULL, 0, &gauge), "gauge");
  TIME("refused_gauge_set", fdm_gauge_set(gauge, 1));
  let_go(hold);
}

static void attach(const char *directory, long count) {
  int hold = hold_slots(directory, count);
  double least = 1e30;
  for (int i = 0; i < ATTACHES; i++) {
    double start = now();
    fdm_store *store = open_store(directory);
    double elapsed = now() - start;
    uint32_t worker;
    check(fdm_store_join(store, &worker), "join");
    expect(worker == (uint32_t)count, "another slot than the next one");
    check(fdm_store_close(store), "close");
    if (elapsed < least) least = elapsed;
  }
  printf("{\"program\": \"life\", \"op\": \"attach\", \"ns\": %.0f}\n", least);
  let_go(hold);
}

int main(int argc, char **argv) {
  if (argc == 3 && !strcmp(argv[1], "refused")) {
    refused(argv[2]);
  } else if (argc == 4 && !strcmp(argv[1], "attach")) {
    attach(argv[2], atol(argv[3]));
  } else {
    return fprintf(stderr, "usage: life refused DIRECTORY | life attach DIRECTORY COUNT\n"), 2;
  }
  return 0;
}
