// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// storm DIRECTORY PROGRESS PROCESS THREADS AMOUNT SEED: threads that make random updates until the test says phase 1,
// then AMOUNT more each; then the process stays alive until its standard input ends. Made to be killed at any instant.
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker.h"

enum { FRESH_KIND = 4, FAMILY_KIND = 12, FRESH_LIMIT = 200, FAMILY_LIMIT = 10, TURNS_EACH = 16 };

struct storm_thread {
  pthread_t thread;
  struct load *load;
  struct progress_header *header;
  struct progress_row *row;
  uint64_t random;
  uint64_t amount;
  unsigned pair;  // two processes share it, and so race for the same new series
};

static void *run_thread(void *argument) {
  struct storm_thread *self = (struct storm_thread *)argument;
  uint64_t left = self->amount;
  uint64_t made = 0;
  __atomic_store_n(&self->row->ready, 1, __ATOMIC_RELEASE);
  while (left > 0) {
    if (__atomic_load_n(&self->header->phase, __ATOMIC_RELAXED) != 0) {
      left -= 1;
    }
    int kind = (int)(next_random(&self->random) % KINDS);
    uint64_t limit = kind == FAMILY_KIND ? FAMILY_LIMIT : FRESH_LIMIT;
    // A new name comes every TURNS_EACH turns, so that a thread goes on registering for most of its life.
    char fresh[40];
    snprintf(fresh, sizeof fresh, "%u_%u", self->pair, (unsigned)(self->row->done[kind] / TURNS_EACH % limit));
    update_load(self->load, self->row, kind, fresh);
    made += 1;
    if (made % 1024 == 0) {
      // Lets those that are just starting have some of the machine.
      sleep_microseconds(200);
    }
  }
  __atomic_store_n(&self->row->finished, 1, __ATOMIC_RELEASE);
  return NULL;
}

int role_storm(int argc, char **argv) {
  REQUIRE(argc == 6);
  unsigned process = (unsigned)atoi(argv[2]);
  unsigned threads = (unsigned)atoi(argv[3]);
  struct progress progress = map_progress(argv[1], (size_t)(process + 1) * threads);
  struct load load = open_load(open_store(argv[0]));
  struct storm_thread *all = (struct storm_thread *)calloc(threads, sizeof *all);
  REQUIRE(all != NULL);
  for (unsigned i = 0; i < threads; i++) {
    all[i].load = &load;
    all[i].header = progress.header;
    all[i].row = &progress.rows[process * threads + i];
    all[i].random = strtoull(argv[5], NULL, 10) * 1000003 + process * 131 + i + 1;
    all[i].amount = strtoull(argv[4], NULL, 10);
    all[i].pair = process / 2;
    REQUIRE(pthread_create(&all[i].thread, NULL, run_thread, &all[i]) == 0);
  }
  for (unsigned i = 0; i < threads; i++) {
    REQUIRE(pthread_join(all[i].thread, NULL) == 0);
  }
  // Gauges of the living count this process as long as it is there.
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  return 0;
}
