// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// Threads that read the environment in a loop while others attach the default store for the first time, which writes to
// it.
//
//   environments ROUNDS   each round is a process of its own
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fdmetrics.h"

enum { READERS = 4, ATTACHERS = 2 };
static atomic_int ready, attached;

static void *read_environment(void *unused) {
  (void)unused;
  atomic_fetch_add(&ready, 1);
  // The others come first where processors are few.
  setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
  while (atomic_load(&attached) < ATTACHERS) {
    const char *last = getenv("FILLER_39"), *missing = getenv("NO_SUCH_VARIABLE");
    if (!last || strcmp(last, "39") || missing) abort();
    const char *directory = getenv("FDMETRICS_DIR");
    if (directory && strncmp(directory, "/dev/shm/fdmetrics-", 19)) abort();
  }
  return NULL;
}

static void *attach(void *unused) {
  (void)unused;
  while (atomic_load(&ready) < READERS) continue;
  fdm_store *store;
  if (fdm_store_default(&store)) {
    fprintf(stderr, "%s\n", fdm_last_error());
    abort();
  }
  const char *directory = getenv("FDMETRICS_DIR");
  if (!directory || strcmp(directory, fdm_store_path(store))) abort();
  atomic_fetch_add(&attached, 1);
  return NULL;
}

static int round_of_threads(void) {
  pthread_t thread[READERS + ATTACHERS];
  for (int i = 0; i < READERS + ATTACHERS; i++)
    if (pthread_create(&thread[i], NULL, i < READERS ? read_environment : attach, NULL)) return 1;
  for (int i = 0; i < READERS + ATTACHERS; i++) pthread_join(thread[i], NULL);
  return 0;
}

int main(int count, char **arguments) {
  if (count != 2) return 2;
  for (int i = 0; i < 40; i++) {
    char name[32], value[32];
    snprintf(name, sizeof name, "FILLER_%d", i);
    snprintf(value, sizeof value, "%d", i);
    setenv(name, value, 1);
  }
  for (int i = 0; i < atoi(arguments[1]); i++) {
    pid_t child = fork();
    if (child == 0) exit(round_of_threads());
    int status;
    if (waitpid(child, &status, 0) != child || status) {
      fprintf(stderr, "round %d: status %d\n", i, status);
      return 1;
    }
  }
  return 0;
}
