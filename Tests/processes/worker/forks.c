// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// Roles that fork. forks: while eight threads update, children are forked that record through every kind of
// instrument. churn: many short processes, each of which attaches the store, records and ends.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "worker.h"

enum { THREADS = 8, AT_ONCE = 4, HANG_SECONDS = 120 };

struct updater {
  pthread_t thread;
  struct load *load;
  struct progress_header *header;
  struct progress_row *row;
  uint64_t random;
};

static void *run_updater(void *argument) {
  struct updater *self = (struct updater *)argument;
  uint64_t made = 0;
  while (__atomic_load_n(&self->header->phase, __ATOMIC_RELAXED) == 0) {
    char fresh[40];
    snprintf(fresh, sizeof fresh, "thread_%u", (unsigned)(made / 64 % 2000));
    update_load(self->load, self->row, (int)(next_random(&self->random) % KINDS), fresh);
    made += 1;
    if (made % 1024 == 0) {
      // Leaves some of the machine to the forks.
      sleep_microseconds(200);
    }
  }
  return NULL;
}

// What a child records: one update of every kind, a series of its own, an info and a state.
static void record_in_child(struct load *load, struct progress_row *row, fdm_family *children, fdm_family *info,
                            fdm_family *states, const char *name) {
  for (int kind = 0; kind < KINDS; kind++) {
    update_load(load, row, kind, kind == KINDS - 1 ? "child" : name);
  }
  fdm_counter *counter = NULL;
  REQUIRE_OK(fdm_counter_labels(children, &name, 1, &counter));
  fdm_counter_inc(counter);
  fdm_string key = {"kind", 4};
  fdm_string value = {"child", 5};
  REQUIRE_OK(fdm_info_set(info, NULL, 0, &key, &value, 1));
  REQUIRE_OK(fdm_state_set(states, NULL, 0, "on"));
}

// Reaps one child, at most until the hang detector strikes. Returns false for a child that hangs, and kills it.
static bool reap(pid_t *children, int *count) {
  struct timespec start, now;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (;;) {
    for (int i = 0; i < *count; i++) {
      int status = 0;
      pid_t ended = waitpid(children[i], &status, WNOHANG);
      REQUIRE(ended >= 0);
      if (ended == children[i]) {
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
          FAIL("child %d ended with wait status %d", (int)ended, status);
        }
        children[i] = children[--*count];
        return true;
      }
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec - start.tv_sec > HANG_SECONDS) {
      kill(children[0], SIGKILL);
      waitpid(children[0], NULL, 0);
      children[0] = children[--*count];
      return false;
    }
    sleep_microseconds(100);
  }
}

static fdm_family *open_states(fdm_store *store) {
  static const char *const states[] = {"off", "on"};
  fdm_descriptor descriptor;
  memset(&descriptor, 0, sizeof descriptor);
  descriptor.struct_size = sizeof descriptor;
  descriptor.type = FDM_STATE_SET;
  descriptor.name = "forked_state";
  descriptor.states = states;
  descriptor.state_count = 2;
  fdm_family *family = NULL;
  REQUIRE_OK(fdm_register(store, &descriptor, &family));
  return family;
}

// forks DIRECTORY COUNT SEED. Every eighth child forks a child of its own.
int role_forks(int argc, char **argv) {
  REQUIRE(argc == 3);
  int count = atoi(argv[1]);
  fdm_store *store = open_store(argv[0]);
  struct load load = open_load(store);
  fdm_family *families = open_family(store, FDM_COUNTER, 0, "forked_children", "child");
  fdm_family *info = open_family(store, FDM_INFO, 0, "forked", NULL);
  fdm_family *states = open_states(store);
  size_t rows = THREADS + 2 * (size_t)count;
  struct progress progress = map_progress(NULL, rows);
  struct updater updaters[THREADS];
  for (int i = 0; i < THREADS; i++) {
    updaters[i].load = &load;
    updaters[i].header = progress.header;
    updaters[i].row = &progress.rows[i];
    updaters[i].random = strtoull(argv[2], NULL, 10) * 1000003 + (uint64_t)i + 1;
    REQUIRE(pthread_create(&updaters[i].thread, NULL, run_updater, &updaters[i]) == 0);
  }
  pid_t children[AT_ONCE];
  int running = 0;
  int hung = 0;
  for (int i = 0; i < count; i++) {
    if (running == AT_ONCE && !reap(children, &running)) {
      hung += 1;
    }
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      char name[40];
      snprintf(name, sizeof name, "%d", i);
      record_in_child(&load, &progress.rows[THREADS + 2 * i], families, info, states, name);
      if (i % 8 == 0) {
        pid_t grandchild = fork();
        REQUIRE(grandchild >= 0);
        if (grandchild == 0) {
          snprintf(name, sizeof name, "%d_nested", i);
          record_in_child(&load, &progress.rows[THREADS + 2 * i + 1], families, info, states, name);
          _exit(0);
        }
        int status = 0;
        REQUIRE(waitpid(grandchild, &status, 0) == grandchild && status == 0);
      }
      _exit(0);
    }
    children[running++] = child;
  }
  while (running > 0) {
    hung += reap(children, &running) ? 0 : 1;
  }
  __atomic_store_n(&progress.header->phase, 1, __ATOMIC_RELAXED);
  for (int i = 0; i < THREADS; i++) {
    REQUIRE(pthread_join(updaters[i].thread, NULL) == 0);
  }
  printf("{\"children\": %d, \"hung\": %d, \"updates\": [", count, hung);
  for (int kind = 0; kind < KINDS; kind++) {
    uint64_t total = 0;
    for (size_t row = 0; row < rows; row++) {
      REQUIRE(hung > 0 || progress.rows[row].begun[kind] == progress.rows[row].done[kind]);
      total += progress.rows[row].done[kind];
    }
    printf("%s%llu", kind == 0 ? "" : ", ", (unsigned long long)total);
  }
  double own = fdm_gauge_value(load.gauge_livesum);
  printf("], \"livesum\": %.17g}\n", own);
  fflush(stdout);
  // The gauges of the living count this process as long as it is there.
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  return 0;
}

// churn DIRECTORY COUNT: this process never attaches the store; each child does, makes one update of each kind, ends.
int role_churn(int argc, char **argv) {
  REQUIRE(argc == 2);
  int count = atoi(argv[1]);
  pid_t children[AT_ONCE];
  int running = 0;
  for (int i = 0; i < count; i++) {
    if (running == AT_ONCE) {
      REQUIRE(reap(children, &running));
    }
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      struct load load = open_load(open_store(argv[0]));
      struct progress_row row;
      memset(&row, 0, sizeof row);
      for (int turn = 0; turn < 16; turn++) {
        for (int kind = 0; kind < KINDS; kind++) {
          update_load(&load, &row, kind, "churn");
        }
      }
      _exit(0);
    }
    children[running++] = child;
  }
  while (running > 0) {
    REQUIRE(reap(children, &running));
  }
  return 0;
}
