// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// inherit DIRECTORY CHILDREN GAUGES: one process after the other has the same slot, and so inherits the gauges of the
// one before; in each, two threads make their first update of every gauge at the same instant.
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker.h"

enum { THREADS = 2, MODES = 4, VALUE = 5 };

static const uint32_t modes[MODES] = {FDM_GAUGE_SUM, FDM_GAUGE_LIVESUM, FDM_GAUGE_MOSTRECENT, FDM_GAUGE_LIVEMOSTRECENT};
static const char *const names[MODES] = {"inherited_sum", "inherited_livesum", "inherited_recent",
                                         "inherited_liverecent"};

struct heir {
  fdm_gauge **gauges;
  int count;
  int child;
  int number;
  int *arrived;
};

static void *run_heir(void *argument) {
  struct heir *self = (struct heir *)argument;
  for (int i = 0; i < self->count; i++) {
    // A barrier that lets all go at the same instant.
    __atomic_fetch_add(&self->arrived[i], 1, __ATOMIC_SEQ_CST);
    for (int turn = 0; __atomic_load_n(&self->arrived[i], __ATOMIC_SEQ_CST) < THREADS; turn++) {
      if (turn % 1000 == 999) {
        sched_yield();
      }
    }
    if (i % MODES < 2) {
      fdm_gauge_inc(self->gauges[i]);
    } else {
      fdm_gauge_set_at(self->gauges[i], VALUE, 1000.0 + self->child);
    }
  }
  return NULL;
}

static void run_child(const char *directory, int child, int count) {
  fdm_store *store = open_store(directory);
  fdm_gauge **gauges = (fdm_gauge **)calloc((size_t)count, sizeof *gauges);
  int *arrived = (int *)calloc((size_t)count, sizeof *arrived);
  REQUIRE(gauges != NULL && arrived != NULL);
  for (int i = 0; i < count; i++) {
    char label[24];
    snprintf(label, sizeof label, "%d", i / MODES);
    const char *value = label;
    fdm_family *family = open_family(store, FDM_GAUGE, modes[i % MODES], names[i % MODES], "item");
    REQUIRE_OK(fdm_gauge_labels(family, &value, 1, &gauges[i]));
    // What the one before has left is not this process's value.
    REQUIRE(fdm_gauge_value(gauges[i]) == 0);
  }
  struct heir heirs[THREADS];
  pthread_t threads[THREADS];
  for (int t = 0; t < THREADS; t++) {
    heirs[t] = (struct heir){gauges, count, child, t, arrived};
    REQUIRE(pthread_create(&threads[t], NULL, run_heir, &heirs[t]) == 0);
  }
  for (int t = 0; t < THREADS; t++) {
    REQUIRE(pthread_join(threads[t], NULL) == 0);
  }
  for (int i = 0; i < count; i++) {
    double expected = i % MODES < 2 ? THREADS : VALUE;
    if (fdm_gauge_value(gauges[i]) != expected) {
      FAIL("child %d, %s{item=\"%d\"}: expected %g, got %g", child, names[i % MODES], i / MODES, expected,
           fdm_gauge_value(gauges[i]));
    }
  }
}

int role_inherit(int argc, char **argv) {
  REQUIRE(argc == 3);
  int children = atoi(argv[1]);
  int count = atoi(argv[2]) * MODES;
  for (int child = 0; child < children; child++) {
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      run_child(argv[0], child, count);
      _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  return 0;
}
