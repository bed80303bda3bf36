// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// forks FOLDER: while threads allocate, the process forks again and again, and each child updates gauges for the first time in
// signal handlers that interrupt its own allocating. None of them hangs or crashes, and every value arrives.
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { GAUGES = 48, CHILDREN = 200, THREADS = 3, HANG_SECONDS = 120 };

static fdm_gauge *gauges[GAUGES];
static volatile sig_atomic_t updated;
static int is_over;

// Keeps malloc's locks taken much of the time.
static void allocate_once(void) {
  static __thread unsigned size = 17;
  size = size * 1664525 + 1013904223;
  char *block = (char *)malloc(1 + (size >> 8) % 100000);
  CHECK(block != NULL);
  *(volatile char *)block = 1;
  free(block);
}

static void *allocate(void *unused) {
  (void)unused;
  while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
    allocate_once();
  }
  return NULL;
}

static void update_next(int signal) {
  (void)signal;
  if (updated < GAUGES) {
    fdm_gauge_set(gauges[updated], updated + 0.5);
    fdm_gauge_inc(gauges[updated]);
    updated = updated + 1;
  }
}

static void run_child(fdm_store *store) {
  (void)store;
  // The lease, and each gauge's instance, are taken in a handler.
  CHECK(signal(SIGALRM, update_next) != SIG_ERR);
  struct itimerval often = {{0, 50}, {0, 50}};
  CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
  while (updated < GAUGES) {
    allocate_once();
  }
  for (int index = 0; index < GAUGES; index++) {
    CHECK_NUMBER(fdm_gauge_value(gauges[index]), index + 1.5);
  }
}

// Waits for a child, which must end by itself.
static void await(pid_t child) {
  int status = 0;
  for (int turn = 0; waitpid(child, &status, WNOHANG) == 0; turn++) {
    if (turn == HANG_SECONDS * 1000) {
      kill(child, SIGABRT);
      fprintf(stderr, "forks: a child hangs after %d of %d updates\n", (int)updated, (int)GAUGES);
      exit(1);
    }
    usleep(1000);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fprintf(stderr, "forks: a child ended with %#x\n", (unsigned)status);
    exit(1);
  }
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  fdm_store *store = opened(argv[1]);
  static const char *const names[] = {"number"};
  static const uint32_t modes[] = {FDM_GAUGE_SUM, FDM_GAUGE_LIVEALL, FDM_GAUGE_MAX};
  for (int index = 0; index < GAUGES; index++) {
    static const char *const families[] = {"a", "b", "c"};
    fdm_descriptor descriptor = descriptor_of(FDM_GAUGE, families[index % 3]);
    descriptor.gauge_mode = modes[index % 3];
    descriptor.label_names = names;
    descriptor.label_count = 1;
    fdm_family *family = NULL;
    CHECK_OK(fdm_register(store, &descriptor, &family));
    char text[16];
    const char *value = text;
    snprintf(text, sizeof text, "%d", index);
    CHECK_OK(fdm_gauge_labels(family, &value, 1, &gauges[index]));
  }
  pthread_t threads[THREADS];
  for (int index = 0; index < THREADS; index++) {
    CHECK(pthread_create(&threads[index], NULL, allocate, NULL) == 0);
  }
  for (int child = 0; child < CHILDREN; child++) {
    fflush(NULL);
    pid_t process = fork();
    CHECK(process >= 0);
    if (process == 0) {
      run_child(store);
      _exit(0);
    }
    await(process);
  }
  __atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
  for (int index = 0; index < THREADS; index++) {
    CHECK(pthread_join(threads[index], NULL) == 0);
  }
  printf("forks: %d children with %d first updates each\n", (int)CHILDREN, (int)GAUGES);
  return 0;
}
